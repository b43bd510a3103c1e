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
from .experts import ExpertsConv
from .means import MeanConv
from .pyramid import PyramidConv
from .segments import SegmentConv

_DEEP = {"pyramid": PyramidConv, "dilated": DilatedConv}
_POOLINGS = {"max": ParallelConv, "segments": SegmentConv, "max_mean": MeanConv}


def make_backbone(config: TextCNNConfig, input_dim: int) -> nn.Module:
    """Return the network of `config.backbone` and `config.pooling` for token vectors of `input_dim` components."""
    if config.num_experts > 1:
        return ExpertsConv(config, input_dim)
    network = _DEEP.get(config.backbone) or _POOLINGS[config.pooling]
    return network(config, input_dim)
