"""Labels for a DataFrame of Spark (https://spark.apache.org), in arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import MissingPackage
from .scorer import Models, Scorer

try:
    from pyspark.sql import DataFrame
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructType
except ImportError:
    raise MissingPackage("Spark", "pyspark") from None


def score_frame(frame: DataFrame, models: Models, **settings: Any) -> DataFrame:
    """Return a DataFrame with predicted_label, probability and probability_<label>.

    The models lie at the same path on each worker, where textcnn is installed. They are opened once in each Python
    worker, which Spark keeps for later tasks.

    Args:
        frame: The rows, with a column of texts.
        models: As in `Scorer`.
        settings: Further settings of `Scorer`.

    Example:
        >>> score_frame(spark.read.json("crawl/"), "runs/docs").write.parquet("scored/")
    """
    scorer = Scorer(models, **settings)
    scorer.find_text_column({name: [] for name in frame.columns})

    def score_batches(batches: Iterable[Any]) -> Iterator[Any]:
        return map(scorer, batches)

    answers = {field.name: field for field in from_arrow_schema(scorer.schema).fields}
    fields = [answers.pop(field.name, field) for field in frame.schema.fields]
    return frame.mapInArrow(score_batches, StructType([*fields, *answers.values()]))
