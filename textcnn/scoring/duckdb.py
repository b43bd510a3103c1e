"""A model as a function of SQL in DuckDB (https://duckdb.org), which takes and gives arrow arrays."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ..errors import MissingPackage
from .arrow_column import answer_type, answers_of
from .scorer import Models, Scorer

try:
    from duckdb import DuckDBPyConnection
    from duckdb.func import FunctionNullHandling, PythonUDFType
except ImportError:
    raise MissingPackage("DuckDB", "duckdb") from None

_NAMES = {pa.string(): "VARCHAR", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}


def register(
    connection: DuckDBPyConnection,
    name: str,
    models: Models,
    *,
    column: str | None = "predicted_label",
    **settings: Any,
) -> None:
    """Make a function of SQL that gives the answer to a text; NULL for a NULL.

    Args:
        connection: Connection to create the function in.
        name: Name of the function.
        models: As in `Scorer`.
        column: The column of the answers that the function gives, such as probability_<label>; None gives a STRUCT of
            all of them.
        settings: Further settings of `Scorer`.

    Example:
        >>> register(connection, "topic", "runs/docs")
        >>> connection.sql("SELECT topic(text), count(*) FROM 'crawl/*.parquet' GROUP BY 1")

    Raises:
        ValueError: There is no such column.
    """
    scorer = Scorer(models, **settings)
    kind = _sql_type(answer_type(scorer, column))

    def function(texts: Any) -> Any:
        return answers_of(scorer, texts, column)

    arrow: Any = PythonUDFType.ARROW
    nulls: Any = FunctionNullHandling.SPECIAL
    connection.create_function(name, function, ["VARCHAR"], kind, type=arrow, null_handling=nulls)


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = ", ".join('"{}" {}'.format(field.name.replace('"', '""'), _sql_type(field.type)) for field in kind)
        return f"STRUCT({fields})"
    return _NAMES[kind]
