"""`evaluate`: scores of a model on labelled data, and the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..artifact import check_artifact, read_config
from ..errors import listed
from ..loading import load_classifier, load_with_heads
from ..runtime.classifier import TextClassifier
from ..runtime.head_outputs import head_slices
from ..runtime.heads import HeadsClassifier
from ..settings import EvaluateSettings, takes
from .breakdown import class_table
from .labelled import read_labelled
from .numbers import ask_numbers, number_scores, write_number_report
from .report import write_report
from .scores import OutOfScope, Score, ask, out_of_scope, scores


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model.

    Args:
        data: Description of the data.
        texts: Number of texts that were scored.
        classes: Number of classes; 0 for a regression.
        scores: Score by name, with its confidence interval.
        out_of_scope: Quality of each confidence score at detecting texts of no class of the model.
        without_text: Rows that were left out because they have no text.
        without_label: Rows that were left out because they have no label.
        dropped: The same in words; "" where no row was left out.
        by_class: Precision, recall and F1 of each class, as a table; "" for a regression.
        report: HTML page that was written, or None.
        heads: Evaluation of each head of a model with several; `scores` are then empty.
    """

    data: str
    texts: int
    classes: int
    scores: dict[str, Score]
    out_of_scope: list[OutOfScope]
    without_text: int
    without_label: int
    dropped: str
    by_class: str
    report: Path | None
    heads: dict[str, Evaluation] = field(default_factory=dict)

    @property
    def mean(self) -> float | None:
        """Mean over the heads of the first score of each; None without heads."""
        if not self.heads:
            return None
        return sum(next(iter(one.scores.values())).value for one in self.heads.values()) / len(self.heads)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "data": self.data,
            "texts": self.texts,
            "dropped": {"without_text": self.without_text, "without_label": self.without_label},
            "scores": {name: asdict(score) for name, score in self.scores.items()},
            "out_of_scope": [asdict(scope) for scope in self.out_of_scope],
            **({"heads": {name: one.to_dict() for name, one in self.heads.items()}, "mean": self.mean}
               if self.heads else {}),
        }  # fmt: skip


@takes(EvaluateSettings)
def evaluate(settings: EvaluateSettings) -> Evaluation:
    """Score a model on labelled data, as every interface answers: calibrated, with its thresholds and abstention.

    A regression has the scores R2, MAE and Spearman. Of a model with several heads, each is scored on the rows with a
    label in its column.

    `textcnn.EvaluateSettings` documents the settings.

    Example:
        >>> textcnn.evaluate("runs/reviews", "test.csv").scores["accuracy"].value
        0.914

    Raises:
        FileNotFoundError: There is no such model or file.
        ValueError: There is no such split or column, or a label is not the model's.
    """
    if settings.report is not None:
        from .plots import load_matplotlib

        load_matplotlib()  # an extra that is missing is named now, not after the work
        Path(settings.report).parent.mkdir(parents=True, exist_ok=True)
    if settings.head is None and (heads := head_slices(read_config(check_artifact(settings.model)))):
        return _evaluate_heads(settings, list(heads))
    classifier = load_classifier(check_artifact(settings.model), head=settings.head)
    if classifier.regression:
        return _evaluate_numbers(settings, classifier)
    rows = read_labelled(
        settings.data, classifier, settings.split, settings.text_column, settings.label_column, settings.out_of_scope,
        others="wrong",
    )  # fmt: skip
    outcome = ask(classifier, rows)
    found, scope = scores(outcome, settings.resamples), out_of_scope(outcome)
    report = None
    if settings.report is not None:
        by = None if settings.by is None else list(settings.by)
        report = write_report(str(settings.report), outcome, found, scope, str(settings.model), by, settings.mistakes)
    return Evaluation(
        data=rows.where,
        texts=len(outcome.inside),
        classes=len(outcome.labels),
        scores=found,
        out_of_scope=scope,
        without_text=rows.without_text,
        without_label=rows.without_label,
        dropped=rows.dropped,
        by_class=class_table(outcome),
        report=None if report is None else Path(report),
    )


def _evaluate_heads(settings: EvaluateSettings, heads: list[str]) -> Evaluation:
    for name in ("report", "by", "out_of_scope", "label_column"):
        if getattr(settings, name):
            raise ValueError(
                f"{name}: got it for a model with the heads {listed(heads)}; expected one of them; choose it with head "
                "(--head)"
            )
    model, found = load_with_heads(settings.model), {}
    assert isinstance(model, HeadsClassifier)
    for name in heads:
        one = model.heads[name]
        rows = read_labelled(
            settings.data, one, settings.split, settings.text_column, name, others="wrong", every_number=False
        )
        if one.regression:
            texts, classes = len(rows), 0
            own = number_scores(ask_numbers(one, rows), settings.resamples)
        else:
            outcome = ask(one, rows)
            texts, classes = len(outcome.inside), len(outcome.labels)
            own = scores(outcome, settings.resamples)
        found[name] = Evaluation(
            data=rows.where, texts=texts, classes=classes, scores=own, out_of_scope=[],
            without_text=rows.without_text, without_label=rows.without_label, dropped=rows.dropped, by_class="",
            report=None,
        )  # fmt: skip
    return Evaluation(
        data=next(iter(found.values())).data, texts=max(one.texts for one in found.values()),
        classes=sum(one.classes for one in found.values()), scores={}, out_of_scope=[],
        without_text=max(one.without_text for one in found.values()),
        without_label=max(one.without_label for one in found.values()),
        dropped="; ".join(f"{name}: {one.dropped}" for name, one in found.items() if one.dropped),
        by_class="", report=None, heads=found,
    )  # fmt: skip


def _evaluate_numbers(settings: EvaluateSettings, model: TextClassifier) -> Evaluation:
    for name in ("out_of_scope", "by"):
        if getattr(settings, name):
            raise ValueError(
                f"{name}: got it for a model of problem_type regression; expected none, as it needs labels"
            )
    rows = read_labelled(
        settings.data, model, settings.split, settings.text_column, settings.label_column,
        every_number=settings.head is None,
    )  # fmt: skip
    outcome = ask_numbers(model, rows)
    found, report = number_scores(outcome, settings.resamples), None
    if settings.report is not None:
        report = write_number_report(settings.report, outcome, found, settings.model, settings.mistakes)
    return Evaluation(
        data=rows.where, texts=len(rows), classes=0, scores=found, out_of_scope=[], without_text=rows.without_text,
        without_label=rows.without_label, dropped=rows.dropped, by_class="", report=report,
    )  # fmt: skip
