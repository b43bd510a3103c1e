"""Scores of each level of labels that are paths.

Shapes: `N` texts, `C` labels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..runtime.label_paths import LabelPaths


def path_measures(
    probabilities: NDArray[np.float32], targets: NDArray[np.int64], paths: LabelPaths
) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    """Return accuracy and macro-F1 at each level above the last, by name: functions of positions of rows.

    The answer at a level is its most probable label, also where the model abstains.

    Args:
        probabilities: Probabilities [N, C].
        targets: Labels [N]; below 0 for one that the model lacks, which counts as wrong.
        paths: The levels.
    """
    named: dict[str, Callable[[NDArray[np.int64]], float]] = {}
    for level in range(1, paths.depth):
        given = paths.probabilities(probabilities, level).argmax(axis=1)
        wanted = np.where(targets >= 0, paths.groups(level)[targets], -1)
        named[f"accuracy at level {level}"] = partial(_accuracy, given, wanted)
        named[f"macro F1 at level {level}"] = partial(_macro_f1, given, wanted)
    return named


def _accuracy(given: NDArray[np.int64], wanted: NDArray[np.int64], at: NDArray[np.int64]) -> float:
    return float((given[at] == wanted[at]).mean())


def _macro_f1(given: NDArray[np.int64], wanted: NDArray[np.int64], at: NDArray[np.int64]) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(wanted[at], given[at], average="macro", zero_division=0))
