"""Pooling by the mean beside the maximum: how strongly a filter answers throughout a text, not only at its best.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `F` filters of all widths, `W`
width, `K` windows of all texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .convolution import ParallelConv, by_width
from .ngram_max import window_padding


class MeanConv(ParallelConv):
    """Parallel convolutions with two features a filter: its maximum and the mean of its activation over all windows.

    The windows of both are the same: those that hold a token. The mean reads every window with torch operations, as the
    operator of the maximum keeps the best ones only: a step takes about as long again.
    """

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a flat batch.

        Shapes: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, 2 F].

        First come the maxima, then the means. `winners` of the means are those of the maxima.
        """
        maxima, winners = super().forward(vectors, index, offsets)
        weights = [conv.weight.chunk(self.num_members) for conv in self.convs]
        biases = [conv.bias.chunk(self.num_members) for conv in self.convs]
        members = [
            ngram_mean(
                own,
                index,
                offsets,
                [weight[member] for weight in weights],
                [bias[member] for bias in biases],
                self.activation,
                stride=self.stride,
                dilation=self.dilation,
                padding=self.padding,
            )
            for member, own in enumerate(vectors.chunk(self.num_members, dim=1))
        ]
        means = by_width(tuple(members), [len(bias[0]) for bias in biases])
        return torch.cat([maxima, means], dim=1), winners.repeat(1, 2)


def ngram_mean(
    vectors: Tensor,
    index: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activation: Callable[[Tensor], Tensor],
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: str = "wide",
) -> Tensor:
    """Return the mean of the activated convolution over the windows of each text and width: [B, sum F], 0 without one.

    Arguments are those of `ngram_max`. One matrix product makes a table with a row per distinct token; a window is the
    sum of W slices of it.
    """
    lengths = offsets.diff()
    means = []
    for weight, bias in zip(weights, biases, strict=True):
        filters, dim, width = weight.shape
        span = (width - 1) * dilation
        left, right = window_padding(width, dilation, padding)
        windows = ((lengths + left + right - span - 1) // stride + 1).clamp(min=0) * (lengths > 0)
        text = torch.repeat_interleave(torch.arange(len(lengths), device=index.device), windows)
        first = torch.cat([windows.new_zeros(1), windows.cumsum(dim=0)])[text]
        number = torch.arange(len(text), device=index.device) - first
        place = torch.arange(width, device=index.device)
        position = number[:, None] * stride - left + place * dilation
        inside = (position >= 0) & (position < lengths[text][:, None])
        flat = (offsets[text][:, None] + position).clamp(0, max(0, len(index) - 1))
        tokens = torch.where(inside, index[flat], -1) if len(index) else flat
        # The row after the last is zero: it stands for holes and for positions outside.
        table = torch.cat([vectors, vectors.new_zeros(1, dim)]) @ weight.permute(2, 0, 1).reshape(-1, dim).t()
        rows = torch.where(tokens < 0, len(vectors), tokens) * width + place
        maps = functional.embedding_bag(rows, table.view(-1, filters), mode="sum") if len(rows) else table[:0, :filters]
        counts = (tokens >= 0).any(dim=1, keepdim=True).to(maps.dtype)
        total = maps.new_zeros(len(lengths), filters).index_add_(0, text, activation(maps + bias) * counts)
        number_of_windows = counts.new_zeros(len(lengths), 1).index_add_(0, text, counts)
        means.append(total / number_of_windows.clamp(min=1))
    return torch.cat(means, dim=1)
