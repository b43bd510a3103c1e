"""Losses of distillation: what a student's logits should be, given its teacher's.

Hinton 2015, "Distilling the Knowledge in a Neural Network", https://arxiv.org/abs/1503.02531.

Shapes: `B` texts, `C` classes, `H` size of the teacher.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence of the softened teacher from the softened student, times temperature^2: logits [B, C] -> [B].

    The factor keeps the size of the gradient whatever the temperature.
    """
    target = (teacher / temperature).softmax(dim=-1)
    log_student = (student / temperature).log_softmax(dim=-1)
    return temperature**2 * functional.kl_div(log_student, target, reduction="none").sum(dim=-1)


def soft_binary_cross_entropy(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """The same for labels that do not exclude each other, the mean over labels: logits [B, C] -> [B]."""
    target = (teacher / temperature).sigmoid()
    losses = functional.binary_cross_entropy_with_logits(student / temperature, target, reduction="none")
    entropy = functional.binary_cross_entropy(target, target, reduction="none")
    return temperature**2 * (losses - entropy).mean(dim=-1)


def logit_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of logits, each text's centred first: [B, C] -> [B].

    Softmax does not see what is added to all logits of a text, so that a student need not learn it.
    """
    difference = (student - student.mean(dim=-1, keepdim=True)) - (teacher - teacher.mean(dim=-1, keepdim=True))
    return difference.square().mean(dim=-1)


def representation_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine of what a student projects to and its teacher's representation: [B, H] -> [B], from 0 to 2."""
    return 1 - functional.cosine_similarity(student, teacher, dim=-1)


def confidence(teacher: Tensor) -> Tensor:
    """How sure a teacher is, from 0 (all classes alike) to 1: logits [B, C] -> [B]."""
    probabilities = teacher.softmax(dim=-1)
    count = teacher.shape[-1]
    return (probabilities.max(dim=-1).values - 1 / count) / (1 - 1 / count)
