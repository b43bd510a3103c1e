"""Scores of a model with several heads on held-out texts, and the settings that it does not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..model.head_columns import head_slices, label_slices
from ..model.objectives import labelled
from ..settings import OptimizationSettings
from .losses import text_losses
from .metrics import metric_arguments, number_arguments, score_metrics, thresholds_of
from .target_scale import TargetScale

# Mean over the heads of the score that would choose the best epoch of each.
MEAN_SCORE = "{stage}_mean_score"
_SELECTION = {
    "single_label_classification": "micro_f1", "multi_label_classification": "average_precision", "regression": "r2",
    "ordinal": "quadratic_kappa",
}  # fmt: skip


def refuse_settings_of_one_task(settings: OptimizationSettings) -> None:
    """Raise ValueError for a setting that needs one label column."""
    for name in ("naive_bayes", "contrastive_weight"):
        value = getattr(settings, name)
        if value:
            raise ValueError(f"{name}: got {value} with label_columns; expected 0, as it needs one label column")


def standardized_labels(labels: Mapping[str, Tensor], heads: Sequence[Mapping[str, Any]], scale: TargetScale | None,
                        share: Tensor | float = 1.0) -> dict[str, Tensor]:  # fmt: skip
    """Return the labels of each head, its numbers in standard deviations from their mean.

    Args:
        labels: Labels by the name of the head.
        heads: Heads of the config.
        scale: Scale of the outputs of all heads; None where none has numbers.
        share: Factor of the standardised numbers.
    """
    return {
        head["name"]: labels[head["name"]] if scale is None or head["problem_type"] != "regression"
        else scale.standardized(labels[head["name"]], columns) * share
        for head, columns in head_slices(heads)
    }  # fmt: skip


def weighted_loss(logits: Tensor, labels: Mapping[str, Tensor], weights: Tensor, config: Any) -> Tensor:
    """Return the mean, over the heads that have a label in the batch, of the weighted mean losses of their texts.

    Args:
        logits: Logits [B, C] of all labels of all heads.
        labels: Labels by the name of the head, the numbers standardised.
        weights: Weights [B] of the texts.
        config: The TextCNNConfig.
    """
    losses = []
    for head, columns in label_slices(config.heads):
        target = labels[head["name"]]
        known = labelled(target, len(head["labels"]))
        if known.any():
            of_classes = None if config.class_weights is None else config.class_weights[columns]
            of_texts = text_losses(logits[known, columns], target[known], head["problem_type"], config, of_classes)
            losses.append((of_texts * weights[known]).mean())
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def head_metrics(heads: Sequence[Mapping[str, Any]]) -> torch.nn.ModuleDict:
    """Return the metrics of validation and test: those of each head, in the order of the heads."""
    stages = {}
    for stage in ("val", "test"):
        stages[f"{stage}_metrics"] = torch.nn.ModuleList(
            score_metrics(head["problem_type"], len(head["labels"]), prefix=f"{stage}_{head['name']}_")
            for head in heads
        )
    return torch.nn.ModuleDict(stages)


def score_heads(module: Any, batch: dict[str, Any], stage: str) -> None:
    """Add a batch to the metrics of each head; a text counts where it has a label."""
    heads, scale, labels, size = (
        module.model.config.heads,
        module.target_scale,
        batch["labels"],
        len(batch["input_ids"]),
    )
    logits = module.model(batch["input_ids"], batch["attention_mask"]).logits.float()
    loss = module.model.loss(logits, standardized_labels(labels, heads, scale))
    module.log(f"{stage}_loss", loss, prog_bar=True, batch_size=size, sync_dist=True)
    for metrics, (head, columns), (_, outputs) in zip(
        module.metrics[f"{stage}_metrics"], label_slices(heads), head_slices(heads), strict=True
    ):
        own, target = logits[:, columns], labels[head["name"]]
        # A label that train lacks counts as wrong.
        there = labelled(target, len(head["labels"]) + 1)
        if not there.any():
            continue
        if head["problem_type"] == "regression":
            metrics.update(*number_arguments(own[there], target[there], *scale.of(outputs)))
        else:
            thresholds = thresholds_of(head["problem_type"], head["labels"], head.get("thresholds"))
            metrics.update(**metric_arguments(own[there], target[there], thresholds))
        module.log_dict(dict(metrics), batch_size=size, on_epoch=True, on_step=False)


def log_mean_score(module: Any, stage: str) -> None:
    """Log the mean over the heads that have labels of the score that would choose the best epoch of each."""
    if module.model.config.heads is None:
        return
    scores = []
    for metrics, head in zip(module.metrics[f"{stage}_metrics"], module.model.config.heads, strict=True):
        metric = metrics[f"{stage}_{head['name']}_{_SELECTION[head['problem_type']]}"]
        if metric.update_called:
            scores.append(metric.compute())
    if scores:
        module.log(MEAN_SCORE.format(stage=stage), torch.stack(scores).mean(), prog_bar=True)
