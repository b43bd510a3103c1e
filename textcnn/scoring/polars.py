"""Answers as an expression of Polars (https://pola.rs)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ..errors import MissingPackage
from .arrow_column import answer_type, answers_of
from .scorer import Models, Scorer

try:
    import polars as pl
except ImportError:
    raise MissingPackage("Polars", "polars") from None


def score(texts: pl.Expr | str, models: Models, *, column: str | None = None, **settings: Any) -> pl.Expr:
    """Return an expression of the answers to a column of texts; null for a null.

    Args:
        texts: Expression or name of the column.
        models: As in `Scorer`.
        column: The column of the answers, such as predicted_label; None gives a struct of all of them.
        settings: Further settings of `Scorer`.

    Example:
        >>> pl.scan_parquet("crawl/*.parquet").filter(score("text", "runs/docs", column="probability_networking") > 0.9)

    Raises:
        ValueError: There is no such column.
    """
    scorer = Scorer(models, **settings)
    empty = pl.from_arrow(pa.array([], answer_type(scorer, column)))

    def answer(series: pl.Series) -> pl.Series:
        found = pl.from_arrow(answers_of(scorer, series.to_arrow(), column))
        return found.alias(series.name)  # type: ignore[union-attr]

    expression = pl.col(texts) if isinstance(texts, str) else texts
    return expression.map_batches(answer, return_dtype=empty.dtype, is_elementwise=True)  # type: ignore[union-attr]
