"""Scores of validation and test, as torchmetrics computes them."""

from __future__ import annotations

import warnings

from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAveragePrecision,
    MultilabelExactMatch,
    MultilabelF1Score,
)
from torchmetrics.regression import MeanAbsoluteError, R2Score, SpearmanCorrCoef

from ..model import TextCNNConfig


class Determination(R2Score):
    """R2Score that is 0 for a single text, where it is not defined."""

    def compute(self) -> Tensor:
        """Return the coefficient of determination."""
        return super().compute() if self.total > 1 else self.residual * 0


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
    if config.problem_type == "regression":
        with warnings.catch_warnings():
            # It keeps the numbers of the split, one a text.
            warnings.filterwarnings("ignore", message="Metric `Spearman")
            spearman = SpearmanCorrCoef()
        return MetricCollection(
            {"mae": MeanAbsoluteError(), "r2": Determination(), "spearman": spearman}, prefix=prefix
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
