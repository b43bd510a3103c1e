"""Distillation: a student learns a teacher's logits, and the labels where a text has one.

Shapes: `B` texts, `C` classes, `F` filters, `H` size of the teacher's representations.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import Batch, TrainingModule
from .losses import (
    confidence,
    logit_distance,
    representation_distance,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)


class DistillationModule(TrainingModule):
    """Trains a student on batches whose `labels` [B, C + 1] hold the teacher's logits and a label id (-1: none).

    Multi-label, `labels` are [B, 2C]: logits, then zeros and ones (-1: none). Where representations are learnt, they
    stand behind, H columns of `labels` more.

    Args:
        sizes: What ClassificationModule takes.
        temperature: Softens teacher and student alike.
        soft_loss: kl (of the softened distributions) or mse (of the logits).
        hard_weight: Share of the loss of the labels, in texts that have one.
        weigh_by_confidence: Whether a text counts by how sure its teacher is.
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
        if temperature <= 0:
            raise ValueError(f"temperature: got {temperature}; expected more than 0")
        if soft_loss not in ("kl", "mse"):
            raise ValueError(f"soft_loss: got {soft_loss!r}; expected kl or mse")
        if not 0 <= hard_weight <= 1:
            raise ValueError(f"hard_weight: got {hard_weight}; expected a share from 0 to 1")
        if representation_weight < 0:
            raise ValueError(f"representation_weight: got {representation_weight}; expected 0 or more")
        self.representation_weight, self.representation_dim = representation_weight, representation_dim
        # Leads from the student's features to the teacher's; the artifact does without it.
        features = self.model.config.hidden_size
        self.projection = torch.nn.Linear(features, representation_dim) if representation_dim else None
        self.temperature, self.soft_loss = temperature, soft_loss
        self.hard_weight, self.weigh_by_confidence = hard_weight, weigh_by_confidence

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if self.projection is None:
            return super().training_step(batch, batch_idx)
        features = self.model.textcnn(batch["input_ids"], batch["attention_mask"]).pooler_output
        wanted = batch["labels"][:, -self.representation_dim :]
        distance = representation_distance(self.projection(features), wanted).mean()
        loss = self.mean_loss(batch, features) + self.representation_weight * distance
        self.log_loss(loss, batch_idx)
        return loss

    def loss(self, batch: Batch, logits: Tensor) -> Tensor:
        classes = logits.shape[1]
        targets = batch["labels"][:, : batch["labels"].shape[1] - self.representation_dim]
        teacher, labels = targets[:, :classes], targets[:, classes:]
        soft = self._soft(logits, teacher)
        if self.weigh_by_confidence:
            soft = soft * confidence(teacher)
        known = labels[:, 0] >= 0
        if self.hard_weight == 0 or not known.any():
            return soft.mean()
        hard = torch.zeros_like(soft)
        if self._single_label:
            hard[known] = functional.cross_entropy(logits[known], labels[known, 0].long(), reduction="none")
        else:
            losses = functional.binary_cross_entropy_with_logits(logits[known], labels[known], reduction="none")
            hard[known] = losses.mean(dim=-1)
        share = self.hard_weight * known
        return ((1 - share) * soft + share * hard).mean()

    def _soft(self, logits: Tensor, teacher: Tensor) -> Tensor:
        if self.soft_loss == "mse":
            return logit_distance(logits, teacher) if self._single_label else (logits - teacher).square().mean(dim=-1)
        loss = soft_cross_entropy if self._single_label else soft_binary_cross_entropy
        return loss(logits, teacher, self.temperature)
