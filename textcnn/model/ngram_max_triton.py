"""The n-gram maximum for GPUs, with two kernels in Triton, which comes with torch on Linux.

Forward: one matrix product folds the weights of all widths into a table with a row per distinct token; a program for
each text and block of filters adds the table's entries of a window in registers and keeps the maximum, so that feature
maps never reach memory. Words being unequal, most rows come from the cache. Backward: winning windows alone, added to
the table's gradient as they come, then two matrix products. `ngram_max_gpu` does the same in torch operations.

Shapes: `B` texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one width, `C` sum of W * F.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Outside of try, transformers would refuse to load the code from the Hub where Triton is missing.
try:
    import triton
    import triton.language as tl
except ImportError:
    raise

# Filters of a program: four for each thread of its warp. More warps, or fewer filters, were slower on an H100.
_BLOCK = 128
_WARPS = 1


class NgramMax(torch.autograd.Function):
    """apply(vectors, index, offsets, stride, dilation, paddings, *weights, *biases) -> pooled, winners.

    Arguments as for `ngram_max`, floats all of one dtype; paddings are (left, right) per width.
    """

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        index: Tensor,
        offsets: Tensor,
        stride: int,
        dilation: int,
        paddings: Sequence[tuple[int, int]],
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        weights, biases = parameters[: len(paddings)], torch.cat(parameters[len(paddings) :])
        # [W * F, D] of each width: by place in the window, then by filter.
        folded = torch.cat([weight.permute(2, 0, 1).reshape(-1, weight.shape[1]) for weight in weights])
        table = vectors @ folded.t()
        pooled = table.new_empty(len(offsets) - 1, len(biases))
        winners = index.new_empty(pooled.shape)
        ctx.shapes = [
            (weight.shape[2], weight.shape[0], *padding) for weight, padding in zip(weights, paddings, strict=True)
        ]
        ctx.stride, ctx.dilation = stride, dilation
        column = feature = 0
        for width, filters, left, right in ctx.shapes:
            _launch(
                _pool, filters, width, table, index, offsets, pooled, winners, biases, len(folded), column,
                len(biases), feature, stride, dilation, left, right,
            )  # fmt: skip
            column, feature = column + width * filters, feature + filters
        ctx.save_for_backward(vectors, index, offsets, folded, winners)
        ctx.mark_non_differentiable(winners)
        return pooled, winners

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        vectors, index, offsets, folded, winners = ctx.saved_tensors
        gradient = gradient.contiguous()
        # Summed in float32 at least.
        dtype = torch.promote_types(gradient.dtype, torch.float32)
        table = gradient.new_zeros(len(vectors), len(folded), dtype=dtype)
        column = feature = 0
        for width, filters, left, _right in ctx.shapes:
            _launch(
                _table_gradient, filters, width, table, index, offsets, gradient, winners, len(folded), column,
                gradient.shape[1], feature, ctx.stride, ctx.dilation, left,
            )  # fmt: skip
            column, feature = column + width * filters, feature + filters
        table = table.to(vectors.dtype)
        vectors_grad = table @ folded if ctx.needs_input_grad[0] else None
        parts = (table.t() @ vectors).split([width * filters for width, filters, *_ in ctx.shapes])
        weight_grads = [
            part.view(width, filters, -1).permute(1, 2, 0)
            for part, (width, filters, *_) in zip(parts, ctx.shapes, strict=True)
        ]
        bias_grads = (gradient * (winners >= 0)).sum(dim=0).split([filters for _, filters, *_ in ctx.shapes])
        return vectors_grad, None, None, None, None, None, *weight_grads, *bias_grads


def _launch(
    kernel: Any, filters: int, width: int, table: Tensor, index: Tensor, offsets: Tensor, *arguments: Any
) -> None:
    """A program for each text and block of filters."""
    grid = len(offsets) - 1, triton.cdiv(filters, _BLOCK)
    if grid[0]:
        with torch.cuda.device_of(table):
            kernel[grid](filters, width, table, index, offsets, *arguments, block=_BLOCK, num_warps=_WARPS)


@triton.jit
def _pool(
    filters, width: tl.constexpr, table, index, offsets, pooled, winners, biases, columns, column,
    features, feature, stride, dilation, left, right, block: tl.constexpr,
):  # fmt: skip
    text = tl.program_id(0).to(tl.int64)
    filter = tl.program_id(1) * block + tl.arange(0, block)
    is_filter = filter < filters
    begin = tl.load(offsets + text)
    length = tl.load(offsets + text + 1) - begin
    # What is narrow is summed in float32, and rounded once.
    dtype: tl.constexpr = tl.float64 if table.dtype.element_ty == tl.float64 else tl.float32
    maximum = tl.full((block,), float("-inf"), dtype)
    winner = tl.full((block,), -1, tl.int64)
    last = length - 1 + right - (width - 1) * dilation
    start = begin * 0 - left
    window = begin * 0
    while (start <= last) & (length > 0):
        total = tl.zeros((block,), dtype)
        is_real = False
        for place in tl.static_range(width):
            position = start + place * dilation
            token = tl.load(index + begin + position, mask=(position >= 0) & (position < length), other=-1)
            is_real = is_real | (token >= 0)
            row = table + token * columns + column + place * filters
            total += tl.load(row + filter, mask=is_filter & (token >= 0), other=0.0).to(dtype)
        # As torch.max has it: of equal windows the first, and NaN above all.
        wins = is_real & ((winner < 0) | (total > maximum) | ((total != total) & (maximum == maximum)))
        maximum = tl.where(wins, total, maximum)
        winner = tl.where(wins, window, winner)
        start += stride
        window += 1
    bias = tl.load(biases + feature + filter, mask=is_filter, other=0.0).to(dtype)
    target = text * features + feature + filter
    tl.store(pooled + target, tl.where(winner >= 0, maximum + bias, 0.0).to(pooled.dtype.element_ty), mask=is_filter)
    tl.store(winners + target, winner, mask=is_filter)


@triton.jit
def _table_gradient(
    filters, width: tl.constexpr, table, index, offsets, gradient, winners, columns, column,
    features, feature, stride, dilation, left, block: tl.constexpr,
):  # fmt: skip
    text = tl.program_id(0).to(tl.int64)
    filter = tl.program_id(1) * block + tl.arange(0, block)
    is_filter = filter < filters
    begin = tl.load(offsets + text)
    length = tl.load(offsets + text + 1) - begin
    source = text * features + feature + filter
    value = tl.load(gradient + source, mask=is_filter, other=0.0).to(table.dtype.element_ty)
    winner = tl.load(winners + source, mask=is_filter, other=-1)
    for place in tl.static_range(width):
        position = winner * stride - left + place * dilation
        is_inside = (winner >= 0) & (position >= 0) & (position < length)
        token = tl.load(index + begin + position, mask=is_inside, other=-1)
        target = table + token * columns + column + place * filters + filter
        tl.atomic_add(target, value, mask=token >= 0, sem="relaxed")
