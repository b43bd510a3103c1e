"""Base of the objectives that need no labels: steps and scores are the loss alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...model import TextCNNConfig
from ..base import Batch, TrainingModule

# Fields of a configuration that only a classifier has.
_OF_CLASSIFIERS = ("id2label", "label2id", "problem_type")


class PretrainingModule(TrainingModule):
    """Training on texts without labels; a subclass defines `network` and `batch_loss`."""

    @property
    def selection_metric(self) -> str:
        """Name of the validation score that chooses the best epoch: the loss."""
        return "val_loss"

    def network(self, **fields: Any) -> Any:
        """Return the network to train, of the fields of a TextCNNConfig without those of a classifier."""
        return self.untrained(**{name: value for name, value in fields.items() if name not in _OF_CLASSIFIERS})

    def untrained(self, **fields: Any) -> Any:
        """Return a new network."""
        raise NotImplementedError

    def scores(self, config: TextCNNConfig) -> torch.nn.ModuleDict:
        """Return no metrics."""
        return torch.nn.ModuleDict()

    def batch_loss(self, batch: Batch, step: int) -> Tensor:
        """Return the loss of a batch.

        Args:
            batch: The named fields.
            step: Number of the step; below 0 in validation, where it numbers the batches from -1 down. What is drawn at
                random is drawn by it, so that a resumed run draws what it would have drawn.
        """
        raise NotImplementedError

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.batch_loss(batch, self.global_step)
        self._log_loss(loss, batch_idx)
        return loss

    def _score(self, batch: Batch, stage: str) -> None:
        raise NotImplementedError

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        loss = self.batch_loss(batch, -1 - batch_idx)
        self.log("val_loss", loss, prog_bar=True, batch_size=len(batch["input_ids"]), sync_dist=True)
