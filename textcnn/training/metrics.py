"""Scores of validation and test, as torchmetrics computes them."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAveragePrecision,
    MultilabelExactMatch,
    MultilabelF1Score,
)
from torchmetrics.regression import MeanAbsoluteError, R2Score, SpearmanCorrCoef

from .target_scale import TargetScale


class Determination(R2Score):
    """R2Score that is 0 for a single text, where it is not defined."""

    def compute(self) -> Tensor:
        """Return the coefficient of determination."""
        return super().compute() if self.total > 1 else self.residual * 0


def score_metrics(problem_type: str, num_labels: int, prefix: str) -> MetricCollection:
    """Return the metrics of a problem type, with a prefix to their names.

    Args:
        problem_type: As transformers names it.
        num_labels: Number of labels.
        prefix: Prefix, such as "val_".
    """
    if problem_type == "single_label_classification":
        # One class more, for labels that no train row has; without any, it takes no part in the macro average.
        count = num_labels + 1
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(count, average="micro"),
                "macro_f1": MulticlassF1Score(count, average="macro"),
                "micro_f1": MulticlassF1Score(count, average="micro"),
            },
            prefix=prefix,
        )
    if problem_type == "regression":
        with warnings.catch_warnings():
            # It keeps the numbers of the split, one a text.
            warnings.filterwarnings("ignore", message="Metric `Spearman")
            spearman = SpearmanCorrCoef()
        return MetricCollection(
            {"mae": MeanAbsoluteError(), "r2": Determination(), "spearman": spearman}, prefix=prefix
        )
    count = num_labels
    return MetricCollection(
        {
            "accuracy": MultilabelExactMatch(count),
            "average_precision": MultilabelAveragePrecision(count, average="micro"),
            "macro_f1": MultilabelF1Score(count, average="macro"),
            "micro_f1": MultilabelF1Score(count, average="micro"),
        },
        prefix=prefix,
    )


def score_nothing(module: Any, stage: str) -> None:
    """Log the loss and the metrics of a stage for a batch without a text, which a process of a distributed run has."""
    module.log(f"{stage}_loss", torch.zeros((), device=module.device), prog_bar=True, batch_size=0, sync_dist=True)
    parts = module.metrics[f"{stage}_metrics"]
    for metrics in parts if isinstance(parts, torch.nn.ModuleList) else [parts]:
        module.log_dict(dict(metrics), prog_bar=True, batch_size=0, on_epoch=True, on_step=False)


def score_labels(module: Any, batch: dict[str, Tensor], stage: str) -> None:
    """Add a batch to the loss and the metrics of a stage of a classifier."""
    logits, labels, config = module(batch).float(), batch["labels"], module.model.config
    single = config.problem_type == "single_label_classification"
    # A label that no train row has: it counts as wrong, and has no loss.
    known = labels < config.num_labels if single else torch.ones(len(labels), dtype=torch.bool)
    if known.any():
        own = (logits, labels) if known.all() else (logits[known], labels[known])
        loss = module.model.loss(*own)
        module.log(f"{stage}_loss", loss, prog_bar=True, batch_size=int(known.sum()), sync_dist=True)
    scores = functional.pad(logits, (0, 1), value=-torch.inf) if single else logits.sigmoid()
    metrics = module.metrics[f"{stage}_metrics"]
    metrics.update(scores, labels.long())
    module.log_dict(dict(metrics), prog_bar=True, batch_size=len(labels), on_epoch=True, on_step=False)


def score_numbers(module: Any, batch: dict[str, Tensor], stage: str, scale: TargetScale) -> None:
    """Add a batch to the loss and the metrics of a stage of a regression."""
    logits, labels = module.model(batch["input_ids"], batch["attention_mask"]).logits.float(), batch["labels"]
    metrics = module.metrics[f"{stage}_metrics"]
    loss = module.model.loss(logits, scale.standardized(labels))
    module.log(f"{stage}_loss", loss, prog_bar=True, batch_size=len(labels), sync_dist=True)
    # Without the mean, which no score depends on and whose square float32 would lose digits to.
    metrics.update(logits.squeeze(-1) * scale.deviation, labels - scale.mean)
    module.log_dict(dict(metrics), prog_bar=True, batch_size=len(labels), on_epoch=True, on_step=False)
