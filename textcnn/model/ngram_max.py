"""Convolutions of several widths over token vectors, each pooled by its maximum over time, as one operator.

Kim 2014, "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882.
"""

from __future__ import annotations

import functools
import importlib.util
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
    """Maximum over the windows of each text and width, as nn.Conv1d followed by a max would give it.

    Args:
        vectors: [U, D] vectors of the distinct tokens.
        index: [N] int64, the row of `vectors` at each position of all texts; -1 is a hole: a zero vector that is no
            real token.
        offsets: [B + 1] int64; text b is index[offsets[b] : offsets[b + 1]].
        weights: [F, D, W] for each width, as nn.Conv1d has them.
        biases: [F] for each width.
        stride: distance between two windows.
        dilation: distance between two tokens of a window.
        padding: wide, same or valid.
        implementation: reference (plain torch), cpu (numba) or None, which takes the fastest that is at hand.

    Returns:
        pooled [B, sum F], 0 where a text has no window; winners [B, sum F], the number of the winning window, -1
        where there is none. Of equal windows the first wins.

    Raises:
        ValueError: there is no implementation of that name.
    """
    if implementation is None:
        floats = all(t.dtype in (torch.float32, torch.float64) for t in (vectors, *weights, *biases))
        usable = vectors.device.type == "cpu" and floats and _numba_is_installed()
        implementation = "cpu" if usable and not torch.compiler.is_compiling() else "reference"
    if implementation == "cpu":
        from .ngram_max_cpu import NgramMax

        paddings = [window_padding(weight.shape[2], dilation, padding) for weight in weights]
        return NgramMax.apply(vectors, index, offsets, stride, dilation, paddings, *weights, *biases)
    if implementation != "reference":
        raise ValueError(f"implementation: got {implementation!r}; expected reference, cpu or None")
    return _reference(vectors, index, offsets, weights, biases, stride, dilation, padding)


@functools.cache
def _numba_is_installed() -> bool:
    return importlib.util.find_spec("numba") is not None


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
