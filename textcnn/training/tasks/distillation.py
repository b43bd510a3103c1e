"""Distillation: a student learns a teacher's logits, and the labels of texts that have one.

Shapes: `B` texts, `C` classes, `F` filters, `H` size of the teacher's representations.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ..base import Batch, TrainingModule
from ..losses import (
    classification_losses,
    confidence,
    logit_distance,
    representation_distance,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)


class DistillationModule(TrainingModule):
    """Training of a student on a teacher's answers.

    Batches have the fields `teacher_logits` [B, C], `labels` (ids [B], or zeros and ones [B, C]; -1 for a text without
    a label) and, with a representation_weight, `teacher_features` [B, H].

    Args:
        sizes: Arguments of ClassificationModule.
        temperature: Temperature of teacher and student.
        soft_loss: kl (of the softened distributions) or mse (of the logits).
        hard_weight: Fraction of the loss that is the loss of the labels, in texts that have one.
        weigh_by_confidence: Weigh each text by the confidence of its teacher.
        representation_weight: Weight of the distance between the teacher's representation and a linear projection of
            the student's features (FitNets, https://arxiv.org/abs/1412.6550).
        representation_dim: H, with a representation_weight.
    """

    def __init__(
        self,
        *,
        temperature: float = 2.0,
        soft_loss: Literal["kl", "mse"] = "kl",
        hard_weight: float = 0.1,
        weigh_by_confidence: bool = False,
        representation_weight: float = 0.0,
        representation_dim: int = 0,
        **sizes: Any,
    ) -> None:
        super().__init__(**sizes)
        if not temperature > 0:
            raise ValueError(f"temperature: got {temperature}; expected more than 0")
        if soft_loss not in ("kl", "mse"):
            raise ValueError(f"soft_loss: got {soft_loss!r}; expected kl or mse")
        if not 0 <= hard_weight <= 1:
            raise ValueError(f"hard_weight: got {hard_weight}; expected a share from 0 to 1")
        if not representation_weight >= 0:
            raise ValueError(f"representation_weight: got {representation_weight}; expected 0 or more")
        self.representation_weight, self.representation_dim = representation_weight, representation_dim
        # From the student's features to the teacher's; not part of the artifact.
        features = self.model.config.hidden_size
        self.projection = torch.nn.Linear(features, representation_dim) if representation_dim else None
        self.temperature, self.soft_loss = temperature, soft_loss
        self.hard_weight, self.weigh_by_confidence = hard_weight, weigh_by_confidence

    def loss(self, batch: Batch, logits: Tensor, features: Tensor) -> Tensor:
        loss = self._answers_loss(batch, logits)
        if self.projection is None:
            return loss
        distance = representation_distance(self.projection(features), batch["teacher_features"]).mean()
        return loss + self.representation_weight * distance

    def _answers_loss(self, batch: Batch, logits: Tensor) -> Tensor:
        teacher, labels = batch["teacher_logits"], batch["labels"]
        soft = self._soft(logits, teacher)
        if self.weigh_by_confidence:
            soft = soft * confidence(teacher)
        known = (labels if labels.ndim == 1 else labels[:, 0]) >= 0
        if self.hard_weight == 0 or not known.any():
            return soft.mean()
        hard = torch.zeros_like(soft)
        hard[known] = classification_losses(logits[known], labels[known], self.model.config.class_weights)
        share = self.hard_weight * known
        return ((1 - share) * soft + share * hard).mean()

    def _soft(self, logits: Tensor, teacher: Tensor) -> Tensor:
        single = self.model.config.problem_type == "single_label_classification"
        if self.soft_loss == "mse":
            return logit_distance(logits, teacher) if single else (logits - teacher).square().mean(dim=-1)
        loss = soft_cross_entropy if single else soft_binary_cross_entropy
        return loss(logits, teacher, self.temperature)
