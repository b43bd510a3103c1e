"""The artifact, the directory that every interface opens: config.json, model.safetensors, tokenizer, model card.

No pickle is read or written.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import one_line
from .runtime import checks
from .runtime.checks import check_config
from .runtime.digests import DIGESTS, digest_of_settings, verify_files, verify_settings, with_digests
from .runtime.storage import FOLDED_FILE, ONNX_FILE, write_text
from .runtime.unfinished import unfinished_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from .model import TextCNNForSequenceClassification


# The part of config.json that only a model converted from fastText has.
CONVERTED = "fasttext"
# Files of which config.json holds digests. folded.safetensors has its own, and people edit README.md.
VERIFIED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json")
CURVE_FILE = "training_curve.svg"
# Fields of config.json that calibration sets, with their values before. No weight and no table depends on it.
CALIBRATION: dict[str, Any] = {"temperature": 1.0, "thresholds": None, "abstention": None}


@dataclass(kw_only=True)
class TrainingRecord:
    """Facts about a training run for the model card.

    Args:
        data: Name of the data set, as given.
        scores: Metric name to value, such as {"test_accuracy": 0.91}.
        data_report: Lines about rows, splits and truncation.
        parameters: Every setting that is needed to train the model again.
        base_model: Hub id of the checkpoint of the initial vectors.
        curve: Training curve as an SVG file.
    """

    data: str
    scores: Mapping[str, float] = field(default_factory=dict)
    data_report: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    base_model: str | None = None
    curve: str | None = None


def save_artifact(
    model: TextCNNForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    directory: str | Path,
    record: TrainingRecord | None = None,
    card: str | None = None,
) -> Path:
    """Write a model and its tokenizer, with a model card, into a directory that `load` opens.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        directory: Directory to write.
        record: Facts about the run, for the card.
        card: Text of the card. Default: that of a classifier.

    Example:
        >>> save_artifact(model, tokenizer, "runs/spam", TrainingRecord(data="sms.csv"))
    """
    from .tokenization import save_tokenizer

    check_finite_weights(model.state_dict())
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # Complete before it takes the place of an earlier artifact: a full disk leaves that as it was.
    with unfinished_folder(directory, "artifact") as folder:
        save_weights(model, folder)
        save_tokenizer(tokenizer, folder)
        config = read_config(folder)
        _write_config(folder / "config.json", with_digests(config, folder, VERIFIED))
        write_text(folder / "README.md", card or model_card(model, record or TrainingRecord(data="")))
        if record is not None and record.curve is not None:
            write_text(folder / CURVE_FILE, record.curve)
        # What was made of other weights would go on answering for them.
        (directory / FOLDED_FILE).unlink(missing_ok=True)
        (directory / ONNX_FILE).unlink(missing_ok=True)
        for path in sorted(folder.iterdir()):
            path.replace(directory / path.name)
    return directory


def check_finite_weights(weights: Mapping[str, Any]) -> None:
    """Raise ValueError where a weight is not finite: such a model answers every text with NaN."""
    import torch

    for name, tensor in weights.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            count = int((~torch.isfinite(tensor)).sum())
            if count:
                raise ValueError(
                    f"{name}: got {count:,} of {tensor.numel():,} weights that are not finite; expected numbers; "
                    "nothing is saved: lower learning_rate, or look for extreme values in the vectors or the data"
                )


def save_weights(model: Any, directory: Path) -> None:
    """Write a model of transformers: its settings and weights."""
    with quiet_transformers():
        model.save_pretrained(directory)
    # safetensors makes files that only their owner may read; a model is for whoever may read the folder.
    mode = (directory / "config.json").stat().st_mode
    for weights in directory.glob("model*.safetensors"):
        weights.chmod(mode)


def read_artifact(directory: str | Path) -> tuple[TextCNNForSequenceClassification, PreTrainedTokenizerFast]:
    """Open the model and the tokenizer of an artifact.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: it is no artifact, a file of it is broken, or its tokenizer belongs to another model.
    """
    directory = check_artifact(directory, folded=False)
    config = read_config(directory)
    check_config(config)
    verify_settings(directory / "config.json", config)
    verify_files(directory, config, VERIFIED)

    from safetensors import SafetensorError

    from . import model as models
    from .tokenization import load_tokenizer, vocabulary_size

    try:
        with quiet_transformers():
            model, info = getattr(models, model_kind(read_config(directory))).from_pretrained(
                directory, local_files_only=True, output_loading_info=True
            )
    except SafetensorError as error:
        raise ValueError(
            f"{directory / 'model.safetensors'} cannot be read ({error}); it may be a partial copy: copy it again"
        ) from error
    except (RuntimeError, AttributeError, TypeError) as error:  # tensors of other shapes, a type that does not exist
        raise ValueError(
            f"{directory / 'model.safetensors'} has other weights than config.json says ({one_line(error)}); expected "
            "those that were saved with it; copy both again"
        ) from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(f"{directory / 'model.safetensors'} lacks {', '.join(missing[:3])}; expected every weight")
    tokenizer = load_tokenizer(str(directory))
    if vocabulary_size(tokenizer) != model.config.vocab_size or tokenizer.pad_token_id != model.config.pad_token_id:
        raise ValueError(
            f"{directory}: got a tokenizer of {vocabulary_size(tokenizer)} tokens (pad id {tokenizer.pad_token_id}); "
            f"expected the model's own, of {model.config.vocab_size} (pad id {model.config.pad_token_id}); "
            "copy back the tokenizer.json that was saved with the model"
        )
    return model, tokenizer


CLASSIFIER, ENCODER, MASKED_LM = "TextCNNForSequenceClassification", "TextCNNForTextEncoding", "TextCNNForMaskedLM"


def model_kind(config: Mapping[str, Any]) -> str:
    """Return the name of the class that a config.json is of: CLASSIFIER, ENCODER or MASKED_LM."""
    names = config.get("architectures") or []
    return next((name for name in (ENCODER, MASKED_LM) if name in names), CLASSIFIER)


def check_kind(directory: str | Path, expected: str) -> Path:
    """Return the directory if it holds a model of a kind.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: it holds no textcnn model, or one of another kind.
    """
    directory = check_artifact(directory)
    kind = model_kind(read_config(directory))
    if kind != expected:
        raise ValueError(f"model: got {directory}, {_KINDS[kind]}; expected {_KINDS[expected]}; {_MAKING[expected]}")
    return directory


_KINDS = {CLASSIFIER: "a classifier", ENCODER: "an encoder without labels", MASKED_LM: "a masked language model"}
_MAKING = {
    CLASSIFIER: "train one that starts from it: textcnn train DATA --init MODEL",
    ENCODER: "make one with textcnn pretrain --objective representation",
    MASKED_LM: "make one with textcnn pretrain --objective diffusion",
}


def check_artifact(directory: str | Path, folded: bool = True) -> Path:
    """Return the directory if it holds a textcnn model; imports nothing heavy.

    Args:
        directory: The artifact.
        folded: Accept folded tables, or an ONNX file, in place of weights, as on a server.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: it is a file, or holds no textcnn model.
    """
    directory = Path(directory)
    if directory.is_file():
        with directory.open("rb") as file:
            if file.read(4) == _FASTTEXT:
                raise ValueError(
                    f"got {directory}, a model of fastText; expected a directory; run `textcnn convert {directory} "
                    "OUTPUT` first"
                )
        inside = (directory.parent / "config.json").is_file()
        raise ValueError(
            f"got the file {directory}; expected the directory of a trained model; give the one that `textcnn fit` or "
            "`textcnn.train` wrote" + (f"; did you mean {directory.parent}?" if inside else "")
        )
    if not directory.is_dir():
        siblings = [path.name for path in directory.parent.glob("*") if path.is_dir()]
        nearest = difflib.get_close_matches(directory.name, siblings, n=1)
        hint = f"; did you mean {directory.parent / nearest[0]}?" if nearest else ""
        raise FileNotFoundError(f"no directory {directory}{hint}")
    weights = _tables_of(directory) if folded else "model.safetensors"
    _expect_files(directory, "config.json")
    config = read_config(directory)
    if not folded and CONVERTED in config:
        raise ValueError(
            f"{directory} was converted from fastText and has no weights to train or fold; expected a model that "
            "`textcnn train` wrote"
        )
    _expect_files(directory, weights, *(() if CONVERTED in config else ("tokenizer.json",)))
    if config.get("model_type") != "textcnn":
        raise ValueError(
            f"{directory / 'config.json'}: got model_type {config.get('model_type')!r}; expected 'textcnn'"
        )
    return directory


def read_config(directory: str | Path) -> dict[str, Any]:
    """Return the config.json of an artifact.

    Raises:
        ValueError: it is no JSON object.
    """
    return checks.read_config(Path(directory) / "config.json")


def answering_files(directory: str | Path) -> list[str]:
    """Return the names of the files that a model's answers depend on."""
    directory = Path(directory)
    tokenizer = () if CONVERTED in read_config(directory) else ("tokenizer.json",)
    return ["config.json", *tokenizer, _tables_of(directory)]


def _tables_of(directory: Path) -> str:
    """Return the name of the file that answers are computed from."""
    return next((name for name in (FOLDED_FILE, ONNX_FILE) if (directory / name).is_file()), "model.safetensors")


def _expect_files(directory: Path, *names: str) -> None:
    for name in names:
        if not (directory / name).is_file():
            raise ValueError(
                f"{directory} is no textcnn artifact: it has no {name}; expected a directory that `textcnn fit` "
                "or `textcnn.train` wrote"
            )


def write_calibration(directory: str | Path, **values: Any) -> None:
    """Set temperature, thresholds and abstention of an artifact; values not given are reset.

    Example:
        >>> write_calibration("runs/spam", temperature=1.7, thresholds={"spam": 0.8})
    """
    path = check_artifact(directory) / "config.json"
    config = {**read_config(path.parent), **CALIBRATION, **values}
    check_config(config)
    digests = config.get(DIGESTS)
    if digests:
        config[DIGESTS] = {**digests, "labels": digest_of_settings(config, editable=True)}
    _write_config(path, config)


def _write_config(path: Path, config: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def model_card(model: TextCNNForSequenceClassification, record: TrainingRecord) -> str:
    """Return the README.md of an artifact, with the metadata the Hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    config = model.config
    name = Path(record.data).name or "textcnn"
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=name,
            dataset_name=name,
            dataset_split=metric.split("_")[0].replace("val", "validation"),
            metric_type=next((kind for kind in _METRIC_TYPES if metric.endswith(kind)), "f1"),
            metric_name=metric,
            metric_value=round(value, 4),
        )
        for metric, value in record.scores.items()
        if not metric.endswith("loss")
    ]
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["textcnn"],
        model_name=f"textcnn-{name}",
        eval_results=results or None,
        metrics=["accuracy", "f1"] if results else None,
        base_model=record.base_model,
        datasets=[record.data] if record.data.count("/") == 1 and not Path(record.data).exists() else None,
    ).to_yaml()
    labels = [str(name) for _, name in sorted((config.id2label or {}).items())]
    shown = ", ".join(labels[:20]) + (f" and {len(labels) - 20} more" if len(labels) > 20 else "")
    kind = "multi-label" if config.problem_type == "multi_label_classification" else "single-label"
    parts = [
        f"---\n{metadata}\n---",
        f"# A TextCNN for {name}" if record.data else "# A TextCNN",
        f"A {kind} text classifier: {_network(config)}, {model.num_parameters():,} parameters.",
        f"Labels ({len(labels)}): {shown}.",
    ]
    if record.scores:
        rows = "\n".join(f"| {metric} | {value:.4f} |" for metric, value in sorted(record.scores.items()))
        parts.append(f"## Scores\n\n| metric | value |\n|---|---|\n{rows}")
    if record.curve is not None:
        parts.append(f"## Training\n\n![Validation score and loss by epoch]({CURVE_FILE})")
    if record.data_report:
        parts.append(f"## Data\n\n```\n{record.data_report}\n```")
    parts.append(_USE)
    if record.parameters:
        parameters = json.dumps(record.parameters, indent=2, ensure_ascii=False, default=str)
        parts.append(f"## Parameters\n\n```json\n{parameters}\n```")
    return "\n\n".join(parts) + "\n"


def _network(config: Any) -> str:
    """Return a description of the layers of a network."""
    parts = []
    if config.kernel_sizes:
        widths = ", ".join(map(str, config.kernel_sizes))
        parts.append(
            f"convolutions of widths {widths} over token embeddings, max-pooled over time "
            "([Kim 2014](https://arxiv.org/abs/1408.5882))"
        )
    if config.bag != "none":
        features = f"tokens and hashed n-grams of up to {config.bag_ngrams}" if config.bag_ngrams > 1 else "tokens"
        parts.append(
            f"the {config.bag} of a bag of {features} ([Joulin et al. 2017](https://arxiv.org/abs/1607.01759))"
        )
    return " and ".join(parts)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers, which shows a bar while loading and reports weights that are new on purpose."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


_FASTTEXT = (793712314).to_bytes(4, "little")  # how fastText's files begin
_METRIC_TYPES = ("accuracy", "average_precision")  # all others are F1

_USE = """## Use

```python
import textcnn

classifier = textcnn.load("path/to/this/directory")
classifier.predict(["a text", "another"])
classifier.predict_proba(["a text", "another"])
```

or, without textcnn installed:

```python
from transformers import pipeline

classify = pipeline("text-classification", "path/to/this/directory", trust_remote_code=True)
```"""
