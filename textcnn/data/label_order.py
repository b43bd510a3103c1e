"""Labels with a structure: levels in an order, and paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, listed
from .labels import choose_labels, sort_labels
from .numbers import are_numbers


def check_paths(labels: Sequence[str], separator: str | None, multi_label: bool) -> None:
    """Raise DataError where labels are to be paths and are none, or have empty parts."""
    if separator is None:
        return
    if multi_label:
        raise DataError("label_separator: got lists of labels; expected one label a text; leave it out")
    if not any(separator in label for label in labels):
        raise DataError(
            f"label_separator: got {separator!r}, which is in none of the labels {listed(labels, 8)}; expected paths "
            f"such as science{separator}physics; leave it out, or correct it"
        )
    empty = next((label for label in labels if not all(part.strip() for part in label.split(separator))), None)
    if empty is not None:
        raise DataError(
            f"label_separator: got the label {empty!r}, with an empty part; expected a name in each; rename it"
        )


def order_levels(present: Sequence[str], names: Sequence[str] | None, wish: Sequence[str] | None) -> list[str]:
    """Return the levels of problem_type ordinal in their order: the wish, else the labels by their numbers.

    Args:
        present, names, wish: As of `choose_labels`; the names of a ClassLabel need not be in order.

    Raises:
        DataError: the labels are no numbers, or two of them are the same number, and no order is given.
    """
    if wish is None and not are_numbers(present):
        raise DataError(
            f"problem_type: got ordinal and the labels {listed(sort_labels(present), 8)}; expected numbers, or the "
            "labels in their order; give them with labels (--labels low middle high)"
        )
    if wish is None:
        places_of_levels(present)
    return choose_labels(present, None, wish or sorted(present, key=float))


def places_of_levels(labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each of C labels, which are numbers, in the order of their numbers: [C].

    Raises:
        DataError: two of them are the same number.

    Example:
        >>> places_of_levels(["1", "10", "2"]).tolist()
        [0, 2, 1]
    """
    by_number: dict[float, str] = {}
    for label in labels:
        if (other := by_number.setdefault(float(label), label)) != label:
            raise DataError(
                f"problem_type: got ordinal and the labels {other!r} and {label!r}, the same number; expected one name "
                "for a level; write it in one way"
            )
    return np.argsort(np.argsort([float(label) for label in labels]))
