"""Answers as an expression of Daft (https://www.daft.ai)."""

from __future__ import annotations

from typing import Any

from ..errors import MissingPackage
from .arrow_column import answer_type, answers_of
from .scorer import Models, Scorer

try:
    import daft
except ImportError:
    raise MissingPackage("Daft", "daft") from None


def score(texts: daft.Expression, models: Models, *, column: str | None = "predicted_label", **settings: Any) -> Any:
    """Return an expression of one column of the answers to texts, or of a struct of all of them for None.

    Args:
        texts: Expression of the texts.
        models: As in `Scorer`.
        column: The column of the answers, such as probability_<label>.
        settings: Further settings of `Scorer`.

    Example:
        >>> daft.read_parquet("crawl/*.parquet").with_column("topic", score(daft.col("text"), "runs/docs"))
    """
    scorer = Scorer(models, **settings)

    @daft.func.batch(return_dtype=daft.DataType.from_arrow_type(answer_type(scorer, column)))
    def answer(series: daft.Series) -> Any:
        return daft.Series.from_arrow(answers_of(scorer, series.to_arrow(), column))

    return answer(texts)
