"""From logits to answers: probabilities, labels by threshold, and texts that are better left without a label.

Shapes: `N` texts, `C` classes, `F` filters.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

ORDINAL = "ordinal"
SCORES = {
    "probability": "the largest probability",
    "energy": "log sum exp of the logits (Liu et al. 2020, https://arxiv.org/abs/2010.03759)",
    "fired": "how many filters fired: found a window whose sum is above 0",
}


@dataclass(frozen=True)
class Abstention:
    """Rule for giving no label: `score` (one of SCORES) of a text is below `threshold`."""

    score: str
    threshold: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Abstention | None:
        """Return the abstention that a config.json stores.

        Raises:
            ValueError: its score has no such name.
        """
        entry = config.get("abstention")
        if not entry:
            return None
        return cls(check_score(str(entry["score"])), float(entry["threshold"]))


@dataclass(frozen=True)
class Levels:
    """Ordered levels, whose probabilities come from one score: P(level <= c) = sigmoid(cut_point[c] - score).

    It is a cumulative link model: McCullagh 1980, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.

    Args:
        cut_points: Cut points [C - 1], divided by the temperature.
        values: Values [C] of the levels: their numbers where all are numbers, else their places, from 0.
    """

    cut_points: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, config: Mapping[str, Any], labels: Sequence[str]) -> Levels | None:
        """Return the levels of a config.json, or None for a model of another problem type."""
        if config.get("problem_type") != ORDINAL:
            return None
        cut_points = np.array(config["cut_points"], np.float64) / float(config.get("temperature", 1.0))
        try:
            values = np.array([float(label) for label in labels])
        except ValueError:
            values = np.arange(len(labels), dtype=np.float64)
        return cls(cut_points, values if np.isfinite(values).all() else np.arange(len(labels), dtype=np.float64))

    def logits(self, scores: NDArray[Any]) -> Array:
        """Return the logarithms of the probabilities, whose softmax is the probabilities: scores [N, 1] -> [N, C]."""
        above = self.cut_points - scores.astype(np.float64)
        found = np.zeros((len(scores), len(self.cut_points) + 1))
        found[:, :-1] -= np.logaddexp(0, -above)
        found[:, 1:] -= np.logaddexp(0, above)
        found[:, 1:-1] += np.log(-np.expm1(-np.diff(self.cut_points)))
        return found.astype(np.float32)

    def divided(self, scores: NDArray[Any], temperature: float) -> Array:
        """Return the logits [N, C] at another temperature: scores and cut points are divided by it."""
        return Levels(self.cut_points / temperature, self.values).logits(scores / temperature)

    def expected(self, probabilities: Array) -> NDArray[np.float64]:
        """Return the expected value of the level of each text: probabilities [N, C] -> [N]."""
        return np.asarray(probabilities.astype(np.float64) @ self.values)


@dataclass(frozen=True)
class Answers:
    """Probabilities [N, C], or the numbers [N, C] of a regression, and the confidence in each text's label.

    The confidence [N], larger is surer, is there where the model may abstain.
    """

    probabilities: Array
    confidence: NDArray[np.float64] | None = None


def check_score(name: str) -> str:
    """Return the name if it is one of SCORES."""
    if name not in SCORES:
        nearest = difflib.get_close_matches(name, SCORES, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"score: got {name!r}; expected one of {', '.join(SCORES)}{hint}")
    return name


def confidence(score: str, logits: Array, fired: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the confidence in each text's label by one of SCORES: logits [N, C], fired [N] -> [N], larger is surer."""
    if check_score(score) == "probability":
        return softmax(logits).max(axis=1, initial=0).astype(np.float64)
    if score == "energy":
        top = logits.max(axis=1, keepdims=True).astype(np.float64)
        summed: NDArray[np.float64] = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
        return summed
    if fired is None:
        raise ValueError("score 'fired': got logits only; expected the number of filters that fired as well")
    return fired.astype(np.float64)


def count_fired(features: Array, activation: str) -> NDArray[np.int64]:
    """Count the filters that fired in each text: features [N, F] before any norm -> [N].

    A filter fires where its best window has a sum, with the bias, above 0.
    """
    at_zero = {"sigmoid": 0.5, "softplus": float(np.log(2))}.get(activation, 0.0)
    return (features > np.float32(at_zero)).sum(axis=1, dtype=np.int64)


def check_fired(config: Mapping[str, Any]) -> None:
    """Raise ValueError if a model cannot count the filters that fired."""
    instead = "use the score 'probability' or 'energy'"
    if config.get("pooled_norm"):
        raise ValueError(
            "score 'fired': this model normalises its pooled features, which hides which filters fired; expected "
            f"pooled_norm False; {instead}"
        )
    if config.get("backbone", "parallel") != "parallel":
        raise ValueError(
            f"score 'fired': got a model with the backbone {config['backbone']!r}; expected parallel, whose filters "
            f"fire or not; {instead}"
        )
    if not config.get("kernel_sizes", True):
        raise ValueError(f"score 'fired': this model has no convolutions, whose filters would fire; {instead}")


def decide(probabilities: Array, thresholds: Mapping[int, float], multi_label: bool) -> Any:
    """Return the class ids [N] of probabilities [N, C]; when multi-label, N arrays of ids, the most probable first.

    Args:
        probabilities: [N, C].
        thresholds: Class id to threshold. Multi-label: a class is given from its threshold on, 0.5 where it has none.
            Single-label: a class with a threshold is given when it is reached, and not when it is missed; among the
            classes that are left the most probable is given.
        multi_label: True if a text may have several labels, or none.
    """
    if multi_label:
        wanted = np.full(probabilities.shape[1], 0.5, dtype=np.float32)
        wanted[list(thresholds)] = list(thresholds.values())
        reached = probabilities >= wanted
        order = np.argsort(-probabilities, axis=1, kind="stable")
        return [row[hits[row]] for row, hits in zip(order, reached, strict=True)]
    ranks = probabilities.astype(np.float64)
    for index, threshold in thresholds.items():
        # Probabilities differ by at most 1: reached comes before any, missed after any.
        ranks[:, index] += np.where(probabilities[:, index] >= np.float32(threshold), 2.0, -2.0)
    return ranks.argmax(axis=1)


def probability_of_labels(probabilities: Array, thresholds: Mapping[int, float], multi_label: bool) -> Array:
    """Return the probability of the label that each text is given: [N]; the largest where it may have several.

    Args:
        probabilities, thresholds, multi_label: As of `decide`.
    """
    if multi_label or not thresholds:
        return np.asarray(probabilities.max(axis=1))
    ids = decide(probabilities, thresholds, multi_label=False)
    return np.asarray(probabilities[np.arange(len(ids)), ids])


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities [N, C] of logits for labels that exclude each other."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities [N, C] of logits for labels that do not exclude each other."""
    # The two forms of one function, each where its exponential cannot overflow.
    exponentials = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, exponentials) / (1 + exponentials)
