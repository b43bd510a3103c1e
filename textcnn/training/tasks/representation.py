"""Representation: the pooled features learn a sentence encoder's vector of each text.

Shapes: `B` texts, `F` features, `D` size of the encoder's vector.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...model import TextCNNConfig, TextCNNForTextEncoding
from ..base import Batch
from ..contrastive_losses import gram_loss
from ..losses import representation_distance
from .pretraining import PretrainingModule


class RepresentationModule(PretrainingModule):
    """Training of an encoder on the vectors of another: 1 - cosine, and the divergence of the Gram matrices.

    Batches have the field `teacher_features` [B, D].

    Args:
        encoding_dim: D.
        gram_weight: Weight of the divergence between the Gram matrices of a batch.
        temperature: Temperature of the Gram matrices.
        sizes: Arguments of TrainingModule.
    """

    def __init__(self, *, encoding_dim: int, gram_weight: float = 1.0, temperature: float = 0.05, **sizes: Any) -> None:
        self.encoding_dim = encoding_dim
        super().__init__(**sizes)
        self.gram_weight, self.temperature = gram_weight, temperature

    def untrained(self, **fields: Any) -> Any:
        return TextCNNForTextEncoding(TextCNNConfig(**fields, encoding_dim=self.encoding_dim))

    def batch_loss(self, batch: Batch, step: int) -> Tensor:
        vectors = self.model(batch["input_ids"], batch["attention_mask"]).embeddings
        targets = batch["teacher_features"]
        loss = representation_distance(vectors, targets).mean()
        if not self.gram_weight:
            return loss
        # Over temperature^2, so that the weight means the same whatever the temperature.
        gram = gram_loss(vectors, targets, self.temperature) / self.temperature**2
        return loss + self.gram_weight * gram

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        vectors = self.model(batch["input_ids"], batch["attention_mask"]).embeddings
        cosine = 1 - representation_distance(vectors, batch["teacher_features"]).mean()
        self.log("val_cosine", cosine, prog_bar=True, batch_size=len(vectors), sync_dist=True)
