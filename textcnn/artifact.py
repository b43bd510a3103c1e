"""The artifact, the directory that every interface opens: config.json, model.safetensors, tokenizer, model card.

No pickle is read or written.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import one_line
from .model_card import CURVE_FILE, TrainingRecord, model_card
from .runtime import checks
from .runtime.capabilities import refuse_heads
from .runtime.checks import check_config
from .runtime.digests import DIGESTS, digest_of_settings, verify_files, verify_settings, with_digests
from .runtime.heads import config_of_head
from .runtime.storage import FOLDED_FILE, ONNX_FILE, write_text
from .runtime.unfinished import unfinished_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from .model import TextCNNForSequenceClassification


# The part of config.json that only a model converted from fastText has.
CONVERTED = "fasttext"
# Files of which config.json holds digests. folded.safetensors has its own, and people edit README.md.
VERIFIED = ("model.safetensors", "tokenizer.json", "tokenizer_config.json")
# Fields of config.json that calibration sets, with their values before. No weight and no table depends on it.
CALIBRATION: dict[str, Any] = {"temperature": 1.0, "thresholds": None, "abstention": None}


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


_NOT_SAVED = "nothing is saved: lower learning_rate, or look for extreme values in the vectors or the data"


def check_finite_weights(weights: Mapping[str, Any], remedy: str = _NOT_SAVED) -> None:
    """Raise ValueError where a weight is not finite: such a model answers with NaN.

    Args:
        weights: Tensors by name.
        remedy: The action to suggest, for the message.
    """
    import torch

    for name, tensor in weights.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            count = int((~torch.isfinite(tensor)).sum())
            if count:
                what = f"{count:,} of {tensor.numel():,} weights that are not finite"
                raise ValueError(f"{name}: got {what}; expected numbers; {remedy}")


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
    directory = Path(directory)
    verified_config(directory)

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
    check_finite_weights(model.state_dict(), f"copy {directory / 'model.safetensors'} again")
    tokenizer = load_tokenizer(str(directory))
    if vocabulary_size(tokenizer) != model.config.vocab_size or tokenizer.pad_token_id != model.config.pad_token_id:
        raise ValueError(
            f"{directory}: got a tokenizer of {vocabulary_size(tokenizer)} tokens (pad id {tokenizer.pad_token_id}); "
            f"expected the model's own, of {model.config.vocab_size} (pad id {model.config.pad_token_id}); "
            "copy back the tokenizer.json that was saved with the model"
        )
    return model, tokenizer


def verified_config(directory: str | Path) -> dict[str, Any]:
    """Return config.json of an artifact with weights, after all checks of its files.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: it is no artifact, or a file of it is damaged.
    """
    directory = check_artifact(directory, folded=False)
    config = read_config(directory)
    check_config(config)
    verify_settings(directory / "config.json", config)
    verify_files(directory, config, VERIFIED)
    return config


CLASSIFIER, ENCODER, MASKED_LM = "TextCNNForSequenceClassification", "TextCNNForTextEncoding", "TextCNNForMaskedLM"


def model_kind(config: Mapping[str, Any]) -> str:
    """Return the name of the class that a config.json is of: CLASSIFIER, ENCODER or MASKED_LM.

    Raises:
        ValueError: its architectures are no list of names, or not those of an encoder with its settings.
    """
    names = config.get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"config.json: architectures: got {names!r:.60}; expected a list of names; copy config.json again"
        )
    kind = next((name for name in (ENCODER, MASKED_LM) if name in names), CLASSIFIER)
    if config.get("encoding_dim") is not None and kind != ENCODER:
        raise ValueError(
            f"config.json: architectures: got {names!r:.60} with encoding_dim {config['encoding_dim']}; expected "
            f"{ENCODER}, the class of encoders; copy config.json again"
        )
    return kind


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


def write_calibration(directory: str | Path, head: str | None = None, **values: Any) -> None:
    """Set temperature, thresholds and abstention of an artifact, or of one of its heads; values not given are reset.

    Example:
        >>> write_calibration("runs/spam", temperature=1.7, thresholds={"spam": 0.8})
    """
    path = check_artifact(directory) / "config.json"
    config, own = read_config(path.parent), {**CALIBRATION, **values}
    if head is None:
        refuse_heads(config, "calibration")
        config |= own
    else:
        config_of_head(config, head)  # a misspelt one is named
        config["heads"] = [one | own if one["name"] == head else one for one in config["heads"]]
    check_config(config)
    digests = config.get(DIGESTS)
    if digests:
        config[DIGESTS] = {**digests, "labels": digest_of_settings(config, editable=True)}
    _write_config(path, config)


def _write_config(path: Path, config: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


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
