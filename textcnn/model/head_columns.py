"""Heads of a configuration: the outputs of the network, and the labels, that belong to each.

A head of ordered levels has one output, its score, and a label for each level. Every other head has an output for each
label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .compatibility import one_of

ORDINAL = "ordinal"

Head = Mapping[str, Any]


def num_outputs(head: Head) -> int:
    """Return the number of outputs of the network that a head has.

    Example:
        >>> num_outputs({"problem_type": "ordinal", "labels": ["low", "middle", "high"]})
        1
    """
    return 1 if head["problem_type"] == ORDINAL else len(head["labels"])


def head_slices(heads: Sequence[Head]) -> Iterator[tuple[Head, slice]]:
    """Yield each head of a config with its slice of the outputs of the network."""
    start = 0
    for head in heads:
        yield head, slice(start, start := start + num_outputs(head))


def label_slices(heads: Sequence[Head]) -> Iterator[tuple[Head, slice]]:
    """Yield each head of a config with its slice of the labels: of the logits after cut points have been applied.

    Example:
        >>> heads = [{"name": "quality", "problem_type": "ordinal", "labels": ["1", "2", "3"]},
        ...          {"name": "spam", "problem_type": "single_label_classification", "labels": ["no", "yes"]}]
        >>> [own for _, own in head_slices(heads)], [own for _, own in label_slices(heads)]
        ([slice(0, 1, None), slice(1, 3, None)], [slice(0, 3, None), slice(3, 5, None)])
    """
    start = 0
    for head in heads:
        yield head, slice(start, start := start + len(head["labels"]))


def logits_by_head(logits: Any, heads: Sequence[Head]) -> dict[str, Any]:
    """Return the logits [B, L] of all labels by head, each divided by the temperature of its head.

    Those of ordered levels are as they were, because their scores have been divided by it.
    """
    found = {}
    for head, own in label_slices(heads):
        temperature = 1.0 if head["problem_type"] == ORDINAL else head.get("temperature") or 1.0
        found[head["name"]] = logits[:, own] / temperature
    return found


def named_heads(heads: Sequence[Head], problem_types: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return copies of the heads of a config, and the names of all labels, each after that of its head.

    Raises:
        ValueError: two heads have one name, a problem type is unknown, or ordered levels are fewer than two.
    """
    names = [head["name"] for head in heads]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"heads: got {names}; expected at least one head, each with a name of its own")
    for head in heads:
        one_of(f"problem_type of the head {head['name']}", head["problem_type"], problem_types)
        if head["problem_type"] == ORDINAL and len(head["labels"]) < 2:
            raise ValueError(
                f"heads: got {len(head['labels'])} ordered level of {head['name']}; expected at least two, with a cut "
                "point between them; add rows, or leave the column out"
            )
    return [dict(head) for head in heads], [f"{head['name']}: {label}" for head in heads for label in head["labels"]]
