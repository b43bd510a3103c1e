"""`info`: the content of a directory, from its files alone; neither torch nor the tables are loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .artifact import ENCODER, MASKED_LM, model_kind
from .errors import listed
from .runtime.capabilities import RECEPTIVE_FIELDS, REGRESSION, capabilities, obstacle
from .runtime.decisions import ORDINAL
from .settings import InfoSettings, takes

_TEXTCNN = "TextCNN"
_KINDS = {ENCODER: "TextCNN encoder", MASKED_LM: "TextCNN masked language model"}
WEIGHTS, TABLES = "model.safetensors", "folded.safetensors"
_OF_CONVOLUTIONS = (
    "variant", "kernel_sizes", "num_filters", "num_members", "embedding_dim", "activation", "padding",
)  # fmt: skip
_OF_BAG = ("bag", "bag_ngrams", "bag_buckets", "bag_dim")
FILES = (WEIGHTS, TABLES, "tokenizer.json", "config.json")


@dataclass(frozen=True)
class Info:
    """Description of a directory.

    Args:
        directory: The directory.
        kind: TextCNN, or the architecture of another transformers model.
        task: transformers' problem_type.
        labels: Labels in the order of their ids.
        parameters: Number of weights; None without model.safetensors.
        tokens: Size of the vocabulary.
        architecture: Widths, filters and so on.
        tables: Type of the folded tables, "int8" or "float32"; None where there are none yet.
        sizes: Bytes of each file.
        scores: Scores of the run, by name.
        calibration: Temperature, thresholds and abstention.
        verbs: Verbs of `textcnn` that take the directory.
        dimensions: Size of a text's vector, of an encoder.
        unfolded: Reason why there are no tables and never will be; None where the model folds.
        heads: Task, labels and calibration of each head of a model with several.
    """

    directory: str
    kind: str
    task: str | None
    labels: list[str]
    parameters: int | None
    tokens: int | None
    architecture: dict[str, Any] = field(default_factory=dict)
    tables: str | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    verbs: list[str] = field(default_factory=list)
    unfolded: str | None = None
    dimensions: int | None = None
    heads: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return the description as pairs of a name and a text."""
        sizes = ", ".join(f"{name} {_size(size)}" for name, size in self.sizes.items())
        lines = [("model", self.kind), ("directory", self.directory)]
        if self.task:
            lines.append(("task", self.task.replace("_", " ")))
        if self.dimensions is not None:
            lines.append(("vector", f"{self.dimensions} dimensions"))
        for head in self.heads:
            calibrated = ", ".join(
                f"{name} {_rounded(head.get(name, value))}" for name, value in _calibration().items()
            )
            kind = head["problem_type"].replace("_", " ")
            named = "levels" if kind == ORDINAL else "labels"
            labels = f", {len(head['labels'])} {named}: {listed(head['labels'])}; {calibrated}"
            lines.append((f"head {head['name']}", kind if kind == REGRESSION else kind + labels))
        if self.labels and not self.heads:
            lines.append(("predicts", listed(self.labels)) if self.task == REGRESSION else
                         ("labels", f"{len(self.labels)}: {listed(self.labels)}"))  # fmt: skip
        if self.tokens:
            lines.append(("vocabulary", f"{self.tokens:,} tokens"))
        if self.architecture:
            lines.append(("network", ", ".join(f"{name} {value}" for name, value in self.architecture.items())))
        if self.parameters is not None:
            lines.append(("parameters", f"{self.parameters:,}"))
        if self.kind in (_TEXTCNN, _KINDS[ENCODER]):
            lines.append(("tables", self.tables or self.unfolded or "not folded yet; the first answer folds them"))
        lines.append(("files", sizes))
        lines += [(name, f"{value:.4f}") for name, value in self.scores.items()]
        lines += [(name, _rounded(value)) for name, value in self.calibration.items()]
        lines.append(("verbs", ", ".join(self.verbs)))
        return lines


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _rounded(value: Any) -> str:
    """Return a setting of calibration for people: four digits of a number, no braces."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_rounded(one)}" for name, one in value.items()) or "none"
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@takes(InfoSettings)
def info(settings: InfoSettings) -> Info:
    """Describe the content of a directory: task, labels, sizes, scores, calibration and abilities.

    Example:
        >>> textcnn.info("runs/reviews").labels
        ['negative', 'positive']

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: The directory holds no model.
    """
    from .artifact import check_artifact

    directory = Path(settings.model)
    config = _config(directory)
    if config.get("model_type") in ("textcnn", None):
        check_artifact(directory)
    names = config.get("id2label") or {}
    labels = [str(names[index]) for index in sorted(names, key=int)]
    sizes = {name: (directory / name).stat().st_size for name in FILES if (directory / name).is_file()}
    weights = _header(directory / WEIGHTS)
    parameters = None if weights is None else sum(_count(entry["shape"]) for entry in weights.values())
    scores = _scores(directory)
    if config.get("model_type") != "textcnn":
        kind = (config.get("architectures") or [str(config.get("model_type"))])[0]
        verbs = ["teach", "adapt", "vectors", *(["distill"] if labels and "Classification" in kind else [])]
        return Info(str(directory), kind, config.get("problem_type"), labels, parameters, config.get("vocab_size"),
                    sizes=sizes, scores=scores, verbs=verbs)  # fmt: skip
    if "fasttext" in config:
        return _converted(directory, config, labels, sizes)
    tables = _header(directory / TABLES)
    keys: tuple[str, ...] = () if not config.get("kernel_sizes", True) else _OF_CONVOLUTIONS
    if config.get("num_experts", 1) > 1:
        keys += ("num_experts", "experts_per_text")
    if config.get("pooling", "max") != "max":
        keys += ("pooling", *(["pooling_segments"] if config["pooling"] == "segments" else []))
    if config.get("backbone", "parallel") != "parallel":
        keys = ("backbone", "variant", "num_filters", "embedding_dim")
    if config.get("bag", "none") != "none":
        keys += _OF_BAG
    kind_of_tables = _kind_of(tables or {})
    kind = model_kind(config)
    return Info(
        str(directory),
        _KINDS.get(kind, _TEXTCNN),
        config.get("problem_type"),
        [] if kind == ENCODER else labels,
        parameters,
        config.get("vocab_size"),
        {**{key: config[key] for key in keys if config.get(key) is not None}, **_backbone(config)},
        kind_of_tables,
        sizes,
        scores,
        {}
        if kind in _KINDS or config.get("heads") or config.get("problem_type") == REGRESSION
        else {name: config.get(name, default) for name, default in _calibration().items()},
        _verbs(config, kind_of_tables, trained=weights is not None),
        obstacle(config, "fold") and f"none: {obstacle(config, 'fold')}",
        config.get("encoding_dim"),
        list(config.get("heads") or []),
    )


def _converted(directory: Path, config: dict[str, Any], labels: list[str], sizes: dict[str, int]) -> Info:
    """Describe a model that was converted from fastText."""
    tensors = _header(directory / TABLES) or {}
    settings = config["fasttext"]
    keys = ("loss", "dim", "word_ngrams", "min_n", "max_n", "buckets")
    return Info(
        str(directory),
        "fastText",
        config.get("problem_type"),
        labels,
        None,
        tensors.get("word_ends", {}).get("shape", [None])[0],
        {key: settings[key] for key in keys},
        _kind_of(tensors),
        sizes,
        _scores(directory),
        {name: config.get(name, default) for name, default in _calibration().items()},
        ["evaluate", "score", "calibrate", "explain"],
    )


def _kind_of(tensors: dict[str, Any]) -> str | None:
    """Type of the folded tables."""
    entry = tensors.get("table") or tensors.get("vectors") or tensors.get("bag_table")
    return None if not entry else {"I8": "int8", "F32": "float32"}.get(entry["dtype"], entry["dtype"])


def _calibration() -> dict[str, Any]:
    from .artifact import CALIBRATION

    return CALIBRATION


def _backbone(config: dict[str, Any]) -> dict[str, Any]:
    """Blocks and receptive field of a deep backbone."""
    name, blocks = config.get("backbone", "parallel"), config.get("num_blocks", 1)
    if name == "parallel":
        return {}
    return {"num_blocks": blocks, "receptive_field": f"{RECEPTIVE_FIELDS[name](blocks)} tokens"}


def _verbs(config: dict[str, Any], tables: str | None, trained: bool) -> list[str]:
    """The verbs that take a TextCNN."""
    able, kind = capabilities(config), model_kind(config)
    if kind in _KINDS:
        further = ["generate"] if kind == MASKED_LM else ["fold"] if "fold" in able else []
        return [*further, "train", "pretrain"] if trained else further[1:]
    verbs = ["evaluate", "score", *([] if "regress" in able else ["calibrate"])]
    # What does not fold is explained by occlusion.
    if "explain" in able or "fold" not in able:
        verbs.append("explain")
    if "inspect" in able:
        verbs.append("inspect")
    if "certify" in able and tables != "int8":
        verbs.append("certify")
    if not trained:
        return verbs
    teaches = "regress" not in able and not config.get("heads")
    return [*verbs, *(["fold"] if "fold" in able else []), "export", *(["distill"] if teaches else [])]


def _config(directory: Path) -> dict[str, Any]:
    from .artifact import check_artifact

    try:
        content = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        check_artifact(directory)  # it says what is missing, or which directory was meant
        raise ValueError(f"{directory / 'config.json'} is no JSON object; copy it again")
    return content


def _header(path: Path) -> dict[str, Any] | None:
    """The header of a safetensors file: type and shape of each tensor; None without the file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(min(size, 1 << 26)))
        except ValueError as error:
            raise ValueError(f"{path} cannot be read ({error}); it may be a partial copy: copy it again") from error
    header.pop("__metadata__", None)
    return dict(header)


def _count(shape: list[int]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _scores(directory: Path) -> dict[str, float]:
    """The scores of the run, from the metadata of its model card, or from its scores.json."""
    if (directory / "scores.json").is_file():
        return dict(json.loads((directory / "scores.json").read_text(encoding="utf-8")))
    card = directory / "README.md"
    if not card.is_file():
        return {}
    import yaml

    _, _, rest = card.read_text(encoding="utf-8").partition("---\n")
    metadata = yaml.safe_load(rest.partition("\n---")[0]) or {}
    results = [result for model in metadata.get("model-index") or [] for result in model.get("results") or []]
    return {str(metric["name"]): float(metric["value"]) for result in results for metric in result.get("metrics") or []}
