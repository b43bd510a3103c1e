"""Texts out of tables of any library, and answers back into a table of the same kind.

Nothing of a library is imported unless its own object is given. Each pair of functions below handles one kind of data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..data.errors import DataError, listed

Columns = dict[str, list[Any]]
KINDS = (
    "a list of texts or of rows (dicts), a dict of columns, a DataFrame or Series of pandas or polars, or an arrow "
    "Table, RecordBatch or array"
)


def library_of(data: Any) -> str:
    """Return the name of the package that an object's class comes from: pandas, polars, pyarrow, numpy, builtins."""
    return type(data).__module__.partition(".")[0]


def column_names(data: Any) -> list[str] | None:
    """Return the names of the columns of a table, or None for texts without names.

    Raises:
        TypeError: the object is none of KINDS.
    """
    library = library_of(data)
    if library == "pyarrow" and hasattr(data, "schema"):
        return list(data.schema.names)
    if library in ("pandas", "polars") and hasattr(data, "columns"):
        return [str(name) for name in data.columns]
    if isinstance(data, Mapping):
        return list(data)
    if library in ("pandas", "polars", "pyarrow", "numpy") and len(getattr(data, "shape", (0,))) == 1:
        return None
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        rows = [row for row in data[:1] if isinstance(row, Mapping)]
        return list(dict.fromkeys(name for row in data for name in row)) if rows else None
    raise TypeError(f"got {type(data).__name__}; expected {KINDS}")


def values_of(data: Any, name: str | None) -> list[Any]:
    """Return the values of a column, or those of texts without names; what is missing (None, NaN, NA) is None."""
    library = library_of(data)
    if name is None:
        values = data
    elif isinstance(data, Sequence):
        values = [row.get(name) for row in data]
    else:
        values = data.column(name) if library == "pyarrow" else data[name]
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):  # one row of a mapping
        return [None if _is_missing(values) else values]
    if library_of(values) == "pyarrow":
        return list(values.to_pylist())
    if hasattr(values, "to_list") or hasattr(values, "tolist"):
        values = values.to_list() if hasattr(values, "to_list") else values.tolist()
    return [None if _is_missing(value) else value for value in values]


def with_columns(data: Any, columns: Columns, arrow_type: Callable[[str], Any]) -> Any:
    """Return a table of the kind of `data` that has further columns; one of the same name is replaced.

    Args:
        data: The data given.
        columns: Values by name, one for each row; None is a missing value.
        arrow_type: Gives the arrow type of a column.
    """
    library = library_of(data)
    if library == "pyarrow":
        return _into_arrow(data, columns, arrow_type)
    if library == "pandas":
        return _into_pandas(data, columns)
    if library == "polars":
        return _into_polars(data, columns, arrow_type)
    if isinstance(data, Mapping):
        return _into_mapping(data, columns)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if len(data) and isinstance(data[0], Mapping):
        return [{**row, **answer} for row, answer in zip(data, rows, strict=True)]
    return rows


def check_texts(values: Sequence[Any], name: str | None) -> None:
    """Refuse a column with a value that is neither a string nor missing.

    Raises:
        DataError: there is such a value; the message gives its row.
    """
    for row, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            where = "texts" if name is None else f"the column {name!r}"
            raise DataError(
                f"{where}: got {value!r:.60} ({type(value).__name__}) in row {row + 1:,}; expected a text; name the "
                "column of the texts with text_column"
            )


def check_column(name: str, names: Sequence[str]) -> None:
    """Refuse a table without the column of the texts.

    Raises:
        DataError: there is no such column; the nearest is named.
    """
    from ..data.errors import nearest

    if name not in names:
        raise DataError(
            f"got rows with the columns {listed(names)}; expected {name!r}{nearest(name, names)}; name the column of "
            "the texts with text_column"
        )


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ == "NAType"


def _into_arrow(data: Any, columns: Columns, arrow_type: Callable[[str], Any]) -> Any:
    import pyarrow as pa

    arrays = {name: pa.array(values, arrow_type(name)) for name, values in columns.items()}
    if not hasattr(data, "schema"):  # an array of texts
        answers = pa.StructArray.from_arrays(list(arrays.values()), list(arrays))
        return pa.chunked_array([answers]) if isinstance(data, pa.ChunkedArray) else answers
    for name, array in arrays.items():
        index = data.schema.get_field_index(name)
        data = data.append_column(name, array) if index < 0 else data.set_column(index, name, array)
    return data


def _into_pandas(data: Any, columns: Columns) -> Any:
    import pandas as pd

    index = data.index
    series = {name: pd.Series(values, index, _pandas_type(values)) for name, values in columns.items()}
    return data.assign(**series) if hasattr(data, "columns") else pd.DataFrame(series, index)


def _pandas_type(values: list[Any]) -> Any:
    """Return the type of a pandas column: what pandas infers, but numbers where there is none."""
    return "float64" if all(isinstance(value, float) or value is None for value in values) else None


def _into_polars(data: Any, columns: Columns, arrow_type: Callable[[str], Any]) -> Any:
    import polars as pl
    import pyarrow as pa

    arrays = {name: pa.array(values, arrow_type(name)) for name, values in columns.items()}
    answers = pl.from_arrow(pa.table(arrays))
    return data.with_columns(answers.get_columns()) if hasattr(data, "columns") else answers  # type: ignore[union-attr]


def _into_mapping(data: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Return a dict of the columns, arrays of numpy where it has them; of one row where it has one."""
    given = list(data.values())
    if given and any(isinstance(value, str) or value is None for value in given):
        return {**data, **{name: values[0] for name, values in columns.items()}}
    if not any(library_of(value) == "numpy" for value in given):
        return {**data, **columns}
    return {**data, **{name: _array(values) for name, values in columns.items()}}


def _array(values: list[Any]) -> Any:
    import numpy as np

    kinds = {type(value) for value in values}
    if kinds <= {float, type(None)}:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kinds <= {bool}:
        return np.array(values, dtype=np.bool_)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
