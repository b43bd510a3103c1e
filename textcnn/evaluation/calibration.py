"""Calibration: temperature, calibration error, thresholds and abstention.

Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.decisions import sigmoid, softmax
from ..runtime.thresholds import below, f1_threshold

Floats = NDArray[np.floating]
Rescale = Callable[[Any, float], Any]
BINS = 15
# Bounds of the temperature: logits a hundred times too large or too small.
_LOWEST, _HIGHEST = 0.01, 100.0
# Of fewer texts the likelihood alone would have probabilities of 0 and 1 wherever all labels are right.
FEW_TEXTS = 200
FOLDS = 5


def divided(logits: Floats, temperature: float) -> Floats:
    """Return logits at a temperature."""
    return logits / temperature


def fit_temperature(logits: Floats, targets: NDArray[np.integer], at: Rescale = divided) -> float:
    """Return the temperature whose probabilities make the labels most likely.

    With fewer than FEW_TEXTS texts each label counts as right with the probability (N + 1) / (N + 2) only, as in Platt
    1999, "Probabilistic Outputs for Support Vector Machines": without that the temperature of texts whose labels are
    all right would go to 0, and every probability to 1.

    Args:
        logits: Logits [N, C] at temperature 1.
        targets: Class ids [N], or zeros and ones [N, C] when a text may have several.
        at: Returns the logits at a temperature; of ordered levels, those of scores [N, 1], which are then given.

    Raises:
        ValueError: there is no text.
    """
    from scipy.optimize import minimize_scalar

    if len(logits) == 0:
        raise ValueError("calibrate: got no text; expected labelled texts that the model was not trained on")
    wide = logits.astype(np.float64)
    doubt = 1 / (len(logits) + 2) if len(logits) < FEW_TEXTS else 0.0

    def loss(log_temperature: float) -> float:
        return _doubted_likelihood(at(wide, float(np.exp(log_temperature))), targets, doubt)

    found = minimize_scalar(loss, bounds=(np.log(_LOWEST), np.log(_HIGHEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _doubted_likelihood(logits: Floats, targets: NDArray[np.integer], doubt: float) -> float:
    """Return the negative log-likelihood where each label is wrong with the probability `doubt`."""
    if not doubt:
        return negative_log_likelihood(logits, targets)
    if targets.ndim == 2:
        return negative_log_likelihood(logits, targets * (1 - 2 * doubt) + doubt)
    # What is doubted is spread over the other classes.
    classes = logits.shape[1]
    own = negative_log_likelihood(logits, targets)
    top = logits.max(axis=1)
    normalizer = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    every = float((normalizer[:, None] - logits).sum(axis=1).mean())
    return (1 - doubt) * own + doubt * (every - own) / (classes - 1)


def cross_fitted_error(
    logits: Floats, targets: NDArray[np.integer], seed: int = 0, at: Rescale = divided
) -> float | None:
    """Return the expected calibration error of texts under a temperature that was fitted without them.

    The texts are divided into FOLDS folds; those of each are scored with the temperature of the others. None for fewer
    than two texts a fold.

    Args:
        logits: Logits [N, C] at temperature 1.
        targets: Class ids [N], or zeros and ones [N, C].
        seed: Seed of the folds.
        at: As of `fit_temperature`.
    """
    if len(logits) < 2 * FOLDS:
        return None
    fold = np.random.default_rng(seed).permutation(len(logits)) % FOLDS
    calibrated = np.empty(at(logits, 1.0).shape, dtype=np.float64)
    for number in range(FOLDS):
        inside = fold == number
        calibrated[inside] = at(logits[inside], fit_temperature(logits[~inside], targets[~inside], at))
    return expected_calibration_error(*claims(probabilities_of(calibrated, targets.ndim == 2), targets))


def negative_log_likelihood(logits: Floats, targets: NDArray[Any]) -> float:
    """Return the mean over texts, and over classes when multi-label."""
    if targets.ndim == 1:
        top = logits.max(axis=1)
        normalizer = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return float((normalizer - logits[np.arange(len(logits)), targets]).mean())
    return float((np.logaddexp(0, logits) - logits * targets).mean())


def probabilities_of(logits: Floats, multi_label: bool) -> NDArray[np.float32]:
    """Return softmax or sigmoid of logits [N, C]."""
    narrow = logits.astype(np.float32)
    return sigmoid(narrow) if multi_label else softmax(narrow)


def claims(probabilities: Floats, targets: NDArray[np.integer]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return claimed probabilities and the mask of those that hold.

    A claim is the largest probability of each text, that its class is the label; or, multi-label, the probability of
    each text and class, that the text has it.
    """
    if targets.ndim == 1:
        return probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    return probabilities.ravel(), targets.ravel() > 0


def reliability(
    confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return bins of equal width over confidence [N]: texts in each, mean confidence, accuracy (nan for no text)."""
    number = np.clip(np.ceil(np.asarray(confidence, dtype=np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(number, minlength=bins)
    sums = (np.bincount(number, weights=values, minlength=bins) for values in (confidence, correct))
    with np.errstate(invalid="ignore"):
        mean_confidence, accuracy = (total / counts for total in sums)
    return counts, mean_confidence, accuracy


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the mean distance of confidence [N] and accuracy over bins of equal width, weighted by their texts.

    Example:
        >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]))
        0.4
    """
    counts, mean_confidence, accuracy = reliability(confidence, correct, bins)
    filled = counts > 0
    gaps = np.abs(mean_confidence - accuracy)[filled]
    return float((gaps * counts[filled]).sum() / max(1, counts.sum()))


def threshold_for(
    probabilities: Floats, targets: NDArray[np.bool_], metric: str, wanted: float = 0.0, label: str = ""
) -> float:
    """Return the threshold of one label by a metric.

    Args:
        probabilities: [N] of the label.
        targets: [N] whether the texts have it.
        metric: "f1" for the largest; "precision" for the lowest threshold that has the wanted precision, which gives
            the most recall; "recall" for the highest that has the wanted recall.
        wanted: Between 0 and 1, for "precision" and "recall".
        label: Its name, for messages.

    Raises:
        ValueError: no text has the label, or no threshold has the wanted precision.
    """
    from sklearn.metrics import precision_recall_curve

    if not targets.any():
        raise ValueError(f"threshold of {label!r}: no text of the data has this label; expected some; give other data")
    if metric == "f1":
        return max(0.0, f1_threshold(probabilities, targets))
    precision, recall, values = precision_recall_curve(targets, probabilities)
    precision, recall = precision[:-1], recall[:-1]
    if metric == "precision":
        reached = np.flatnonzero((precision >= wanted) & (recall > 0))
        if not reached.size:
            raise ValueError(
                f"threshold of {label!r}: no threshold has a precision of {wanted}; the highest is "
                f"{precision[recall > 0].max():.4f}; ask for less"
            )
        best = int(reached[0])
    else:
        best = int(np.flatnonzero(recall >= wanted)[-1])
    # Halfway to the next lower probability, so that rounding in another interface does not decide.
    return max(0.0, below(values, best))


def abstention_threshold(
    confidence: Floats, correct: NDArray[np.bool_], accuracy: float = 0.0, coverage: float | None = None
) -> float:
    """Return the confidence from which on a label is given.

    Args:
        confidence: Confidence [N]; larger is surer.
        correct: Mask [N] of texts whose label is right.
        accuracy: Wanted accuracy of the texts that get a label; as many as possible get one.
        coverage: Wanted share of texts that get a label, in place of an accuracy.

    Raises:
        ValueError: no threshold has the wanted accuracy.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, right = np.asarray(confidence, dtype=np.float64)[order], correct[order]
    # A threshold falls between two different values: after each last text of a value.
    ends = np.flatnonzero(np.append(np.diff(sure) != 0, True))
    if coverage is not None:
        best = int(np.searchsorted(ends + 1, coverage * len(sure) - 1e-9))
    else:
        reached = np.flatnonzero(np.cumsum(right)[ends] / (ends + 1) >= accuracy)
        if not reached.size:
            highest = (np.cumsum(right)[ends] / (ends + 1)).max()
            raise ValueError(
                f"abstain: no threshold has an accuracy of {accuracy}; the highest is {highest:.4f}; ask for less"
            )
        best = int(reached[-1])
    ascending = sure[ends][::-1]
    return below(ascending, len(ascending) - 1 - best)
