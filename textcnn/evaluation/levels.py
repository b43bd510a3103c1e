"""Scores of ordered levels.

Shapes: `N` texts, `C` levels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.decisions import Levels


def rank_correlation(predicted: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation; 0 where all numbers of one side are equal.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([10.0, 20.0, 30.0]))
        1.0
    """
    from scipy.stats import rankdata

    one, other = rankdata(predicted), rankdata(targets)
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / size if size else 0.0


def quadratic_kappa(predicted: NDArray[np.int64], targets: NDArray[np.int64], levels: int) -> float:
    """Return Cohen's kappa with quadratic weights (Cohen 1968, https://doi.org/10.1037/h0026256); 0 by chance.

    Args:
        predicted, targets: Levels [N], from 0.
        levels: C.

    Example:
        >>> quadratic_kappa(np.array([0, 1, 2]), np.array([0, 1, 2]), 3)
        1.0
    """
    place = np.arange(levels)
    given, wanted = (np.bincount(values, minlength=levels) for values in (predicted, targets))
    by_chance = float((given[:, None] * wanted * np.square(place[:, None] - place)).sum()) / max(1, len(targets))
    return 1 - float(np.square(predicted - targets).sum()) / by_chance if by_chance else 0.0


def level_measures(
    probabilities: NDArray[np.float32], predicted: NDArray[np.int64], targets: NDArray[np.int64], levels: Levels
) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    """Return scores by name, of the rows with a level that the model knows and gives: functions of their positions.

    They are the mean absolute error in levels, the quadratic kappa, and Spearman's correlation of the expected level.

    Args:
        probabilities: Probabilities [N, C].
        predicted: Levels [N]; below 0 where the model abstains.
        targets: Levels [N]; below 0 for one that the model lacks.
        levels: The levels.
    """
    expected, count = levels.expected(probabilities), len(levels.values)
    known = (predicted >= 0) & (targets >= 0)

    def of_known(measure: Callable[[NDArray[Any]], float]) -> Callable[[NDArray[np.int64]], float]:
        return lambda at: measure(at[known[at]]) if known[at].any() else 0.0

    return {
        "MAE of levels": of_known(lambda at: float(np.abs(predicted[at] - targets[at]).mean())),
        "quadratic kappa": of_known(lambda at: quadratic_kappa(predicted[at], targets[at], count)),
        "Spearman": of_known(lambda at: rank_correlation(expected[at], targets[at])),
    }
