"""Losses of labels: of one task, and of several heads that share the logits of a model.

Shapes: `B` texts, `C` labels of a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .head_columns import label_slices


def task_loss(
    logits: Tensor,
    labels: Tensor,
    problem_type: str,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    loss: str = "mse",
    huber_delta: float = 1.0,
) -> Tensor:
    """Return the mean loss of logits [B, C].

    It is cross-entropy, binary cross-entropy for multi-label problems, or `number_losses` of a regression.

    Args:
        logits: Logits [B, C].
        labels: Class ids [B], zeros and ones [B, C] when the problem is multi-label, or numbers [B] or [B, C].
        problem_type: As transformers names it.
        weight: Weight of each class [C]; None weighs all alike.
        label_smoothing: Share of the target spread evenly over the classes.
        loss, huber_delta: As of `number_losses`.
    """
    if problem_type == "regression":
        return number_losses(logits, labels, loss, huber_delta).mean()
    if problem_type in ("single_label_classification", "ordinal"):
        return functional.cross_entropy(logits, labels.view(-1), weight=weight, label_smoothing=label_smoothing)
    targets = labels.to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)


def number_losses(predicted: Tensor, numbers: Tensor, loss: str = "mse", huber_delta: float = 1.0) -> Tensor:
    """Return the loss [B, C] of each number: squared error, or Huber's, which is linear from huber_delta on.

    Args:
        predicted: Predictions [B, C].
        numbers: Numbers [B] or [B, C].
        loss: "mse" or "huber".
        huber_delta: Error from which the loss is linear.
    """
    wanted = numbers.to(predicted.dtype).view_as(predicted)
    if loss == "huber":
        return functional.huber_loss(predicted, wanted, reduction="none", delta=huber_delta)
    return functional.mse_loss(predicted, wanted, reduction="none")


def labelled(labels: Tensor, classes: int) -> Tensor:
    """Return the mask [B] of texts with a label that counts: an id of 0 to `classes` - 1, or numbers without NaN."""
    if labels.is_floating_point():
        return ~(labels.isnan().any(dim=1) if labels.ndim == 2 else labels.isnan())
    return (labels >= 0) & (labels < classes)


def heads_loss(
    logits: Tensor,
    labels: Mapping[str, Tensor],
    heads: Sequence[Mapping[str, Any]],
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    loss: str = "mse",
    huber_delta: float = 1.0,
) -> Tensor:
    """Return the mean, over the heads that have a label in the batch, of their own mean losses.

    Args:
        logits: Logits [B, C] of all labels of all heads.
        labels: Labels by the name of the head: ids [B] (-1 for none), zeros and ones [B, its labels]
            or numbers [B] (NaN for none).
        heads: Heads of the config.
        weight, label_smoothing: As of `task_loss`, the weights of all heads' classes.
        loss, huber_delta: As of `number_losses`.
    """
    losses = []
    for head, columns in label_slices(heads):
        target = labels[head["name"]]
        known = labelled(target, len(head["labels"]))
        if known.any():
            own = None if weight is None else weight[columns]
            kind = head["problem_type"]
            losses.append(
                task_loss(logits[known, columns], target[known], kind, own, label_smoothing, loss, huber_delta)
            )
    return torch.stack(losses).mean() if losses else logits.sum() * 0
