"""Parallel 1-D convolutions of several widths, each pooled by its maximum over time.

Kim 2014, "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882.

Shapes: `B` texts, `N` tokens of all texts, `U` distinct tokens, `D` vector size, `F` filters of all widths.
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
            nn.Conv1d(input_dim, filters, width)
            for width, filters in zip(config.kernel_sizes, config.filters, strict=True)
        )
        self.stride = config.stride
        self.dilation = config.dilation
        self.padding = config.padding
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a flat batch: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, F].

        `winners` holds the number of the window that each feature comes from, -1 where there is none.
        """
        pooled, winners = ngram_max(
            vectors,
            index,
            offsets,
            [conv.weight for conv in self.convs],
            [conv.bias for conv in self.convs],
            stride=self.stride,
            dilation=self.dilation,
            padding=self.padding,
        )
        features = self.activation(pooled)
        return torch.where(winners >= 0, features, features.new_zeros(())), winners
