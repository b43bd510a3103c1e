"""Classification heads: pooled features to logits.

Shapes: `B` texts, `F` features, `C` classes, `M` members.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class LinearHead(nn.Linear):
    """The mean of the members' linear layers, whose class vectors can be held inside a ball while training.

    Features lie by width, and within a width by member, as their filters do in a folded table. The constraint is Kim's
    (2014, https://arxiv.org/abs/1408.5882, section 3.1): a class vector of a member whose L2 norm exceeds `max_norm` is
    scaled back to it. As in nn.Embedding, that happens in place in the forward pass.

    Args:
        filters: Features of each width, of all members; they add up to F.
        out_features: C.
        max_norm: Of a class vector; None leaves it free.
        num_members: M.
    """

    def __init__(
        self, filters: list[int], out_features: int, max_norm: float | None = None, num_members: int = 1
    ) -> None:
        super().__init__(sum(filters), out_features)
        self.filters, self.max_norm, self.num_members = filters, max_norm, num_members

    def reset_parameters(self) -> None:
        """Initialise the weights as nn.Linear does; a head without features has no weight to draw."""
        if self.in_features:
            super().reset_parameters()
        else:
            nn.init.zeros_(self.bias)

    @property
    def mean_weight(self) -> Tensor:
        """[C, F] weights of the mean of the members' logits."""
        return self.weight / self.num_members

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean logits of features: [B, F] -> [B, C]."""
        return self.of_members(features).mean(dim=0)

    def of_members(self, features: Tensor) -> Tensor:
        """Return the logits of each member: [B, F] -> [M, B, C]."""
        if not self.in_features:
            return self.bias.expand(self.num_members, len(features), -1)
        if self.training and self.max_norm is not None:
            self._shrink(self.max_norm)
        return torch.baddbmm(self.bias, self._by_member(features), self._by_member(self.weight).mT)

    @torch.no_grad()
    def _shrink(self, max_norm: float) -> None:
        norms = self._by_member(self.weight).norm(dim=-1)
        shrink = (max_norm / norms.clamp(min=max_norm)).mT[..., None]
        for part in self.weight.split(self.filters, dim=1):
            part.unflatten(1, (self.num_members, -1)).mul_(shrink)

    def _by_member(self, values: Tensor) -> Tensor:
        """[..., F] -> [M, ..., F / M]."""
        if self.num_members == 1:
            return values[None]
        widths = [part.unflatten(-1, (self.num_members, -1)) for part in values.split(self.filters, dim=-1)]
        return torch.cat(widths, dim=-1).movedim(-2, 0)


def xavier_bound(module: nn.Conv1d | nn.Linear) -> float:
    """Return the largest weight that one member starts with (Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a)."""
    members = module.num_members if isinstance(module, LinearHead) else getattr(module, "groups", 1)
    outputs, inputs, width = (*module.weight.shape, 1)[:3]
    if isinstance(module, LinearHead):
        inputs //= members
    else:
        outputs //= members
    return math.sqrt(3.0) * math.sqrt(2.0 / (inputs * width + outputs * width))
