"""Scores of validation and test, as torchmetrics computes them."""

from __future__ import annotations

from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAveragePrecision,
    MultilabelExactMatch,
    MultilabelF1Score,
)

from ..model import TextCNNConfig


def score_metrics(config: TextCNNConfig, prefix: str) -> MetricCollection:
    """Return the metrics of a problem type, with a prefix to their names.

    Args:
        config: Configuration of the model.
        prefix: Prefix, such as "val_".
    """
    if config.problem_type == "single_label_classification":
        # One class more, for labels that no train row has; without any, it takes no part in the macro average.
        count = config.num_labels + 1
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(count, average="micro"),
                "macro_f1": MulticlassF1Score(count, average="macro"),
                "micro_f1": MulticlassF1Score(count, average="micro"),
            },
            prefix=prefix,
        )
    count = config.num_labels
    return MetricCollection(
        {
            "accuracy": MultilabelExactMatch(count),
            "average_precision": MultilabelAveragePrecision(count, average="micro"),
            "macro_f1": MultilabelF1Score(count, average="macro"),
            "micro_f1": MultilabelF1Score(count, average="micro"),
        },
        prefix=prefix,
    )
