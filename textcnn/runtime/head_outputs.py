"""Outputs of the network that belong to each head of a model, as its config.json tells.

A head of ordered levels has one output, its score; every other head has one for each label.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .decisions import ORDINAL


def num_outputs(task: Mapping[str, Any]) -> int:
    """Return the number of outputs of a head with its `labels`.

    Example:
        >>> num_outputs({"problem_type": "ordinal", "labels": ["low", "middle", "high"]})
        1
    """
    return 1 if task.get("problem_type") == ORDINAL else len(task["labels"])


def head_slices(config: Mapping[str, Any]) -> dict[str, slice]:
    """Return the outputs of each head, by its name; none for a model with one task.

    Example:
        >>> topic = {"name": "topic", "problem_type": "single_label_classification", "labels": ["a", "b", "c"]}
        >>> stars = {"name": "stars", "problem_type": "ordinal", "labels": ["1", "2", "3"]}
        >>> head_slices({"heads": [topic, stars]})
        {'topic': slice(0, 3, None), 'stars': slice(3, 4, None)}
    """
    slices, start = {}, 0
    for head in config.get("heads") or ():
        slices[str(head["name"])] = slice(start, start := start + num_outputs(head))
    return slices


def outputs_of_network(config: Mapping[str, Any], labels: int) -> int:
    """Return the number of outputs of a network with so many labels: one for each, but one for ordered levels."""
    if config.get("heads"):
        return sum(map(num_outputs, config["heads"]))
    return 1 if config.get("problem_type") == ORDINAL else labels
