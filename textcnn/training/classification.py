"""Supervised classification: the loss of the labels."""

from __future__ import annotations

from torch import Tensor

from .base import Batch, TrainingModule


class ClassificationModule(TrainingModule):
    """Trains a classifier on labelled texts: cross-entropy, or binary cross-entropy when multi-label."""

    def loss(self, batch: Batch, logits: Tensor) -> Tensor:
        return self.model.loss(logits, batch["labels"])
