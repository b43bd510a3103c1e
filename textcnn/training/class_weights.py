"""Weights of classes in the loss: the rarer a class, the more its texts count.

King and Zeng 2001, "Logistic Regression in Rare Events Data", https://gking.harvard.edu/files/0s.pdf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..model import Architecture
from ..model.compatibility import CLASS_WEIGHTS

SINGLE_LABEL = "single_label_classification"


def balanced_weights(counts: Sequence[int], way: str = "balanced") -> list[float]:
    """Return the weight of each class, such that the mean weight of all texts is 1.

    Args:
        counts: Train texts of each class; one without any counts as a class of one text.
        way: balanced (by the inverse of the frequency) or sqrt_balanced (by the square root of that).

    Example:
        >>> balanced_weights([30, 10])
        [0.6666666666666666, 2.0]
    """
    known = np.maximum(np.asarray(counts, np.float64), 1)
    weights = known ** (-0.5 if way == "sqrt_balanced" else -1.0)
    return [float(weight) for weight in weights * known.sum() / (weights @ known)]


def chosen_weights(given: Any, data: Any, wanted: bool) -> Any:
    """Return the weights of classes that a setting stands for: "auto" is "sqrt_balanced" where a text has one label.

    Args:
        given: The setting: "auto", a way to find them, numbers or None.
        data: Data module.
        wanted: False where "auto" weighs all classes alike.
    """
    if given != "auto":
        return given
    return "sqrt_balanced" if wanted and data.heads is None and data.problem_type == SINGLE_LABEL else None


def weigh_classes(config: Any, given: Any, data: Any) -> None:
    """Set the weights of classes in a TextCNNConfig, where the setting is a way to find them from train data."""
    if given in CLASS_WEIGHTS:
        config.class_weights = balanced_weights(data.class_counts, given)


def before_data(
    architecture: Architecture, problem_type: str, heads: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """Return the fields of an architecture before data are known: weights by frequency are none until then.

    Raises:
        ValueError: Weights by frequency are asked for where a text has no single label of one column.
    """
    fields, way = dataclasses.asdict(architecture), architecture.class_weights
    if way not in CLASS_WEIGHTS:
        return fields
    if heads is not None or problem_type != SINGLE_LABEL:
        kind = f"problem_type {problem_type}" if heads is None else "several columns of labels"
        raise ValueError(f"class_weights: got {way} with {kind}; expected none or numbers; leave it out")
    return {**fields, "class_weights": None}
