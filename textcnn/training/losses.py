"""Losses of each text: of labels, and of a teacher's logits and representations.

Hinton 2015, "Distilling the Knowledge in a Neural Network", https://arxiv.org/abs/1503.02531.

Shapes: `B` texts, `C` classes, `H` size of the teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from ..model.objectives import number_losses


def classification_losses(
    logits: Tensor, labels: Tensor, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Return the loss [B] of each text: cross-entropy, or the mean binary cross-entropy over labels.

    Args:
        logits: Logits [B, C].
        labels: Class ids [B], or zeros and ones [B, C] when a text may have several.
        class_weights: Weight of each class; None weighs all alike.
        label_smoothing: Fraction of the target spread evenly over the classes.
    """
    weight = None if class_weights is None else logits.new_tensor(class_weights)
    if labels.ndim == 1:
        return functional.cross_entropy(
            logits, labels, weight=weight, label_smoothing=label_smoothing, reduction="none"
        )
    targets = labels.to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    losses = functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none")
    return losses.mean(dim=-1)


def text_losses(
    logits: Tensor, labels: Tensor, problem_type: str, config: Any, class_weights: Sequence[float] | None
) -> Tensor:
    """Return the loss [B] of each text in a task.

    Args:
        logits: Logits [B, C] of the task.
        labels: Its class ids [B], zeros and ones [B, C], or numbers [B].
        problem_type: As transformers names it.
        config: The TextCNNConfig, with the settings of the loss.
        class_weights: Weights of the classes of the task, or None.
    """
    if problem_type == "regression":
        return number_losses(logits, labels, config.loss, config.huber_delta).mean(dim=-1)
    return classification_losses(logits, labels, class_weights, config.label_smoothing)


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the KL divergence of softened teacher and student times temperature^2: logits [B, C] -> [B].

    The factor keeps the size of the gradient whatever the temperature.
    """
    target = (teacher / temperature).softmax(dim=-1)
    log_student = (student / temperature).log_softmax(dim=-1)
    return temperature**2 * functional.kl_div(log_student, target, reduction="none").sum(dim=-1)


def soft_binary_cross_entropy(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the same for labels that do not exclude each other, the mean over labels: logits [B, C] -> [B]."""
    target = (teacher / temperature).sigmoid()
    losses = functional.binary_cross_entropy_with_logits(student / temperature, target, reduction="none")
    entropy = functional.binary_cross_entropy(target, target, reduction="none")
    return temperature**2 * (losses - entropy).mean(dim=-1)


def logit_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference of logits, each text's centred first: [B, C] -> [B].

    Softmax ignores a constant added to all logits of a text, so that a student need not learn it.
    """
    difference = (student - student.mean(dim=-1, keepdim=True)) - (teacher - teacher.mean(dim=-1, keepdim=True))
    return difference.square().mean(dim=-1)


def representation_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return 1 - cosine of a student's projection and its teacher's representation: [B, H] -> [B], from 0 to 2."""
    return 1 - functional.cosine_similarity(student, teacher, dim=-1)


def confidence(teacher: Tensor) -> Tensor:
    """Return the confidence of a teacher, from 0 (all classes alike) to 1: logits [B, C] -> [B]."""
    probabilities = teacher.softmax(dim=-1)
    count = teacher.shape[-1]
    return (probabilities.max(dim=-1).values - 1 / count) / (1 - 1 / count)
