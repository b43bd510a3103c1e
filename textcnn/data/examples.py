"""The usable rows of a table: those with a text and a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import HEAD_ROWS, find_label_column, find_text_column
from .errors import DataError
from .labels import RawLabels, is_text, names_of, read_labels, read_number_labels
from .numbers import check_numbers


@dataclass(frozen=True)
class Columns:
    """Names of the columns of the texts and the labels."""

    text: str
    label: str


@dataclass(frozen=True)
class Examples:
    """Texts [N], raw labels [N], and the numbers of the rows that have both."""

    texts: pa.ChunkedArray
    raw: RawLabels
    rows: np.ndarray
    without_text: int
    without_label: int


def find_columns(
    table: pa.Table,
    text: str | None,
    label: str | None,
    where: str,
    trained_on: tuple[str | None, str | None] = (None, None),
) -> Columns:
    """Return the columns that the user named, that a model was trained on, or that are found; see `columns`."""
    head = {name: table.column(name).slice(0, HEAD_ROWS).to_pylist() for name in table.column_names}
    text = find_text_column(head, text, where, trained_on[0])
    return Columns(text, find_label_column(head, label, text, where, trained_on[1]))


def read_examples(
    table: pa.Table,
    columns: Columns,
    features: Any,
    where: str,
    numbers: bool = False,
    every_row: bool = True,
    levels: bool = False,
) -> Examples:
    """Return the rows of a table as examples.

    Args:
        table: The rows.
        columns: Names of the columns.
        features: Features of the data set, whose ClassLabel names the labels.
        where: Name of the data, for messages.
        numbers: The labels are numbers to predict.
        every_row: Each row with a text must have a number, unless no row has.
        levels: The labels are ordered levels, which may be real numbers.

    Raises:
        DataError: a column has the wrong type, or a number is missing or not finite.
    """
    kind = table.schema.field(columns.text).type
    if not is_text(kind) and not pa.types.is_null(kind):
        raise DataError(
            f"the column {columns.text!r} of {where} holds values of type {kind}; expected texts; name the column of "
            "the texts with text_column"
        )
    named = f"the column {columns.label!r} of {where}"
    if numbers:
        raw = read_number_labels(table.column(columns.label), named)
    else:
        names = names_of(features[columns.label]) if features else None
        raw = read_labels(table.column(columns.label), names, named, levels)
    no_text = pc.is_null(table.column(columns.text)).to_numpy()
    no_label = raw.missing & ~no_text
    if raw.numbers is not None and not raw.missing.all():
        check_numbers(raw.numbers, np.flatnonzero(~(no_text if every_row else no_text | raw.missing)), named)
    rows = np.flatnonzero(~(no_text | raw.missing))
    return Examples(table.column(columns.text), raw, rows, int(no_text.sum()), int(no_label.sum()))


def refuse_incomplete(examples: Examples, where: str) -> None:
    """Raise DataError for a row without a text or label, as `strict` requires."""
    for what, count in (("text", examples.without_text), ("label", examples.without_label)):
        if count:
            raise DataError(
                f"{count:,} of {len(examples.texts):,} rows of {where} have no {what}; expected "
                "none under strict; fill them, or leave strict off to drop them"
            )
