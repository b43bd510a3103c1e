"""Weights of network and bag before any are fitted on validation texts, where the bag is trained separately.

Shapes: `C` outputs of the network, of all tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..model.head_columns import num_outputs


def bag_weight(settings: Mapping[str, Any], regression: bool) -> float:
    """Return the weight of the bag in the logits of a task.

    Args:
        settings: Hyperparameters of a training module.
        regression: True for a task whose answers are numbers.
    """
    weight: float | None = settings["bag_weight"]
    if weight is not None:
        return weight
    if regression:
        return 1.0
    # The better the network beside it, the smaller: measured in docs/lab-log.md.
    return 1.0 if settings["vectors_dim"] is None and settings["init"] is None else 0.5


def network_share(settings: Mapping[str, Any], regression: bool) -> float:
    """Return the weight of the network: in a regression, the number is a weighted mean with that of the bag."""
    return 1 / (1 + bag_weight(settings, regression)) if regression else 1.0


def bag_factors(settings: Mapping[str, Any], config: Any) -> np.ndarray:
    """Return the factor of the bag's weights for each output, [C] float32.

    Args:
        settings: Hyperparameters of a training module.
        config: Its TextCNNConfig.
    """
    tasks = config.heads or [{"problem_type": config.problem_type, "labels": config.id2label}]
    factors = []
    for task in tasks:
        regression = task["problem_type"] == "regression"
        factor = bag_weight(settings, regression) * network_share(settings, regression)
        factors.append(np.full(num_outputs(task), factor, np.float32))
    return np.concatenate(factors)
