"""The usable rows of a table: those with a text and a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .columns import check_text, find_label_column, find_text_column
from .errors import DataError
from .labels import RawLabels, names_of, read_labels


@dataclass(frozen=True)
class Columns:
    """Which columns hold the texts and the labels."""

    text: str
    label: str


@dataclass(frozen=True)
class Examples:
    """texts [N], raw labels [N], rows: the numbers of those that have both."""

    texts: pa.ChunkedArray
    raw: RawLabels
    rows: np.ndarray
    without_text: int
    without_label: int


def find_columns(head: pa.Table, text: str | None, label: str | None, where: str) -> Columns:
    """The columns that the user named, or that are found by name and type."""
    text = find_text_column(head, text, where)
    return Columns(text, find_label_column(head, label, text, where))


def read_examples(table: pa.Table, columns: Columns, features: Any, where: str) -> Examples:
    """Rows of a table as examples. features: of the data set, whose ClassLabel names the labels.

    Raises DataError for a column of the wrong type.
    """
    check_text(columns.text, table.schema.field(columns.text).type, where)
    names = names_of(features[columns.label]) if features else None
    raw = read_labels(table.column(columns.label), names, f"the column {columns.label!r} of {where}")
    no_text = pc.is_null(table.column(columns.text)).to_numpy()
    no_label = raw.missing & ~no_text
    rows = np.flatnonzero(~(no_text | raw.missing))
    return Examples(table.column(columns.text), raw, rows, int(no_text.sum()), int(no_label.sum()))


def refuse_incomplete(examples: Examples, where: str) -> None:
    """Raises DataError for a row without a text or label: what `strict` asks for."""
    for what, count in (("text", examples.without_text), ("label", examples.without_label)):
        if count:
            raise DataError(
                f"{count:,} of {len(examples.texts):,} rows of {where} have no {what}; expected "
                "none under strict; fill them, or leave strict off to drop them"
            )
