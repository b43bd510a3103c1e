"""Contrastive learning: two dropouts of one text are alike, or two texts of one label; the rest of the batch is not.

Shapes: `B` texts, `F` features, `D` size of a vector.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...model import TextCNNConfig, TextCNNForTextEncoding
from ..base import Batch
from ..contrastive_losses import paired_contrastive_loss, supervised_contrastive_loss
from .pretraining import PretrainingModule


class ContrastiveModule(PretrainingModule):
    """Training of an encoder on pairs (SimCSE, Gao et al. 2021, https://arxiv.org/abs/2104.08821).

    With the field `labels` [B] in a batch, texts of one label are pairs; without, two dropouts of one text.

    Args:
        encoding_dim: D.
        temperature: Temperature of the cosines.
        sizes: Arguments of TrainingModule.
    """

    def __init__(self, *, encoding_dim: int, temperature: float = 0.05, **sizes: Any) -> None:
        self.encoding_dim = encoding_dim
        super().__init__(**sizes)
        self.temperature = temperature
        config = self.model.config
        if not config.dropout and not config.embedding_dropout:
            raise ValueError("dropout: got 0; expected more, as it makes the pairs; such as 0.1")

    def untrained(self, **fields: Any) -> Any:
        return TextCNNForTextEncoding(TextCNNConfig(**fields, encoding_dim=self.encoding_dim))

    def batch_loss(self, batch: Batch, step: int) -> Tensor:
        features = self._features(batch)
        vectors = self.model.project(features)
        if "labels" in batch:
            return supervised_contrastive_loss(vectors, batch["labels"], self.temperature)
        if self.model.config.embedding_dropout:
            features = self._features(batch)
        return paired_contrastive_loss(vectors, self.model.project(features), self.temperature)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        # Dropout makes the pairs, so it stays on; the same each time.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(batch_idx)
            self.model.train()
            super().validation_step(batch, batch_idx)
            self.model.eval()

    def _features(self, batch: Batch) -> Tensor:
        return self.model.textcnn(batch["input_ids"], batch["attention_mask"]).pooler_output
