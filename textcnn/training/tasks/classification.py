"""Supervised classification: the loss of the labels."""

from __future__ import annotations

from torch import Tensor

from ..base import Batch, TrainingModule
from ..heads import weighted_loss
from ..losses import text_losses


class ClassificationModule(TrainingModule):
    """Training on labelled texts by cross-entropy, binary cross-entropy when multi-label, or the error of numbers.

    Texts count alike, or by the field `weights` [B] of a batch (scikit-learn's sample_weight).
    """

    def loss(self, batch: Batch, logits: Tensor, features: Tensor) -> Tensor:
        targets, config = self.targets_of(batch), self.model.config
        weights = batch.get("weights")
        if weights is None and (config.class_weights is None or config.heads is not None):
            loss: Tensor = self.model.loss(logits, targets)
            return loss
        logits = self.model.of_levels(logits)
        if config.heads is not None:
            assert weights is not None
            return weighted_loss(logits, targets, weights, config)
        # A mean over the texts: torch divides by the sum of the weights in a batch, and two processes have two sums.
        losses = text_losses(logits, targets, config.problem_type, config, config.class_weights)
        return losses.mean() if weights is None else (losses * weights).mean()
