"""Files as arrow tables, for training and evaluation.

A column of a csv file is numeric only where each of its cells is a number that nobody would miss a digit of ("007" is
a name), and a cell is null only where it is empty ("NA", "null" and "None" are texts like any other).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError, one_line
from .formats import DELIMITED, valid_unicode
from .readers import Reader, Row

# What a real number would change: leading zeros, a plus sign, more digits than it holds.
_NO_REAL_NUMBER = r"^-?0[0-9]|^\+|^-?[0-9]{16,}$"


def read_table(path: Path, as_written: bool = False, notes: list[str] | None = None) -> pa.Table:
    """Read all rows of a file.

    Args:
        path: The file.
        as_written: Keep the cells of a csv file as strings, to be written again.
        notes: Takes a line for each thing that a user should know, such as bytes that are no UTF-8.

    Raises:
        DataError: the file cannot be read; the message is one line.
    """
    reader = Reader(path)
    tables = [pa.Table.from_batches([batch]) for batch in iter_batches(reader)]
    if not tables:
        raise DataError(f"{path} is empty; expected a {reader.format} file with at least one row")
    try:
        table = pa.concat_tables(_alike(tables) if reader.format == "txt" else tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"{path} has a column of more than one type ({one_line(error)}); expected one type a "
            "column; correct the file"
        ) from None
    if reader.format in DELIMITED and not as_written:
        table = with_numbers(table)
    if notes is not None:
        notes += reader.notes()
    return table


def iter_batches(reader: Reader) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in batches, in constant memory; the cells of a csv file stay strings."""
    if reader.format == "parquet":
        yield from map(_without_categories, reader.parquet_batches())
        return
    first_row, lists = 1, False
    for rows in reader.chunks():
        if reader.format == "txt":  # a file of several labels a text has lists throughout
            lists = lists or any(isinstance(row.get("label"), list) for row in rows)
            rows = [{**row, "label": _as_list(row["label"])} for row in rows] if lists else rows
        yield rows_to_batch(rows, reader.name, first_row, pa.string() if reader.format in DELIMITED else None)
        first_row += len(rows)


def rows_to_batch(rows: list[Row], where: str, first_row: int = 1, kind: Any = None) -> pa.RecordBatch:
    """Make an arrow batch of rows, whose columns are those of all of them.

    Args:
        rows: The rows.
        where: Name of the data, for messages.
        first_row: Number of the first row, for messages.
        kind: Arrow type of every column; None finds each one's.

    Raises:
        DataError: a column has values of more than one type; the message names the first such row.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: to_array([row.get(name) for row in rows], name, where, first_row, kind) for name in names}
    return pa.RecordBatch.from_pydict(columns)


def to_array(values: list[Any], name: str, where: str, first_row: int = 1, kind: Any = None) -> pa.Array:
    """Make an arrow array of the values of a column, with the arguments and errors of `rows_to_batch`."""
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return to_array(_valid(values), name, where, first_row, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        known = next(type(value) for value in values if value is not None)
        other = next((i for i, v in enumerate(values) if v is not None and type(v) is not known), 0)
        raise DataError(
            f"the column {name!r} of {where} has values of more than one type: {values[other]!r:.60} in row "
            f"{first_row + other:,}; expected one type a column ({known.__name__}); correct the file"
        ) from None


def _valid(value: Any) -> Any:
    """Return a value of JSON with valid Unicode in all of its strings."""
    if isinstance(value, str):
        return valid_unicode(value)
    if isinstance(value, list):
        return [_valid(item) for item in value]
    if isinstance(value, dict):
        return {_valid(key): _valid(item) for key, item in value.items()}
    return value


def _alike(tables: list[pa.Table]) -> list[pa.Table]:
    """Return the tables of a fastText file with lists of labels in all of them, if one has lists."""
    lists = ["label" in t.column_names and pa.types.is_list(t.schema.field("label").type) for t in tables]
    if not any(lists):
        return tables
    alike = []
    for table, has_lists in zip(tables, lists, strict=True):
        if not has_lists:
            table = table.set_column(1, "label", pa.array([[label] for label in table.column("label").to_pylist()]))
        alike.append(table)
    return alike


def _as_list(label: Any) -> list[str]:
    return label if isinstance(label, list) else [label]


def _without_categories(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose dictionary columns (categories of pandas) are plain values."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type):
            batch = batch.set_column(index, field.name, batch.column(index).cast(field.type.value_type))
    return batch


def with_numbers(table: pa.Table, without: tuple[str | None, ...] = ()) -> pa.Table:
    """Return a table whose columns of strings, but those named, are numbers where they can be."""
    for index, name in enumerate(table.column_names):
        if pa.types.is_string(table.column(index).type) and name not in without:
            table = table.set_column(index, name, infer_numbers(table.column(index)))
    return table


def infer_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return strings as integers or real numbers, where each of them is one and none is a name such as "007"."""
    if column.null_count == len(column):
        return column
    whole = _cast(column, pa.int64())
    if whole is not None and whole.cast(column.type).equals(column):
        return whole
    real = _cast(column, pa.float64())
    if real is None or pc.any(pc.match_substring_regex(column, _NO_REAL_NUMBER)).as_py():
        return column
    return real


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return None
