"""Masked tokens: the network predicts masked tokens, at one rate or at rates drawn from (0, 1].

Shapes: `B` texts, `T` tokens with padding, `H` hidden tokens.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...model import TextCNNConfig, TextCNNForMaskedLM
from ..base import Batch
from .pretraining import PretrainingModule

# Share of the texts whose label a model with labels is not shown, so that it can write without one, too.
_WITHOUT_LABEL = 0.1


class MaskedModule(PretrainingModule):
    """Training of a masked language model: the mean cross-entropy of hidden tokens.

    All of them are hidden by the mask token, as Wettig et al. 2022 recommend (https://arxiv.org/abs/2202.08005).
    Batches of a model with labels have the field `labels` [B].

    Args:
        mask_token_id: Id of the mask token.
        mask_share: Fraction of the tokens that are hidden, at least one of each text.
        lengths: Quantiles of the texts' lengths, which texts are written at.
        sizes: Arguments of TrainingModule; `labels` are those of the texts.
    """

    def __init__(self, *, mask_token_id: int, mask_share: float = 0.3, lengths: list[int], **sizes: Any) -> None:
        self.mask_token_id, self.lengths = mask_token_id, lengths
        super().__init__(**sizes)
        self.mask_share = mask_share

    def network(self, **fields: Any) -> Any:
        fields = {name: value for name, value in fields.items() if name != "problem_type"}
        return TextCNNForMaskedLM(
            TextCNNConfig(**fields, mask_token_id=self.mask_token_id, length_quantiles=self.lengths)
        )

    def configure_optimizers(self) -> dict[str, Any]:
        chosen = super().configure_optimizers()
        # The output reads all token vectors, so that their gradients are dense.
        for channel in self._row_embeddings:
            channel.sparse = False
        self._row_embeddings = []
        return chosen

    def batch_loss(self, batch: Batch, step: int) -> Tensor:
        ids, mask = batch["input_ids"], batch["attention_mask"].bool()
        rng = np.random.default_rng([self.hparams["seed"], step % (1 << 32)])
        rates = self.rates(len(ids), rng)
        chance = torch.from_numpy(rng.random(ids.shape, np.float32)).to(ids.device).masked_fill(~mask, 2.0)
        hidden = ((chance < rates.to(ids.device)[:, None]) | self._least(chance)) & mask
        if not hidden.any():
            return (self.model.bias * 0).sum()
        labels = batch.get("labels")
        if labels is not None:
            unseen = torch.from_numpy(rng.random(len(labels)) < _WITHOUT_LABEL).to(labels.device)
            labels = labels.masked_fill(unseen, -1)
        states = self.model.states(ids.masked_fill(hidden, self.mask_token_id), mask, labels)
        # Only hidden tokens go through the head, which costs more than all blocks do.
        losses = functional.cross_entropy(self.model.token_logits(states[hidden]), ids[hidden], reduction="none")
        return self.combine(losses, hidden, mask, rates.to(ids.device))

    def rates(self, count: int, rng: np.random.Generator) -> Tensor:
        """Return the fraction of the tokens to hide in each text: [count]."""
        return torch.full((count,), self.mask_share)

    def combine(self, losses: Tensor, hidden: Tensor, mask: Tensor, rates: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            losses: [H] cross-entropy of the hidden tokens.
            hidden: [B, T], true at hidden tokens.
            mask: [B, T], true at tokens.
            rates: [B] fraction of the tokens that were to be hidden.
        """
        return losses.mean()

    def _least(self, chance: Tensor) -> Tensor:
        """Return a mask of the token of each text that is hidden in any case: [B, T]."""
        return chance == chance.min(dim=1, keepdim=True).values


class DiffusionModule(MaskedModule):
    """Training of a masked diffusion model (MDLM, Sahoo et al. 2024, https://arxiv.org/abs/2406.07524).

    A rate t is drawn from (0, 1] for each text, each token is hidden with probability t, and the cross-entropy of the
    hidden tokens is weighed by 1/t: the sum over a text bounds its negative log-likelihood. The loss is the bound for a
    token.
    """

    def rates(self, count: int, rng: np.random.Generator) -> Tensor:
        # Spread evenly over (0, 1] within a batch, which lowers the variance of the loss.
        rates = 1 - (np.arange(count) + rng.random()) / count % 1
        return torch.from_numpy(rng.permutation(rates).astype(np.float32)).clamp(min=1e-3)

    def combine(self, losses: Tensor, hidden: Tensor, mask: Tensor, rates: Tensor) -> Tensor:
        weights = (1 / rates)[hidden.nonzero()[:, 0]]
        return (losses * weights).sum() / mask.sum()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        bound = min(20.0, float(self.batch_loss(batch, -1 - batch_idx).detach()))
        self.log("val_perplexity", math.exp(bound), batch_size=len(batch["input_ids"]), sync_dist=True)

    def _least(self, chance: Tensor) -> Tensor:
        return torch.zeros_like(chance, dtype=torch.bool)
