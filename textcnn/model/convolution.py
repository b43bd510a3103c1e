"""Parallel 1-D convolutions of several widths, each pooled by its maximum over time.

Kim 2014, "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882.

Shapes: `B` texts, `N` tokens of all texts, `U` distinct tokens, `D` vector size, `F` filters of all widths,
`M` members.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import TextCNNConfig
from .ngram_max import ngram_max

_ACTIVATIONS = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "identity": lambda features: features,
    "sigmoid": torch.sigmoid,
    "elu": functional.elu,
    "leaky_relu": functional.leaky_relu,
    "softplus": functional.softplus,
}


class ParallelConv(nn.Module):
    """Convolutions of every kernel size over the same texts, max-pooled, then activated.

    A monotone activation commutes with the maximum, so it is applied once per filter, not once per window.
    A filter without a window (a text too short for it) has the feature 0.
    """

    def __init__(self, config: TextCNNConfig, input_dim: int) -> None:
        super().__init__()
        # The weights live in nn.Conv1d so that they are initialised, named and shaped as everyone expects.
        self.convs = nn.ModuleList(
            nn.Conv1d(input_dim, filters, width, groups=config.num_members)
            for width, filters in zip(config.kernel_sizes, config.filters, strict=True)
        )
        self.num_members = config.num_members
        self.stride = config.stride
        self.dilation = config.dilation
        self.padding = config.padding
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a flat batch.

        Shapes: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, F].

        `winners` holds the number of the window that each feature comes from, -1 where there is none.
        """
        if not self.convs:
            texts = len(offsets) - 1
            return vectors.new_zeros(texts, 0), offsets.new_zeros(texts, 0)
        weights = [conv.weight.chunk(self.num_members) for conv in self.convs]
        biases = [conv.bias.chunk(self.num_members) for conv in self.convs]
        members = [
            ngram_max(
                own,
                index,
                offsets,
                [weight[member] for weight in weights],
                [bias[member] for bias in biases],
                stride=self.stride,
                dilation=self.dilation,
                padding=self.padding,
            )
            for member, own in enumerate(vectors.chunk(self.num_members, dim=1))
        ]
        counts = [len(bias[0]) for bias in biases]
        pooled, winners = (by_width(parts, counts) for parts in zip(*members, strict=True))
        features = self.activation(pooled)
        return torch.where(winners >= 0, features, features.new_zeros(())), winners


def by_width(members: tuple[Tensor, ...], counts: list[int]) -> Tensor:
    """Order features by width, then by member: [B, F / M] of each member, by width -> [B, F]."""
    if len(members) == 1:
        return members[0]
    widths = zip(*(member.split(counts, dim=1) for member in members), strict=True)
    return torch.cat([part for width in widths for part in width], dim=1)
