"""Scores of a model with several heads on held-out texts, and the settings that it does not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..model.objectives import head_slices
from ..settings import OptimizationSettings
from .metrics import metric_arguments, score_metrics, thresholds_of

# Mean over the heads of the score that would choose the best epoch of each.
MEAN_SCORE = "{stage}_mean_score"
_SELECTION = {"single_label_classification": "micro_f1", "multi_label_classification": "average_precision"}


def refuse_settings_of_one_task(settings: OptimizationSettings) -> None:
    """Raise ValueError for a setting that needs one label column."""
    for name in ("naive_bayes", "contrastive_weight"):
        value = getattr(settings, name)
        if value:
            raise ValueError(f"{name}: got {value} with label_columns; expected 0, as it needs one label column")


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
    logits, labels, size = module(batch).float(), batch["labels"], len(batch["input_ids"])
    module.log(f"{stage}_loss", module.model.loss(logits, labels), prog_bar=True, batch_size=size, sync_dist=True)
    for metrics, (head, columns) in zip(
        module.metrics[f"{stage}_metrics"], head_slices(module.model.config.heads), strict=True
    ):
        own, target = logits[:, columns], labels[head["name"]]
        single = target.ndim == 1
        there = target >= 0 if single else ~target.isnan().any(dim=1)
        if not there.any():
            continue
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
