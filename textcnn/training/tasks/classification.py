"""Supervised classification: the loss of the labels."""

from __future__ import annotations

from torch import Tensor

from ...model.objectives import number_losses
from ..base import Batch, TrainingModule
from ..losses import classification_losses


class ClassificationModule(TrainingModule):
    """Training on labelled texts by cross-entropy, binary cross-entropy when multi-label, or the error of numbers.

    Texts count alike, or by the field `weights` [B] of a batch (scikit-learn's sample_weight).
    """

    def loss(self, batch: Batch, logits: Tensor, features: Tensor) -> Tensor:
        targets, config = self.targets_of(batch), self.model.config
        if "weights" not in batch:
            loss: Tensor = self.model.loss(logits, targets)
            return loss
        if config.problem_type == "regression":
            losses = number_losses(logits, targets, config.loss, config.huber_delta).mean(dim=-1)
        else:
            losses = classification_losses(logits, targets, config.class_weights, config.label_smoothing)
        return (losses * batch["weights"]).mean()
