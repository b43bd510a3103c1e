"""Answers to an arrow array of texts as one arrow array, for engines whose functions take and give columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ..data.errors import listed, nearest
from .scorer import Scorer


def answer_type(scorer: Scorer, column: str | None) -> pa.DataType:
    """Return the arrow type of one column of the answers, or of a struct of all of them for None.

    Raises:
        ValueError: There is no such column.
    """
    schema = scorer.schema
    if column is None:
        return pa.struct(list(schema))
    if column not in schema.names:
        raise ValueError(
            f"column: got {column!r}; expected one of {listed(schema.names)}{nearest(column, schema.names)}"
        )
    return schema.field(column).type


def answers_of(scorer: Scorer, texts: Any, column: str | None) -> pa.Array:
    """Return the answers to texts, of the type that `answer_type` gives; null for a null.

    Args:
        scorer: Scorer that answers.
        texts: An arrow array, in one piece or in several.
        column: Name of one column; None for a struct of all.
    """
    values = texts.to_pylist()
    columns = scorer.columns(values)
    schema = scorer.schema
    if column is not None:
        return pa.array(columns[column], schema.field(column).type)
    arrays = [pa.array(columns[name], schema.field(name).type) for name in schema.names]
    missing = pa.array([text is None for text in values], pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=list(schema), mask=missing)
