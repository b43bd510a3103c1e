"""Data in memory as `datasets` has it: DataFrames, arrow tables, columns, records, texts and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError


def to_dataset(data: Any) -> Any:
    """Return a Dataset of the rows of an object, or None if it holds no rows.

    Args:
        data: A Dataset or IterableDataset (returned as it is); a DataFrame of pandas or polars; an arrow table; the
            pair (texts, labels); a mapping of column names to columns; a list of dicts.

    Raises:
        DataError: texts and labels are not of one length, or a column holds values of more than one type.
    """
    from datasets import Dataset, IterableDataset

    if isinstance(data, Dataset | IterableDataset):
        return data
    table = _to_table(data)
    return None if table is None else Dataset(table)


def _to_table(data: Any) -> Any:
    import pyarrow as pa

    library = type(data).__module__.partition(".")[0]
    if isinstance(data, pa.Table):
        return _plain(data)
    if library == "pandas" and hasattr(data, "columns"):
        try:
            return _plain(pa.Table.from_pandas(data.rename(columns=str), preserve_index=False))
        except UnicodeEncodeError:
            return _columns({str(name): _values(data[name]) or [] for name in data.columns})
    if library == "polars" and hasattr(data, "columns"):
        return _plain(data.to_arrow())
    if isinstance(data, tuple) and len(data) == 2:
        texts, labels = (_values(column) for column in data)
        if texts is None or labels is None:
            return None
        if len(texts) != len(labels):
            raise DataError(f"got {len(texts):,} texts and {len(labels):,} labels; expected as many of both")
        return _columns({"text": texts, "label": labels})
    if isinstance(data, Mapping) and not any(isinstance(value, tuple) for value in data.values()):
        columns: dict[str, Any] = {str(name): _values(column) for name, column in data.items()}
        return _columns(columns) if columns and None not in columns.values() else None
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        from .tables import rows_to_batch

        return pa.Table.from_batches([rows_to_batch(data, "the data")])
    return None


def _values(column: Any) -> list[Any] | None:
    """Return a column as a list, NaN as None; None if it is no column."""
    if hasattr(column, "to_list") or hasattr(column, "tolist"):  # a Series or an array
        if len(getattr(column, "shape", (0,))) != 1:
            return None
        values = column.to_list() if hasattr(column, "to_list") else column.tolist()
    elif isinstance(column, Sequence) and not isinstance(column, str | bytes):
        values = list(column)
    else:
        return None
    if any(isinstance(value, Mapping) for value in values[:1]):
        return None  # records: the rows of a split
    return [None if isinstance(value, float) and value != value else value for value in values]


def _columns(columns: Mapping[str, list[Any]]) -> Any:
    import pyarrow as pa

    from .tables import to_array

    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"got columns of {min(lengths):,} to {max(lengths):,} values; expected as many in each")
    return pa.table({name: to_array(values, name, "the data") for name, values in columns.items()})


def _plain(table: Any) -> Any:
    """Return a table whose categories are plain values and whose strings have a type that `datasets` knows."""
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        kind = pa.large_string() if pa.types.is_string_view(kind) else kind
        if kind != field.type:
            table = table.set_column(index, field.name, table.column(index).cast(kind))
    return table
