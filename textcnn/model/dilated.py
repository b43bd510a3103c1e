"""Residual blocks of gated, dilated convolutions with layer norm.

Blocks follow ByteNet (Kalchbrenner et al. 2016, https://arxiv.org/abs/1610.10099). Gates are those of Dauphin et al.
2017, "Language Modeling with Gated Convolutional Networks", https://arxiv.org/abs/1612.08083.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `T` positions of the longest text, `D` vector size,
`F` channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TextCNNConfig
from .excitation import SqueezeExcitation
from .sequences import masked_max, padded_vectors

WIDTH = 3


class DilatedConv(nn.Module):
    """A projection of the token vectors, residual blocks whose dilation doubles, a layer norm, the maximum over time.

    Every position outside of a text, and every hole in it, is zero before each convolution, so that padding changes no
    answer. The features of each token before the maximum are those of `sequence`.
    """

    has_sequence = True

    def __init__(self, config: TextCNNConfig, input_dim: int) -> None:
        super().__init__()
        channels = config.filters[0]
        self.input = nn.Linear(input_dim, channels)
        self.blocks = nn.ModuleList(
            DilatedBlock(channels, 2**level, config.layer_norm_eps, config.squeeze_excitation)
            for level in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(channels, eps=config.layer_norm_eps)

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a flat batch.

        Shapes: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, F].

        `winners` holds the position that each feature comes from, -1 in a text without a token.
        """
        states, mask, _ = self._states(vectors, index, offsets)
        return masked_max(states, mask)

    def sequence(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> Tensor:
        """Return the features of each position of a flat batch, before the maximum.

        They are [N, F], in the order of `index`; 0 at holes.
        """
        states, _, extent = self._states(vectors, index, offsets)
        return states[extent]

    def pool(self, states: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maximum of `sequence`'s features [N, F] over each text, in the form that `forward` returns."""
        places = torch.where(index >= 0, torch.arange(len(index), device=index.device), -1)
        padded, mask, _ = padded_vectors(states, places, offsets)
        return masked_max(padded, mask)

    def _states(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States [B, T, F], zero outside of tokens; mask [B, T, 1]; extent [B, T]."""
        padded, mask, extent = padded_vectors(vectors, index, offsets)
        states = self.input(padded) * mask
        for block in self.blocks:
            states = block(states, mask)
        return self.norm(states) * mask, mask, extent


class DilatedBlock(nn.Module):
    """Layer norm, a dilated convolution, its gate, a projection, and the sum with the input.

    Equation:
        a, g = Conv(LayerNorm(x)); y = x + W (a * sigmoid(g)) + b
    """

    def __init__(self, channels: int, dilation: int, eps: float, squeeze_excitation: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=eps)
        self.conv = nn.Conv1d(channels, 2 * channels, WIDTH, dilation=dilation, padding=dilation)
        self.output = nn.Linear(channels, channels)
        self.excitation = SqueezeExcitation(channels) if squeeze_excitation else None

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the next states: [B, T, F], mask [B, T, 1] -> [B, T, F], zero where there is no token."""
        inputs = self.norm(states) * mask
        values, gates = self.conv(inputs.mT).mT.chunk(2, dim=2)
        update = self.output(values * gates.sigmoid())
        if self.excitation is not None:
            update = self.excitation(update, mask)
        return (states + update) * mask
