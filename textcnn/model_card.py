"""The model card of an artifact: its README.md, with the metadata that the Hub reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import TextCNNForSequenceClassification

CURVE_FILE = "training_curve.svg"
# All others are F1.
_METRIC_TYPES = {
    "accuracy": "accuracy", "average_precision": "average_precision", "mae": "mae", "r2": "r_squared",
    "quadratic_kappa": "cohen_kappa", "spearman": "spearmanr",
}  # fmt: skip


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


def model_card(model: TextCNNForSequenceClassification, record: TrainingRecord) -> str:
    """Return the README.md of an artifact, with the metadata the Hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    config = model.config
    regression = config.problem_type == "regression"
    name = Path(record.data).name or "textcnn"
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=name,
            dataset_name=name,
            dataset_split=metric.split("_")[0].replace("val", "validation"),
            metric_type=next((name for kind, name in _METRIC_TYPES.items() if metric.endswith(kind)), "f1"),
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
        metrics=(["r_squared", "mae"] if regression else ["accuracy", "f1"]) if results else None,
        base_model=record.base_model,
        datasets=[record.data] if record.data.count("/") == 1 and not Path(record.data).exists() else None,
    ).to_yaml()
    labels = [str(name) for _, name in sorted((config.id2label or {}).items())]
    shown = ", ".join(labels[:20]) + (f" and {len(labels) - 20} more" if len(labels) > 20 else "")
    kinds = {"multi_label_classification": "multi-label", "ordinal": "ordinal"}
    kind = kinds.get(str(config.problem_type), "single-label")
    what, named = (
        ("text regressor", "Number")
        if regression
        else (f"{kind} text classifier", f"{'Levels' if kind == 'ordinal' else 'Labels'} ({len(labels)})")
    )
    if config.heads is not None:
        what, named = f"text classifier of {len(config.heads)} label columns", "Label columns"
        numbers = [head["problem_type"] == "regression" for head in config.heads]
        shown = ", ".join(
            f"{head['name']} ({'a number' if number else _labels_of(head)})"
            for head, number in zip(config.heads, numbers, strict=True)
        )
    parts = [
        f"---\n{metadata}\n---",
        f"# A TextCNN for {name}" if record.data else "# A TextCNN",
        f"{'An' if what[0] in 'aeiou' else 'A'} {what}: {_network(config)}, {model.num_parameters():,} parameters.",
        f"{named}: {shown}.",
    ]
    if config.label_separator is not None:
        levels = 1 + max(label.count(config.label_separator) for label in labels)
        parts.append(
            f"The labels are paths of up to {levels} levels, with {config.label_separator!r} between their parts."
        )
    if record.scores:
        rows = "\n".join(f"| {metric} | {value:.4f} |" for metric, value in sorted(record.scores.items()))
        parts.append(f"## Scores\n\n| metric | value |\n|---|---|\n{rows}")
    if record.curve is not None:
        parts.append(f"## Training\n\n![Validation score and loss by epoch]({CURVE_FILE})")
    if record.data_report:
        parts.append(f"## Data\n\n```\n{record.data_report}\n```")
    parts.append(_USE.replace(_PROBABILITIES, "") if regression else _USE if config.heads is None else _USE_OF_HEADS)
    if record.parameters:
        parameters = json.dumps(record.parameters, indent=2, ensure_ascii=False, default=str)
        parts.append(f"## Parameters\n\n```json\n{parameters}\n```")
    return "\n\n".join(parts) + "\n"


def _labels_of(head: Mapping[str, Any]) -> str:
    return f"{len(head['labels'])} {'levels' if head['problem_type'] == 'ordinal' else 'labels'}"


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


_PROBABILITIES = """classifier.predict_proba(["a text", "another"])
"""
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
_USE_OF_HEADS = """## Use

```python
import textcnn

model = textcnn.load("path/to/this/directory")
model.predict(["a text", "another"])  # labels by column
model.predict_proba(["a text", "another"])
```

or, without textcnn installed:

```python
from transformers import pipeline

classify = pipeline("text-classification", "path/to/this/directory", trust_remote_code=True)
classify("a text")  # label and score by column
```"""
