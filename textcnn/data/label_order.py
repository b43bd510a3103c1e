"""Labels with a structure: levels in an order, and paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, listed, nearest
from .labels import choose_labels, sort_labels
from .numbers import are_numbers

# Openings of messages about the order of levels.
_ONE_COLUMN, _SEVERAL_COLUMNS = "problem_type: got ordinal and", "ordinal_columns: got"


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


def order_levels(
    present: Sequence[str], names: Sequence[str] | None, wish: Sequence[str] | None, column: str | None = None
) -> list[str]:
    """Return the levels of ordinal labels in their order: the wish, else the labels by their numbers.

    Args:
        present, names, wish: As of `choose_labels`; the names of a ClassLabel need not be in order.
        column: Name of the column, where it is one of several label columns.

    Raises:
        DataError: the labels are no numbers, or two of them are the same number, and no order is given.
    """
    opening = _ONE_COLUMN if column is None else _SEVERAL_COLUMNS
    if wish is None and not are_numbers(present):
        remedy = "labels (--labels low middle high)" if column is None else f"ordinal_columns {column}:low,middle,high"
        raise DataError(
            f"{opening} the labels {listed(sort_labels(present), 8)}; expected numbers, or the "
            f"labels in their order; give them with {remedy}"
        )
    if wish is None:
        places_of_levels(present, opening)
    elif column is not None and (other := next((label for label in present if label not in wish), None)) is not None:
        raise DataError(
            f"ordinal_columns: got the label {other!r}, which is not among the levels {listed(wish)}"
            f"{nearest(other, wish)}; expected every label of the train split; add it in its place"
        )
    return choose_labels(present, None, wish or sorted(present, key=float))


def places_of_levels(labels: Sequence[str], opening: str = _ONE_COLUMN) -> NDArray[np.int64]:
    """Return the place of each of C labels, which are numbers, in the order of their numbers: [C].

    Args:
        labels: The labels.
        opening: Opening of the message of an error.

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
                f"{opening} the labels {other!r} and {label!r}, the same number; expected one name for a level; write "
                "it in one way"
            )
    return np.argsort(np.argsort([float(label) for label in labels]))
