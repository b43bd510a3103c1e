"""Backbones by name: networks between token vectors and features.

A backbone is called with the vectors [U, D] of the distinct tokens, the index [N] of the vector at each position of all
texts (-1 is a hole) and the offsets [B + 1] of the texts, and returns features and winners, [B, F] each. One with
`has_sequence` also has the features of each token.
"""

from __future__ import annotations

from torch import nn

from .config import TextCNNConfig
from .convolution import ParallelConv
from .dilated import DilatedConv
from .pyramid import PyramidConv

_BACKBONES = {"parallel": ParallelConv, "pyramid": PyramidConv, "dilated": DilatedConv}


def make_backbone(config: TextCNNConfig, input_dim: int) -> nn.Module:
    """Return the network of `config.backbone` for token vectors of `input_dim` components."""
    return _BACKBONES[config.backbone](config, input_dim)
