"""Breakdown of mistakes: confused classes, weak classes, groups of texts, the most confident mistakes.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scores import LEVEL, NOTHING, Outcome, counts, f_scores

# A column with more values than this is no grouping of its own accord.
MOST_GROUPS = 30
_LENGTH_GROUPS = 5


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and F1 of a class; texts that have it, and texts that were given it."""

    label: str
    precision: float
    recall: float
    f1: float
    wanted: int
    given: int


@dataclass(frozen=True)
class Confusion:
    """Texts of one class that were given another; `share` is of the texts of that class. `given` may be "(none)"."""

    label: str
    given: str
    texts: int
    share: float


@dataclass(frozen=True)
class Group:
    """A group of texts: its name, how many, the share with the right label, and the bounds of that (Wilson 1927)."""

    name: str
    texts: int
    accuracy: float
    low: float
    high: float


def by_class(outcome: Outcome) -> list[ClassScore]:
    """Return the scores of every class, the lowest F1 first, those without any text last."""
    inside = outcome.inside
    of = counts(outcome.predicted[inside], outcome.rows.targets[inside], len(outcome.labels))
    precision, recall, f1 = f_scores(of)
    found = [
        ClassScore(label, float(precision[c]), float(recall[c]), float(f1[c]), int(of[c, 2]), int(of[c, 1]))
        for c, label in enumerate(outcome.labels)
    ]
    return sorted(found, key=lambda score: (score.wanted == 0, score.f1, score.label))


def class_table(outcome: Outcome) -> str:
    """Return precision, recall, F1 and number of texts of each class, as scikit-learn's classification_report.

    Classes without a text, in the data and in the answers, have no line. Averages are over the lines; "weighted" is by
    texts.
    """
    rows = [one for one in by_class(outcome) if one.wanted or one.given]
    rows.sort(key=lambda one: outcome.labels.index(one.label))
    width = max(12, *(len(one.label) for one in rows))
    lines = [f"{'':<{width}}  precision   recall       F1    texts"]
    values = np.array([[one.precision, one.recall, one.f1] for one in rows])
    weights = np.array([one.wanted for one in rows], dtype=float)
    total = int(weights.sum())
    averages = [("macro avg", values.mean(axis=0))]
    if total:
        averages.append(("weighted avg", (values * weights[:, None]).sum(axis=0) / total))
    for name, scores, texts in [
        *((one.label, row, one.wanted) for one, row in zip(rows, values, strict=True)),
        *((name, mean, total) for name, mean in averages),
    ]:
        precision, recall, f1 = scores
        lines.append(f"{name:<{width}}     {precision:.4f}   {recall:.4f}   {f1:.4f}  {texts:>7,}")
    return "\n".join(lines)


def confusion_matrix(outcome: Outcome) -> NDArray[np.int64]:
    """Return texts of each class (rows) by the label they were given, [C, C + 1]; the last column is for none."""
    classes = len(outcome.labels)
    inside = outcome.inside[outcome.rows.targets[outcome.inside] >= 0]
    given = np.where(outcome.predicted[inside] == NOTHING, classes, outcome.predicted[inside])
    matrix = np.zeros((classes, classes + 1), dtype=np.int64)
    np.add.at(matrix, (outcome.rows.targets[inside], given), 1)
    return matrix


def confusions(outcome: Outcome, limit: int = 20) -> list[Confusion]:
    """Return the pairs of classes that are confused most; of several labels a text, those missed or given wrongly."""
    found = []
    if outcome.multi_label:
        targets, predicted = outcome.rows.targets > 0, outcome.predicted > 0
        for c, label in enumerate(outcome.labels):
            missed, wrong = (targets & ~predicted)[:, c].sum(), (predicted & ~targets)[:, c].sum()
            found.append(Confusion(label, "(missed)", int(missed), float(missed / max(1, targets[:, c].sum()))))
            found.append(Confusion("(others)", label, int(wrong), float(wrong / max(1, (~targets[:, c]).sum()))))
    else:
        matrix = confusion_matrix(outcome)
        names = [*outcome.labels, "(no label)"]
        for row, column in np.argwhere(matrix > 0).tolist():
            if row != column:
                share = matrix[row, column] / matrix[row].sum()
                found.append(Confusion(names[row], names[column], int(matrix[row, column]), float(share)))
    found = [one for one in found if one.texts]
    return sorted(found, key=lambda one: (-one.texts, -one.share, one.label))[:limit]


def by_length(outcome: Outcome, lengths: NDArray[np.integer]) -> list[Group]:
    """Return groups of about equal size by the number of tokens [N]; empty texts form a separate group."""
    filled = lengths[lengths > 0]
    names = np.full(len(lengths), "no token", dtype=object)
    order = ["no token"]
    if len(filled):
        edges = np.unique(np.quantile(filled, np.linspace(0, 1, _LENGTH_GROUPS + 1), method="lower"))
        uppers = edges[1:] if len(edges) > 1 else edges
        low = int(edges[0])
        for upper in uppers.tolist():
            name = f"{low} to {upper} tokens" if upper > low else f"{low} tokens"
            names[(lengths >= low) & (lengths <= upper)] = name
            order.append(name)
            low = int(upper) + 1
    return _groups(outcome, names.tolist(), order)


def by_column(outcome: Outcome, values: Sequence[Any]) -> list[Group]:
    """Return groups by the values of a column; numbers with many values in four groups of about equal size.

    Raises:
        ValueError: it has too many values that are no numbers.
    """
    distinct = {str(value) for value in values}
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(distinct) <= MOST_GROUPS:
        return _groups(outcome, [str(value) for value in values], sorted(distinct))
    if not numbers:
        raise ValueError(f"got {len(distinct):,} values; expected numbers, or at most {MOST_GROUPS} values")
    edges = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))
    bounds = [f"up to {edges[0]:g}", *(f"up to {edge:g}" for edge in edges[1:]), f"above {edges[-1]:g}"]
    missing = "no number"
    names = [
        bounds[int(np.searchsorted(edges, value))] if isinstance(value, int | float) else missing for value in values
    ]
    return _groups(outcome, names, [*bounds, missing])


def groupable(values: Sequence[Any]) -> bool:
    """Return True if a column is worth a table by itself: from 2 to MOST_GROUPS values, each of some texts."""
    if any(isinstance(value, list | dict) for value in values):
        return False
    distinct = {str(value) for value in values}
    return 2 <= len(distinct) <= min(MOST_GROUPS, len(values) // 5)


def _groups(outcome: Outcome, names: Sequence[str], order: Sequence[str]) -> list[Group]:
    from scipy.stats import binomtest

    inside = ~outcome.rows.outside
    correct, own = outcome.correct, np.array(names, dtype=object)
    found = []
    for name in order:
        at = (own == name) & inside
        if at.any():
            right, texts = int(correct[at].sum()), int(at.sum())
            bounds = binomtest(right, texts).proportion_ci(LEVEL, method="wilson")
            found.append(Group(name, texts, right / texts, float(bounds.low), float(bounds.high)))
    return found


def confident_mistakes(outcome: Outcome, limit: int) -> NDArray[np.int64]:
    """Return positions of the texts with a wrong label, the surest first, without those that have no answer.

    Raises:
        ValueError: the limit is less than 0.
    """
    if limit < 0:
        raise ValueError(f"mistakes: got {limit}; expected a whole number of at least 0")
    wrong = ~outcome.correct
    if not outcome.multi_label:
        wrong &= outcome.predicted != NOTHING
    at = np.flatnonzero(wrong)
    chosen: NDArray[np.int64] = at[np.argsort(-outcome.confidence[at], kind="stable")][:limit]
    return chosen
