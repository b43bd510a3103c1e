"""Supervised classification: the loss of the labels."""

from __future__ import annotations

from torch import Tensor

from ..base import Batch, TrainingModule
from ..losses import classification_losses


class ClassificationModule(TrainingModule):
    """Training of a classifier on labelled texts: cross-entropy, or binary cross-entropy when multi-label.

    Texts count alike, or by the field `weights` [B] of a batch (scikit-learn's sample_weight).
    """

    def loss(self, batch: Batch, logits: Tensor, features: Tensor) -> Tensor:
        if "weights" not in batch:
            return self.model.loss(logits, batch["labels"])
        config = self.model.config
        losses = classification_losses(logits, batch["labels"], config.class_weights, config.label_smoothing)
        return (losses * batch["weights"]).mean()
