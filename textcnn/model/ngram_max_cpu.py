"""The n-gram maximum on CPUs: a folded table, a fused look-up and a backward pass through the winners alone.

Forward, per width: one matrix product folds the weight into a table with a row per distinct token; a window is then
a sum of W row slices, and only the running maximum and the window it came from are kept. Backward: each (text, filter)
pair has one winning window, so the gradient of the table is sparse, with at most B x F x W entries. Both gradients are
sums of rows that these entries choose. Every sum runs in one fixed order whatever the number of threads.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one
width (all widths: `sum F`), `R` rows of the folded weights, the sum of W x F.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .ngram_max_kernels import (
    find_tokens,
    group_by_token,
    pool,
    table_gradient,
    vectors_gradient,
    weights_gradient,
)

# Fewer multiplications than this are done before a thread has woken up.
_WORTH_THREADS = 1_000_000
# From this share of entries that are not zero, matrix products beat sums of chosen rows.
_DENSE = 0.25

_executor: ThreadPoolExecutor | None = None
_executor_threads = 0


def _forget_executor() -> None:
    global _executor
    _executor = None


# The threads of a pool do not live on in a forked process (a DataLoader worker).
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_executor)


def _run(kernel: Callable[[int, int], None], bounds: Sequence[int], work: int) -> None:
    """Calls kernel(begin, end) for each stretch between the bounds, in threads where the work is worth it."""
    global _executor, _executor_threads
    threads = torch.get_num_threads()
    if threads == 1 or work < _WORTH_THREADS:
        kernel(bounds[0], bounds[-1])
        return
    if _executor is None or _executor_threads != threads:
        _executor, _executor_threads = ThreadPoolExecutor(threads, "ngram_max"), threads
    list(_executor.map(kernel, bounds[:-1], bounds[1:]))


def _split(cumulative: np.ndarray) -> list[int]:
    """Bounds of stretches of about equal work: cumulative [n + 1], the work before each item."""
    parts = 4 * torch.get_num_threads()
    marks = np.linspace(0, cumulative[-1], parts + 1)[1:-1]
    return [0, *np.searchsorted(cumulative, marks).tolist(), len(cumulative) - 1]


class NgramMax(torch.autograd.Function):
    """apply(vectors, index, offsets, stride, dilation, paddings, *weights, *biases) -> pooled, winners.

    Shapes as in `ngram_max`; paddings are (left, right) per width, and all floats are float32 or all float64.
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
        weights, biases = parameters[: len(paddings)], parameters[len(paddings) :]
        tokens, dim = vectors.shape
        texts = len(offsets) - 1
        vectors = vectors.contiguous()
        index, offsets = index.contiguous(), offsets.contiguous()
        # Rows of the folded weights [R, D]: by width, then offset in the window, then filter.
        folded = torch.cat([weight.permute(2, 0, 1).reshape(-1, dim) for weight in weights])
        pooled = vectors.new_empty(texts, sum(map(len, biases)))
        winners = index.new_empty(pooled.shape)
        bounds = _split(offsets.numpy())
        scratch = vectors.new_empty((tokens + 1) * max(weight.shape[0] * weight.shape[2] for weight in weights))
        row = at = 0
        for weight, bias, (left, right) in zip(weights, biases, paddings, strict=True):
            filters, _, width = weight.shape
            rows = filters * width
            # The last row is zero: the token of holes and of positions outside the text.
            table = scratch[: (tokens + 1) * rows].view(tokens + 1, rows)
            torch.mm(vectors, folded[row : row + rows].t(), out=table[:-1])
            table[-1] = 0

            arrays = (table.numpy(), bias.contiguous().numpy(), index.numpy(), offsets.numpy())
            geometry = (width, stride, dilation, left, right)
            outputs = (at, pooled.numpy(), winners.numpy())

            def look_up(begin: int, end: int, arrays=arrays, geometry=geometry, outputs=outputs) -> None:
                pool(*arrays, *geometry, begin, end, *outputs)

            _run(look_up, bounds, len(index) * rows)
            row += rows
            at += filters
        ctx.save_for_backward(vectors, index, offsets, folded, winners)
        ctx.windows = (stride, dilation, [left for left, _ in paddings], [weight.shape for weight in weights])
        ctx.mark_non_differentiable(winners)
        return pooled, winners

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        vectors, index, offsets, folded, winners = ctx.saved_tensors
        stride, dilation, lefts, shapes = ctx.windows
        needs_vectors = ctx.needs_input_grad[0]
        needs_weights = any(ctx.needs_input_grad[6 : 6 + len(shapes)])
        gradient = gradient.contiguous()
        vectors_grad = folded_grad = None
        if needs_vectors or needs_weights:
            sparse = _SparseGradient(gradient, winners, index, offsets, len(folded), shapes, lefts, stride, dilation)
            vectors_grad, folded_grad = sparse.multiply(vectors, folded, needs_vectors, needs_weights)
        weight_grads: list[Tensor | None] = [None] * len(shapes)
        if folded_grad is not None:
            parts = folded_grad.split([filters * width for filters, _, width in shapes])
            weight_grads = [
                part.view(width, filters, dim).permute(1, 2, 0)
                for part, (filters, dim, width) in zip(parts, shapes, strict=True)
            ]
        bias_grads = (gradient * (winners >= 0)).sum(dim=0).split([shape[0] for shape in shapes])
        return vectors_grad, None, None, None, None, None, *weight_grads, *bias_grads


class _SparseGradient:
    """The gradient of the folded table [U, R], as the entries that are not zero."""

    def __init__(
        self,
        gradient: Tensor,
        winners: Tensor,
        index: Tensor,
        offsets: Tensor,
        rows: int,
        shapes: Sequence[Sequence[int]],
        lefts: Sequence[int],
        stride: int,
        dilation: int,
    ) -> None:
        plan, filter_of_row = [], []
        first = at = 0
        for (filters, _, width), left in zip(shapes, lefts, strict=True):
            plan += [(width, first + f, filters, left) for f in range(filters)]
            filter_of_row += [at + f for f in range(filters)] * width
            first += filters * width
            at += filters
        self.gradient = gradient.numpy()
        self.filter_of_row = np.array(filter_of_row, np.int32)
        # tokens [B, R]: the token that each row of the folded weights met in its winning window, or -1.
        self.tokens = np.empty((len(gradient), rows), np.int32)
        arrays = (winners.numpy(), self.gradient, index.numpy(), offsets.numpy(), np.array(plan, np.int64))
        find_tokens(*arrays, stride, dilation, 0, len(gradient), self.tokens)

    def multiply(
        self, vectors: Tensor, folded: Tensor, needs_vectors: bool, needs_weights: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of vectors [U, D] and of the folded weights [R, D]."""
        dim = vectors.shape[1]
        start = np.empty(len(vectors) + 1, np.int64)
        rows = np.empty(self.tokens.size, np.int32)
        values = np.empty(self.tokens.size, self.gradient.dtype)
        group_by_token(self.tokens, self.gradient, self.filter_of_row, start, rows, values)
        work = int(start[-1]) * dim
        by_token = _split(start)
        if start[-1] > _DENSE * len(vectors) * len(folded):
            table = vectors.new_empty(len(vectors), len(folded))
            entries = (start, rows, values)
            _run(lambda begin, end: table_gradient(*entries, begin, end, table.numpy()), by_token, int(start[-1]))
            return (table @ folded if needs_vectors else None), (table.t() @ vectors if needs_weights else None)
        vectors_grad = folded_grad = None
        if needs_vectors:
            vectors_grad = torch.empty_like(vectors)
            inputs, output = (start, rows, values, folded.numpy()), vectors_grad.numpy()
            _run(lambda begin, end: vectors_gradient(*inputs, begin, end, output), by_token, work)
        if needs_weights:
            folded_grad = torch.empty_like(folded)
            inputs2 = (self.tokens, self.gradient, self.filter_of_row, vectors.detach().numpy())
            output2 = folded_grad.numpy()
            _run(lambda begin, end: weights_gradient(*inputs2, begin, end, output2), _split(np.arange(len(folded) + 1)), work)
        return vectors_grad, folded_grad
