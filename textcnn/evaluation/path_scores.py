"""Scores of each level of labels that are paths.

Shapes: `N` texts, `C` labels.
"""

from __future__ import annotations

from collections.abc import Callable

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
    from sklearn.metrics import f1_score

    named: dict[str, Callable[[NDArray[np.int64]], float]] = {}
    for level in range(1, paths.depth):
        given = paths.probabilities(probabilities, level).argmax(axis=1)
        wanted = np.where(targets >= 0, paths.groups(level)[targets], -1)
        named[f"accuracy at level {level}"] = lambda at, g=given, w=wanted: float((g[at] == w[at]).mean())  # type: ignore[misc]
        named[f"macro F1 at level {level}"] = lambda at, g=given, w=wanted: float(  # type: ignore[misc]
            f1_score(w[at], g[at], average="macro", zero_division=0)
        )
    return named
