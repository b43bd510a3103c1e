"""A deep pyramid: convolutions with skip connections, of which each level reads half as many positions.

Johnson and Zhang 2017, "Deep Pyramid Convolutional Neural Networks for Text Categorization",
https://aclanthology.org/P17-1052.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `T` positions of a level, `D` vector size,
`F` channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import TextCNNConfig
from .excitation import SqueezeExcitation
from .sequences import masked_max, padded_vectors

WIDTH = 3


class PyramidConv(nn.Module):
    """A region embedding (one convolution), then blocks of two convolutions; all but the first halve the text before.

    Every position outside of a text, and every hole in it, is zero before each convolution and absent from each
    maximum, so that padding changes no answer.
    """

    has_sequence = False

    def __init__(self, config: TextCNNConfig, input_dim: int) -> None:
        super().__init__()
        channels = config.filters[0]
        self.region = nn.Conv1d(input_dim, channels, WIDTH, padding=1)
        self.blocks = nn.ModuleList(PyramidBlock(channels, config.squeeze_excitation) for _ in range(config.num_blocks))

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a flat batch.

        Shapes: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, F].

        `winners` holds the position of the last level that each feature comes from, -1 in a text without a token.
        """
        padded, mask, _ = padded_vectors(vectors, index, offsets)
        values = self.region(padded.mT).mT * mask
        for level, block in enumerate(self.blocks):
            if level:
                values, mask = halve(values, mask)
            values = block(values, mask)
        return masked_max(values, mask)


class PyramidBlock(nn.Module):
    """Two convolutions, each after its activation, and the sum with the input.

    Equation:
        y = x + Conv(relu(Conv(relu(x))))
    """

    def __init__(self, channels: int, squeeze_excitation: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(channels, channels, WIDTH, padding=1) for _ in range(2))
        self.excitation = SqueezeExcitation(channels) if squeeze_excitation else None

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the next values: [B, T, F], mask [B, T, 1] -> [B, T, F], zero where there is no token."""
        update = values
        for conv in self.convs:
            update = conv(functional.relu(update).mT).mT * mask
        if self.excitation is not None:
            update = self.excitation(update, mask)
        return values + update


def halve(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Max-pool over three positions with stride 2, real tokens only: [B, T, F], [B, T, 1] -> half of T, rounded up."""
    hidden = functional.pad(values.masked_fill(~mask, -torch.inf), (0, 0, 0, 2), value=-torch.inf)
    halved = functional.max_pool1d(hidden.mT, 3, stride=2).mT
    alive = functional.max_pool1d(functional.pad(mask, (0, 0, 0, 2)).mT.to(values.dtype), 3, stride=2).mT > 0
    return torch.where(alive, halved, halved.new_zeros(())), alive
