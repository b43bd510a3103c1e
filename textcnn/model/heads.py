"""Classification heads: pooled features to logits.

Shapes: `B` texts, `F` features, `C` classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearHead(nn.Linear):
    """A linear layer whose class vectors can be held inside a ball while training.

    The constraint is Kim's (2014, https://arxiv.org/abs/1408.5882, section 3.1): a row of the weight whose L2
    norm exceeds `max_norm` is scaled back to it. As in nn.Embedding, that happens in place in the forward pass.
    """

    def __init__(self, in_features: int, out_features: int, max_norm: float | None = None) -> None:
        super().__init__(in_features, out_features)
        self.max_norm = max_norm

    def forward(self, features: Tensor) -> Tensor:
        """Logits of features: [B, F] -> [B, C]."""
        if self.training and self.max_norm is not None:
            with torch.no_grad():
                self.weight.copy_(self.weight.renorm(p=2, dim=0, maxnorm=self.max_norm))
        return super().forward(features)
