"""Thresholds of probabilities and other scores, chosen on labelled texts.

Shapes: `N` scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def f1_threshold(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> float:
    """Return the threshold with the largest F1; the highest of several.

    Args:
        scores: [N].
        targets: [N], True where the label is right; one of them at least.

    Example:
        >>> f1_threshold(np.array([0.9, 0.3, 0.1]), np.array([True, True, False]))
        0.2
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(targets[order])
    # Equal probabilities are on one side of any threshold: the last of each counts.
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    f1 = 2 * hits[last] / (last + 1 + hits[-1])
    best = int(f1.argmax())
    return below(ranked[last][::-1], len(last) - 1 - best)


def below(ascending: NDArray[np.floating], position: int) -> float:
    """Return the middle of a value and the next lower one; a little less than the lowest where there is none.

    Rounding in another interface does not decide what lies halfway.
    """
    value = float(ascending[position])
    return (value + (value - 1e-3 * max(1.0, abs(value)) if position == 0 else float(ascending[position - 1]))) / 2
