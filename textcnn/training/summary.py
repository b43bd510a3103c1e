"""Summary of a run on one screen: score and interval, a linear baseline, confused classes, and next steps.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import DataError
from ..runtime.heads import HeadsClassifier
from .baseline import baseline_labels, baseline_numbers, too_large
from .curve import Curve, read_curve
from .head_summary import HeadScore, HeadsSummary
from .screen import aligned, curve_row, next_steps

if TYPE_CHECKING:
    from rich.console import Console

    from ..data import TextDataModule
    from ..runtime.classifier import TextClassifier

_PAIRS, _LONGEST = 3, 28


@dataclass(frozen=True)
class RunSummary:
    """Facts about a finished run.

    Args:
        role: Split that the score is of: test, or validation without a test split.
        accuracy: Fraction of its texts with the right label, or with all right labels.
        low, high: 95 % interval of the accuracy (Wilson 1927).
        texts: Number of its texts.
        multi_label: A text may have several labels.
        baseline: Accuracy of the linear baseline on the same texts, or None.
        baseline_note: Reason for a missing baseline, or "".
        confusions: Label, label that was predicted, and number of texts, the most frequent first.
        curve: Training curve, or None.
        output: Directory of the run.
        data: Labelled data, as it was given, or None for data in memory.
    """

    role: str
    accuracy: float
    low: float
    high: float
    texts: int
    multi_label: bool
    baseline: float | None
    baseline_note: str
    confusions: list[tuple[str, str, int]]
    curve: Curve | None
    output: str
    data: str | None

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        name = "all labels right" if self.multi_label else "accuracy"
        rows = [(f"{self.role} {name}", f"{self.accuracy:.3f}  95 % interval {self.low:.3f} to {self.high:.3f}, "
                 f"{self.texts:,} texts")]  # fmt: skip
        if self.baseline is not None:
            points = 100 * (self.accuracy - self.baseline)
            beside = f"{abs(points):.1f} points {'below' if points >= 0 else 'above'} textcnn"
            rows.append(("linear baseline", f"{self.baseline:.3f}  TF-IDF + logistic regression, {beside}"))
        elif self.baseline_note:
            rows.append(("linear baseline", f"skipped: {self.baseline_note}"))
        if self.confusions:
            pairs = [f"{_short(own)} → {_short(given)} ({texts:,})" for own, given, texts in self.confusions]
            rows.append(("most confused", ", ".join(pairs)))
        rows += curve_row(self.curve)
        data = "FILE" if self.data is None else shlex.quote(self.data)
        return aligned([*rows, *next_steps(self.output, self.data), ("", f"textcnn compare {data}")])


@dataclass(frozen=True)
class NumberSummary:
    """Facts about a finished run of a regression.

    Args:
        role: Split that the scores are of: test, or validation without a test split.
        texts: Number of its texts.
        scores: R2 and mean absolute error.
        baseline: Those of the linear baseline on the same texts, or None.
        baseline_note: Reason for a missing baseline, or "".
        curve: Training curve, or None.
        output: Directory of the run.
        data: Labelled data, as it was given, or None for data in memory.
    """

    role: str
    texts: int
    scores: tuple[float, float]
    baseline: tuple[float, float] | None
    baseline_note: str
    curve: Curve | None
    output: str
    data: str | None

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        rows = [(f"{self.role} R2", f"{self.scores[0]:.3f}  mean absolute error {self.scores[1]:.4g}, "
                 f"{self.texts:,} texts")]  # fmt: skip
        if self.baseline is not None:
            said = f"{self.baseline[0]:.3f}  mean absolute error {self.baseline[1]:.4g}, TF-IDF + ridge regression"
            rows.append(("linear baseline", said))
        elif self.baseline_note:
            rows.append(("linear baseline", f"skipped: {self.baseline_note}"))
        return aligned([*rows, *curve_row(self.curve), *next_steps(self.output, self.data)])


def summarize_run(
    data: TextDataModule, classifier: TextClassifier | HeadsClassifier, output: str | Path, name: str | None
) -> RunSummary | NumberSummary | HeadsSummary | None:
    """Return the summary of a run, or None where nothing was held out.

    Args:
        data: Data of the run.
        classifier: The trained classifier.
        output: Directory of the run.
        name: Labelled data, as it was given, or None for data in memory.
    """
    found = _scored_split(data)
    if found is None:
        return None
    role, texts, targets = found
    if isinstance(classifier, HeadsClassifier):
        return summarize_heads(data, classifier, role, texts, targets, output, name)
    if classifier.regression:
        return summarize_numbers(data, classifier, role, texts, targets, output, name)
    multi_label = targets.ndim == 2
    probabilities = np.asarray(classifier.predict_proba(texts))
    predicted = (probabilities >= 0.5).astype(np.int64) if multi_label else probabilities.argmax(axis=1)
    right = _right(predicted, targets)
    low, high = wilson_interval(int(right.sum()), len(right))
    baseline, why = _baseline(*data.texts_and_targets("train"), len(data.labels), texts, targets)
    return RunSummary(
        role=role, accuracy=float(right.mean()), low=low, high=high, texts=len(texts), multi_label=multi_label,
        baseline=baseline, baseline_note=why,
        confusions=[] if multi_label else most_confused(predicted, targets, data.labels),
        curve=read_curve(output), output=str(output), data=name,
    )  # fmt: skip


def summarize_numbers(
    data: TextDataModule, model: TextClassifier, role: str, texts: list[str], targets: NDArray[Any],
    output: str | Path, name: str | None,
) -> NumberSummary:  # fmt: skip
    """Return the summary of a regression on the texts and numbers of a split; see `summarize_run`."""
    own = _number_scores(np.asarray(model.predict(texts), dtype=np.float64), targets)
    baseline, why = _number_baseline(*data.texts_and_targets("train"), texts, targets)
    return NumberSummary(role, len(texts), own, baseline, why, read_curve(output), str(output), name)


def summarize_heads(
    data: TextDataModule, model: HeadsClassifier, role: str, texts: list[str], targets: Mapping[str, NDArray[Any]],
    output: str | Path, name: str | None,
) -> HeadsSummary:  # fmt: skip
    """Return the summary of a model with several heads on the texts and labels of a split; see `summarize_run`."""
    train_texts, train_targets = data.texts_and_targets("train")
    answers, rows = model.answer(texts), []
    for head, decider in model.deciders.items():
        there, train_there = (np.flatnonzero(_has_label(own[head])) for own in (targets, train_targets))
        if not len(there):
            continue
        own, p = targets[head][there], answers[head].probabilities[there]
        if decider.regression:
            train = [train_texts[i] for i in train_there], train_targets[head][train_there]
            of_numbers, why = _number_baseline(*train, [texts[i] for i in there], own)
            r2 = _number_scores(p[:, 0].astype(np.float64), own)[0]
            rows.append(HeadScore(head, r2, None, None, len(there), None if of_numbers is None else of_numbers[0], why))
            continue
        predicted = (p >= 0.5).astype(np.int64) if decider.multi_label else p.argmax(axis=1)
        right = _right(predicted, own)
        baseline, why = _baseline(
            [train_texts[i] for i in train_there], train_targets[head][train_there], len(decider.labels),
            [texts[i] for i in there], own,
        )  # fmt: skip
        low, high = wilson_interval(int(right.sum()), len(right))
        rows.append(HeadScore(head, float(right.mean()), low, high, len(there), baseline, why))
    return HeadsSummary(role, rows, read_curve(output), str(output), name)


def _has_label(targets: NDArray[Any]) -> NDArray[np.bool_]:
    if np.issubdtype(targets.dtype, np.floating):
        return np.asarray(~(np.isnan(targets) if targets.ndim == 1 else np.isnan(targets).any(axis=1)))
    return np.asarray(targets >= 0)


def _number_baseline(
    train_texts: list[str], train_numbers: NDArray[Any], texts: list[str], numbers: NDArray[Any]
) -> tuple[tuple[float, float] | None, str]:
    """Return R2 and mean absolute error of the linear baseline, or why it is skipped."""
    if why := too_large(train_texts, 1):
        return None, why
    try:
        return _number_scores(baseline_numbers(train_texts, train_numbers, texts), numbers), ""
    except ValueError as error:  # texts without a word
        return None, " ".join(str(error).split())[:80]


def _number_scores(predicted: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """Return the coefficient of determination and the mean absolute error."""
    spread = float(np.square(targets - targets.mean()).sum())
    error = predicted - targets
    return 1 - float(np.square(error).sum()) / spread if spread else 0.0, float(np.abs(error).mean())


def show(summary: RunSummary | NumberSummary | HeadsSummary) -> None:
    """Print a summary on standard error."""
    from rich.console import Console
    from rich.text import Text

    console: Console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    console.print()
    for line in summary.lines():
        text = Text(line)
        text.stylize("bold", 0, len(line) - len(line.partition("  ")[2].lstrip()) if line.strip() else 0)
        console.print(text)


def wilson_interval(hits: int, texts: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927, "Probable Inference").

    Example:
        >>> [round(bound, 3) for bound in wilson_interval(90, 100)]
        [0.826, 0.945]
    """
    from scipy.stats import binomtest

    interval = binomtest(hits, texts).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def most_confused(
    predicted: NDArray[np.int64], targets: NDArray[np.int64], labels: list[str], pairs: int = _PAIRS
) -> list[tuple[str, str, int]]:
    """Return label, label that was predicted, and number of texts of the most frequent mistakes.

    Args:
        predicted: Class ids [N] of the answers.
        targets: Class ids [N] of the labels.
        labels: Names of the classes.
        pairs: Number of pairs to return.
    """
    wrong = predicted != targets
    codes, counts = np.unique(targets[wrong] * len(labels) + predicted[wrong], return_counts=True)
    order = np.lexsort((codes, -counts))[:pairs]
    return [
        (labels[int(codes[n]) // len(labels)], labels[int(codes[n]) % len(labels)], int(counts[n]))
        for n in order.tolist()
    ]


def _scored_split(data: TextDataModule) -> tuple[str, list[str], NDArray[Any]] | None:
    for role in ("test", "validation"):
        try:
            texts, targets = data.texts_and_targets(role)
        except DataError:  # no such split, or a stream
            continue
        if texts:
            return role, texts, targets
    return None


def _right(predicted: NDArray[np.int64], targets: NDArray[Any]) -> NDArray[np.bool_]:
    right = predicted == targets
    return np.asarray(right.all(axis=1) if targets.ndim == 2 else right)


def _baseline(
    train_texts: list[str], train_targets: NDArray[Any], classes: int, texts: list[str], targets: NDArray[Any]
) -> tuple[float | None, str]:
    why = too_large(train_texts, classes)
    if why:
        return None, f"{why}; textcnn compare fits it"
    try:
        predicted = baseline_labels(train_texts, train_targets, texts)
    except ValueError as error:  # texts without a word, or one class only
        return None, " ".join(str(error).split())[:80]
    return float(_right(predicted, targets).mean()), ""


def _short(label: str) -> str:
    shown = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    return json.dumps(shown, ensure_ascii=False) if " " in shown else shown
