"""Choice among settings of a linear model: by accuracy on validation texts, or by cross-validation of few texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..splits import LabelledTexts, Splits

S = TypeVar("S")
MOST_FOLDS = 5
Fit = Callable[["LabelledTexts", S], Callable[[list[str]], NDArray[np.floating]]]


def choose(data: Splits, settings: Iterable[S], fit: Fit[S], threshold: float) -> S:
    """Return the setting with the best accuracy, the earlier one of equals.

    Args:
        data: The data set.
        settings: Settings to choose from.
        fit: Function of texts and a setting that returns a function from texts to scores [N, C].
        threshold: Least score of a label, where a text may have several.
    """
    candidates = list(settings)
    if len(candidates) == 1:
        return candidates[0]
    pairs = list(_pairs(data))
    if not pairs:
        return candidates[len(candidates) // 2]
    means = [
        float(np.mean([correct(fit(part, setting)(held.texts), held.targets, threshold) for part, held in pairs]))
        for setting in candidates
    ]
    return candidates[int(np.argmax(means))]


def decide(scores: NDArray[Any], multi_label: bool, threshold: float) -> NDArray[np.int64]:
    """Return class ids [N], or zeros and ones [N, C], of scores [N, C]."""
    if multi_label:
        return (scores >= threshold).astype(np.int64)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def correct(scores: NDArray[Any], targets: NDArray[Any], threshold: float) -> float:
    """Return accuracy; with several labels a text, micro-F1, as few texts have every label right."""
    predicted = decide(scores, targets.ndim == 2, threshold)
    if targets.ndim == 1:
        return float((predicted == targets).mean())
    hits = float((predicted * targets).sum())
    return 2 * hits / max(1.0, float(predicted.sum() + targets.sum()))


def _pairs(data: Splits) -> Iterable[tuple[LabelledTexts, LabelledTexts]]:
    if data.validation is not None:
        yield data.train, data.validation
        return
    targets = data.train.targets
    if targets.ndim == 2:
        from sklearn.model_selection import KFold

        folds: Any = KFold(min(MOST_FOLDS, len(targets)), shuffle=True, random_state=0)
    else:
        from sklearn.model_selection import StratifiedKFold

        least = int(np.bincount(targets)[np.unique(targets)].min())
        if least < 2:
            return
        folds = StratifiedKFold(min(MOST_FOLDS, least), shuffle=True, random_state=0)
    for kept, held in folds.split(np.zeros(len(targets)), targets):
        yield data.train.take(kept), data.train.take(held)
