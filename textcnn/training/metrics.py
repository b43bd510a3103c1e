"""Scores of validation and test, as torchmetrics computes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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

from .levels import level_metrics
from .target_scale import TargetScale


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


def metric_arguments(logits: Tensor, labels: Tensor, thresholds: Sequence[float] | None = None) -> dict[str, Tensor]:
    """Return the arguments by which `score_metrics` of a classifier are updated.

    Args:
        logits: Logits [B, C].
        labels: Class ids [B], C for a label that no train row has; or zeros and ones [B, C].
        thresholds: C probabilities from which labels are given, where a text may have several.
    """
    if thresholds is None:
        return {"preds": functional.pad(logits, (0, 1), value=-torch.inf), "target": labels.long()}
    probabilities = logits.sigmoid()
    given = probabilities >= probabilities.new_tensor(thresholds)
    return {"preds": probabilities, "given": given.long(), "target": labels.long()}


def thresholds_of(problem_type: str, labels: Iterable[str], thresholds: Mapping[str, float] | None) -> Any:
    """Return the threshold of each label of a task whose texts may have several, 0.5 without one; else None."""
    if problem_type != "multi_label_classification":
        return None
    return [(thresholds or {}).get(label, 0.5) for label in labels]


def score_metrics(problem_type: str, num_labels: int, prefix: str) -> MetricCollection:
    """Return the metrics of a problem type, with a prefix to their names.

    Args:
        problem_type: As transformers names it.
        num_labels: Number of labels.
        prefix: Prefix, such as "val_".
    """
    if problem_type == "ordinal":
        return level_metrics(num_labels, MacroF1(num_labels + 1), prefix)
    if problem_type == "single_label_classification":
        # One class more, for labels that no train row has; without any, it takes no part in the macro average.
        count = num_labels + 1
        return MetricCollection(
            {
                "accuracy": MulticlassAccuracy(count, average="micro"),
                "macro_f1": MacroF1(count),
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
            "accuracy": GivenExactMatch(count),
            "average_precision": MultilabelAveragePrecision(count, average="micro"),
            "macro_f1": GivenF1(count, average="macro"),
            "micro_f1": GivenF1(count, average="micro"),
        },
        prefix=prefix,
    )


def number_arguments(logits: Tensor, numbers: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return the arguments by which `score_metrics` of a regression are updated: predictions and numbers [B].

    They are without the mean, which no score depends on and whose square float32 would lose digits to.

    Args:
        logits: Standardised predictions [B, 1].
        numbers: Numbers [B].
        mean, deviation: Of the numbers of the train split.
    """
    return (logits * deviation).squeeze(-1), numbers - mean


def score_nothing(module: Any, stage: str) -> None:
    """Log the loss and the metrics of a stage for a batch without a text, which a process of a distributed run has."""
    module.log(f"{stage}_loss", torch.zeros((), device=module.device), prog_bar=True, batch_size=0, sync_dist=True)
    parts = module.metrics[f"{stage}_metrics"]
    for metrics in parts if isinstance(parts, torch.nn.ModuleList) else [parts]:
        module.log_dict(dict(metrics), prog_bar=True, batch_size=0, on_epoch=True, on_step=False)


def score_labels(module: Any, batch: dict[str, Tensor], stage: str) -> None:
    """Add a batch to the loss and the metrics of a stage of a classifier."""
    logits, labels, config = module(batch).float(), batch["labels"], module.model.config
    single = config.problem_type in ("single_label_classification", "ordinal")
    # A label that no train row has: it counts as wrong, and has no loss.
    known = labels < config.num_labels if single else torch.ones(len(labels), dtype=torch.bool)
    if known.any():
        own = (logits, labels) if known.all() else (logits[known], labels[known])
        loss = module.model.loss(*own)
        module.log(f"{stage}_loss", loss, prog_bar=True, batch_size=int(known.sum()), sync_dist=True)
    thresholds = thresholds_of(config.problem_type, config.id2label.values(), config.thresholds)
    metrics = module.metrics[f"{stage}_metrics"]
    metrics.update(**metric_arguments(logits, labels, thresholds))
    module.log_dict(dict(metrics), prog_bar=True, batch_size=len(labels), on_epoch=True, on_step=False)


def score_numbers(module: Any, batch: dict[str, Tensor], stage: str, scale: TargetScale) -> None:
    """Add a batch to the loss and the metrics of a stage of a regression."""
    logits, labels = module.model(batch["input_ids"], batch["attention_mask"]).logits.float(), batch["labels"]
    metrics = module.metrics[f"{stage}_metrics"]
    loss = module.model.loss(logits, scale.standardized(labels))
    module.log(f"{stage}_loss", loss, prog_bar=True, batch_size=len(labels), sync_dist=True)
    metrics.update(*number_arguments(logits, labels, scale.mean, scale.deviation))
    module.log_dict(dict(metrics), prog_bar=True, batch_size=len(labels), on_epoch=True, on_step=False)
