"""Convolutions of several widths over token vectors, each pooled by its maximum over time, as one operator.

Kim 2014, "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

PADDINGS = ("wide", "same", "valid")


def window_padding(width: int, dilation: int, padding: str) -> tuple[int, int]:
    """Zero vectors before and after a text.

    Example:
        >>> window_padding(3, 1, "wide")
        (2, 2)
    """
    span = (width - 1) * dilation
    if padding == "wide":
        return span, span
    if padding == "same":
        return span // 2, span - span // 2
    return 0, 0


def ngram_max(
    vectors: Tensor,
    index: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "wide",
    implementation: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Convolves and takes the maximum over time."""
    if implementation == "cpu":
        from .ngram_max_cpu import NgramMax

        paddings = [window_padding(weight.shape[2], dilation, padding) for weight in weights]
        return NgramMax.apply(vectors, index, offsets, stride, dilation, paddings, *weights, *biases)
    return _reference(vectors, index, offsets, weights, biases, stride, dilation, padding)


def _reference(
    vectors: Tensor,
    index: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    stride: int,
    dilation: int,
    padding: str,
) -> tuple[Tensor, Tensor]:
    """nn.functional.conv1d over the padded batch, then the maximum of the windows that count."""
    lengths = offsets.diff()
    longest = int(lengths.max()) if len(lengths) else 0
    table = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
    pooled, winners = [], []
    for weight, bias in zip(weights, biases, strict=True):
        width = weight.shape[2]
        span = (width - 1) * dilation
        left, right = window_padding(width, dilation, padding)
        # Long enough for one window at least, so that no shape below is empty; it is masked where it does not count.
        steps = max(longest, span + 1 - left - right, 1)
        inside = torch.arange(steps, device=index.device) < lengths[:, None]
        rows = index.new_full(inside.shape, -1).masked_scatter(inside, index)
        inputs = functional.pad(table[rows].transpose(1, 2), (left, right))
        maps = functional.conv1d(inputs, weight, bias, stride=stride, dilation=dilation)

        start = torch.arange(maps.shape[2], device=index.device) * stride
        reads = start[:, None] + torch.arange(width, device=index.device) * dilation
        real = functional.pad(rows >= 0, (left, right))[:, reads].any(dim=2)
        counts = real & (start - left + span <= lengths[:, None] - 1 + right)
        value, window = maps.masked_fill(~counts[:, None], -torch.inf).max(dim=2)
        exists = counts.any(dim=1, keepdim=True)
        pooled.append(torch.where(exists, value, value.new_zeros(())))
        winners.append(torch.where(exists, window, -1))
    return torch.cat(pooled, dim=1), torch.cat(winners, dim=1)
