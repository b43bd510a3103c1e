"""Scores of validation and test, as torchmetrics computes them."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric, MetricCollection
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


class MacroF1(Metric):
    """MulticlassF1Score with the average "macro", by three counts for each class.

    That of torchmetrics counts every pair of classes in each batch: of 12,661 classes, 27 s of an epoch of 37.

    Args:
        num_classes: C.
    """

    full_state_update = False
    hits: Tensor
    counts: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.add_state("hits", torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add texts: scores [B, C] and class ids [B]."""
        classes, given = len(self.hits), preds.argmax(dim=1)
        self.hits += torch.bincount(target[given == target], minlength=classes)
        self.counts += torch.bincount(target, minlength=classes) + torch.bincount(given, minlength=classes)

    def compute(self) -> Tensor:
        """Return the mean of 2 hits / (texts of the class + texts given it), over classes that have either."""
        there = self.counts > 0
        return (2 * self.hits[there] / self.counts[there]).mean() if there.any() else self.hits.new_zeros(()).float()


class GivenExactMatch(MultilabelExactMatch):
    """MultilabelExactMatch of the labels given at their thresholds."""

    def update(self, given: Tensor, target: Tensor) -> None:  # torchmetrics passes arguments by their names
        """Add texts: given and target [B, C], zeros and ones."""
        super().update(given, target)


class GivenF1(MultilabelF1Score):
    """MultilabelF1Score of the labels given at their thresholds."""

    def update(self, given: Tensor, target: Tensor) -> None:
        """Add texts: given and target [B, C], zeros and ones."""
        super().update(given, target)


def metric_arguments(config: TextCNNConfig, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the arguments by which `score_metrics` of a classifier are updated.

    Args:
        config: Configuration of the model. Its thresholds decide which of several labels are given; 0.5 without one.
        logits: Logits [B, C].
        labels: Class ids [B], C for a label that no train row has; or zeros and ones [B, C].
    """
    if config.problem_type == "single_label_classification":
        return {"preds": functional.pad(logits, (0, 1), value=-torch.inf), "target": labels.long()}
    probabilities, thresholds = logits.sigmoid(), config.thresholds or {}
    reached = probabilities >= probabilities.new_tensor(
        [thresholds.get(name, 0.5) for name in config.id2label.values()]
    )
    return {"preds": probabilities, "given": reached.long(), "target": labels.long()}


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
                "macro_f1": MacroF1(count),
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
            "accuracy": GivenExactMatch(count),
            "average_precision": MultilabelAveragePrecision(count, average="micro"),
            "macro_f1": GivenF1(count, average="macro"),
            "micro_f1": GivenF1(count, average="micro"),
        },
        prefix=prefix,
    )
