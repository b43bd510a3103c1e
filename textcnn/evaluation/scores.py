"""Scores of a model on labelled texts, each with its bootstrap confidence interval.

Efron 1979, "Bootstrap methods: another look at the jackknife", https://doi.org/10.1214/aos/1176344552.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import batches_with_progress
from ..runtime.classifier import TextClassifier
from ..runtime.decisions import SCORES, confidence, decide
from .calibration import claims, expected_calibration_error, probabilities_of
from .labelled import UNKNOWN, Labelled
from .levels import level_measures
from .path_scores import path_measures

RESAMPLES = 1000
LEVEL = 0.95
# A number for a label that is left out, beside the ids.
NOTHING = -1


@dataclass(frozen=True)
class Score:
    """A score with the bounds of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """Answers of a model to labelled rows.

    Args:
        rows: The rows.
        labels: Names of the classes.
        logits: Logits [N, C], divided by the temperature.
        temperature: Temperature of the model.
        probabilities: Probabilities [N, C].
        predicted: Class ids [N], NOTHING where the model abstains, or zeros and ones [N, C].
        forced: The same without abstention.
        fired: Numbers of filters that fired [N], or None where a norm hides them or there is none.
        model: The model, for explanations.
    """

    rows: Labelled
    labels: list[str]
    logits: NDArray[np.float32]
    temperature: float
    probabilities: NDArray[np.float32]
    predicted: NDArray[np.int64]
    forced: NDArray[np.int64]
    fired: NDArray[np.int64] | None
    model: TextClassifier

    @property
    def multi_label(self) -> bool:
        return self.rows.targets.ndim == 2

    @property
    def inside(self) -> NDArray[np.int64]:
        """Positions of the rows that belong to a class of the model."""
        return np.flatnonzero(~self.rows.outside)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Mask [N] of texts whose label, or all of whose labels, are right; none is outside of the classes."""
        right = self.predicted == self.rows.targets
        return right.all(axis=1) if self.multi_label else right & ~self.rows.outside

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Largest probability [N]; multi-label, the probability that the least certain class is predicted rightly."""
        p = self.probabilities.astype(np.float64)
        return np.maximum(p, 1 - p).min(axis=1) if self.multi_label else p.max(axis=1)


def ask(classifier: TextClassifier, rows: Labelled) -> Outcome:
    """Return the answers of a model to labelled rows; shows progress in a terminal."""
    logits, fired = answers_of(classifier, rows.texts, "fired" in classifier.capabilities)
    answers = classifier.answer_of(logits, fired)
    thresholds = {classifier.labels.index(name): value for name, value in classifier.thresholds.items()}
    ids = decide(answers.probabilities, thresholds, classifier.multi_label)
    if classifier.multi_label:
        forced = np.zeros(answers.probabilities.shape, dtype=np.int64)
        for row, own in zip(forced, ids, strict=True):
            row[own] = 1
    else:
        forced = np.asarray(ids, dtype=np.int64)
    predicted = forced
    if classifier.abstention is not None and answers.confidence is not None:
        predicted = np.where(answers.confidence >= classifier.abstention.threshold, forced, NOTHING)
    return Outcome(
        rows, classifier.labels, logits, classifier.temperature, answers.probabilities, predicted, forced, fired,
        classifier,
    )  # fmt: skip


def answers_of(
    classifier: TextClassifier, texts: Sequence[str], with_fired: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    """Return logits [N, C] and, if wanted, the numbers of filters that fired [N]; shows progress in a terminal."""
    logits: list[NDArray[np.float32]] = [np.zeros((0, len(classifier.labels)), np.float32)]
    fired: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for some in batches_with_progress(texts):
        if with_fired:
            found, count = classifier.logits_and_fired(some)
            fired.append(count)
        else:
            found = classifier.logits(some)
        logits.append(found)
    return np.concatenate(logits), np.concatenate(fired) if with_fired else None


def counts(predicted: NDArray[Any], targets: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Return texts of each class that were found, that were given it, and that have it, [C, 3]."""
    if targets.ndim == 2:
        found = ((predicted > 0) & (targets > 0)).sum(axis=0)
        return np.stack([found, (predicted > 0).sum(axis=0), (targets > 0).sum(axis=0)], axis=1)
    found = np.bincount(targets[predicted == targets], minlength=classes)
    given = np.bincount(predicted[predicted >= 0], minlength=classes)
    return np.stack([found, given, np.bincount(targets[targets >= 0], minlength=classes)], axis=1)


def f_scores(of: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return precision, recall and F1 [C] from `counts`; 0 where they are not defined, as in scikit-learn."""
    found, given, wanted = of.T.astype(np.float64)
    precision = np.divide(found, given, out=np.zeros_like(found), where=given > 0)
    recall = np.divide(found, wanted, out=np.zeros_like(found), where=wanted > 0)
    total = given + wanted
    return precision, recall, np.divide(2 * found, total, out=np.zeros_like(found), where=total > 0)


def measures(outcome: Outcome) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    """Return scores by name: functions of the positions of rows that belong to a class of the model."""
    targets, predicted, classes = outcome.rows.targets, outcome.predicted, len(outcome.labels)
    correct, probabilities = outcome.correct, outcome.probabilities
    before = probabilities_of(outcome.logits * np.float32(outcome.temperature), outcome.multi_label)

    def macro_f1(at: NDArray[np.int64]) -> float:
        of = counts(predicted[at], targets[at], classes)
        # Of the classes that occur: one that these rows lack has no F1, one that the model lacks has 0.
        seen = of[:, 1:].sum(axis=1) > 0
        unknown = 0 if outcome.multi_label else len(np.unique(targets[at][targets[at] <= UNKNOWN]))
        return float(f_scores(of)[2][seen].sum() / max(1, seen.sum() + unknown))

    def micro_f1(at: NDArray[np.int64]) -> float:
        found, given, wanted = counts(predicted[at], targets[at], classes).sum(axis=0)
        return float(2 * found / max(1, given + wanted))

    def error_of(shown: NDArray[np.float32]) -> Callable[[NDArray[np.int64]], float]:
        return lambda at: expected_calibration_error(*claims(shown[at], targets[at]))

    named: dict[str, Callable[[NDArray[np.int64]], float]] = {}
    named["exact match" if outcome.multi_label else "accuracy"] = lambda at: float(correct[at].mean())
    named["macro F1"] = macro_f1
    if outcome.multi_label:
        named["micro F1"] = micro_f1
    given = predicted != NOTHING
    if not outcome.multi_label and not given.all():
        named["coverage"] = lambda at: float(given[at].mean())
        named["accuracy where it answers"] = lambda at: float(correct[at].sum() / max(1, given[at].sum()))
        forced = outcome.forced == targets
        named["accuracy if it always answered"] = lambda at: float(forced[at].mean())
    if outcome.model.levels is not None:
        named |= level_measures(probabilities, predicted, targets, outcome.model.levels)
    if outcome.model.paths is not None:
        named |= path_measures(probabilities, targets, outcome.model.paths)
    named["calibration error"] = error_of(probabilities)
    if outcome.temperature != 1 and outcome.model.levels is None:
        named["calibration error at temperature 1"] = error_of(before)
    return named


def scores(outcome: Outcome, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Score]:
    """Return every score of `measures`, with the percentiles of its values on rows drawn with replacement.

    Raises:
        ValueError: no row belongs to a class of the model.
    """
    inside = outcome.inside
    if not len(inside):
        raise ValueError(f"{outcome.rows.where}: got no row of a class of the model; expected some")
    return with_intervals(measures(outcome), inside, resamples, seed)


def with_intervals(
    measures: Mapping[str, Callable[[NDArray[np.int64]], float]],
    rows: NDArray[np.int64],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Score]:
    """Return scores with the percentiles of their values on rows drawn with replacement.

    Args:
        measures: Scores by name: functions of positions of rows.
        rows: Positions of all rows.
        resamples: Number of draws; 0 leaves the intervals without width.
        seed: Seed of the draws.
    """
    from scipy.stats import bootstrap

    found = {}
    for name, measure in measures.items():
        value = measure(rows)
        low = high = value
        if resamples and len(rows) > 1:
            interval = bootstrap(
                (rows,), measure, vectorized=False, method="percentile", n_resamples=resamples,
                confidence_level=LEVEL, rng=np.random.default_rng(seed),
            ).confidence_interval  # fmt: skip
            low, high = float(interval.low), float(interval.high)
        found[name] = Score(value, low, high)
    return found


@dataclass(frozen=True)
class OutOfScope:
    """Separation of texts of no class from texts of the model's classes by a score.

    Args:
        score: Name of the score.
        auroc: Area under the ROC curve, 0.5 for a coin.
        recall: Fraction of the texts of no class that the model leaves without a label, where it abstains by this
            score; None where it does not.
    """

    score: str
    auroc: float
    recall: float | None


def out_of_scope(outcome: Outcome) -> list[OutOfScope]:
    """Return the separation by every score, where some rows belong to no class and some do."""
    from sklearn.metrics import roc_auc_score

    outside = outcome.rows.outside
    if not outside.any() or outside.all():
        return []
    found = []
    chosen = outcome.model.abstention
    for score in SCORES:
        if score == "fired" and outcome.fired is None:
            continue
        sure = confidence(score, outcome.logits, outcome.fired)
        recall = None
        if chosen is not None and chosen.score == score:
            recall = float((sure[outside] < chosen.threshold).mean())
        found.append(OutOfScope(score, float(roc_auc_score(~outside, sure)), recall))
    return found


def risk_coverage(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coverage and the fraction of wrong labels among the covered texts, the surest first: [N] each.

    Geifman and El-Yaniv 2017, https://arxiv.org/abs/1705.08500.
    """
    order = np.argsort(-confidence, kind="stable")
    number = np.arange(1, len(order) + 1)
    return number / max(1, len(order)), np.cumsum(~correct[order]) / number
