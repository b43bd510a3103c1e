"""The n-gram maximum on CPUs: a folded table, a fused look-up and a backward pass through the winners alone.

Forward, per width: one matrix product folds the weight into a table with a row per distinct token; a window is then
a sum of W row slices, and only the running maximum and the window it came from are kept. Backward: each (text, filter)
pair has one winning window, so the gradient of the table is sparse, with at most B x F x W entries, and the gradients
of vectors and weights are sums of the rows that these entries choose. Where the entries are not few (many texts over
a small vocabulary), two matrix products are faster. Our sums run in one order, whatever the number of threads.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one
width (all widths: `sum F`), `R` rows of the folded weights, the sum of W x F.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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

# Additions and multiplications that take about as long as waking a thread.
_WORTH_THREADS = 500_000
# The share of the table's gradient that is not zero from which matrix products are faster.
_DENSE = 0.15
# Tables of several widths are made at once up to this size.
_TABLE_BYTES = 64 << 20

_executor: ThreadPoolExecutor | None = None
_executor_threads = 0


class NgramMax(torch.autograd.Function):
    """apply(vectors, index, offsets, stride, dilation, paddings, *weights, *biases) -> pooled, winners.

    Arguments as for `ngram_max`, floats all of one dtype, float32 or float64; paddings are (left, right) per width.
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
        vectors, index, offsets = vectors.contiguous(), index.contiguous(), offsets.contiguous()
        weights, biases = parameters[: len(paddings)], parameters[len(paddings) :]
        tokens, dim = vectors.shape
        # Rows of the folded weights [R, D]: by width, then by place in the window, then by filter.
        folded = torch.cat([weight.permute(2, 0, 1).reshape(-1, dim) for weight in weights])
        bias = torch.cat(biases).numpy()
        pooled = vectors.new_empty(len(offsets) - 1, len(bias))
        winners = index.new_empty(pooled.shape)
        plan = _plan([weight.shape for weight in weights], paddings)
        texts = _split(offsets.numpy())
        for part in _parts(plan, (tokens + 1) * vectors.element_size()):
            first, rows = part[0, 2], int((part[:, 0] * part[:, 1]).sum())
            table = vectors.new_empty(tokens + 1, rows)
            # `out` also keeps autocast away.
            torch.mm(vectors, folded[first : first + rows].t(), out=table[:tokens])
            # The last row stands for holes and for positions outside the text.
            table[tokens] = 0
            part[:, 2] -= first
            inputs = (table.numpy(), bias, index.numpy(), offsets.numpy(), part)
            kernel = partial(pool, *inputs, stride, dilation, pooled.numpy(), winners.numpy())
            _run(_stretches(kernel, texts), len(index) * rows)
        ctx.save_for_backward(vectors, index, offsets, folded, winners)
        ctx.windows = (plan, stride, dilation)
        ctx.shapes = [weight.shape for weight in weights]
        ctx.mark_non_differentiable(winners)
        return pooled, winners

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        widths = len(ctx.shapes)
        for_vectors = ctx.needs_input_grad[0]
        for_weights = any(ctx.needs_input_grad[6 : 6 + widths])
        vectors_grad: Tensor | None = None
        weight_grads: Sequence[Tensor | None] = [None] * widths
        bias_grads: Sequence[Tensor | None] = [None] * widths
        if for_vectors or for_weights:
            with torch.autocast("cpu", enabled=False):
                vectors_grad, weight_grads = _gradients(ctx, gradient.contiguous(), for_vectors, for_weights)
        if any(ctx.needs_input_grad[6 + widths :]):
            total = (gradient * (ctx.saved_tensors[-1] >= 0)).sum(dim=0)
            bias_grads = total.split([shape[0] for shape in ctx.shapes])
        return vectors_grad, None, None, None, None, None, *weight_grads, *bias_grads


def _gradients(
    ctx: Any, gradient: Tensor, for_vectors: bool, for_weights: bool
) -> tuple[Tensor | None, Sequence[Tensor | None]]:
    """Gradients of vectors [U, D] and of each weight [F, D, W], where asked for; gradient [B, sum F]."""
    vectors, index, offsets, folded, winners = ctx.saved_tensors
    plan, stride, dilation = ctx.windows
    count, dim = vectors.shape
    vectors_grad: Tensor | None = None
    weight_grads: Sequence[Tensor | None] = [None] * len(plan)

    pooled_grad = gradient.detach().numpy()
    tokens = np.empty((len(gradient), len(folded)), np.int32)
    inputs = (winners.numpy(), pooled_grad, index.numpy(), offsets.numpy(), plan, stride, dilation)
    find = partial(find_tokens, *inputs, tokens)
    entries = sum(_run(_stretches(find, _split(np.arange(len(gradient) + 1))), tokens.size))
    # Start of each token, then column of the table and value of each entry.
    grouped = (np.empty(count + 1, np.int64), np.empty(entries, np.int32), np.empty(entries, pooled_grad.dtype))
    group = partial(group_by_token, tokens, pooled_grad, plan, *grouped)

    if entries > _DENSE * count * len(folded):
        group()
        table = vectors.new_empty(count, len(folded))
        fill = partial(table_gradient, *grouped, table.numpy())
        _run(_stretches(fill, _split(grouped[0])), table.numel())
        if for_vectors:
            vectors_grad = table @ folded
        if for_weights:
            parts = (table.t() @ vectors).split([filters * width for filters, _, width in ctx.shapes])
            weight_grads = [
                part.view(width, filters, dim).permute(1, 2, 0)
                for part, (filters, _, width) in zip(parts, ctx.shapes, strict=True)
            ]
        return vectors_grad, weight_grads

    tasks: list[Callable[[], Any]] = [group] if for_vectors else []
    if for_weights:
        flat = vectors.new_empty(folded.numel())
        weights = partial(weights_gradient, tokens, pooled_grad, plan, vectors.detach().numpy(), flat.numpy())
        features = np.repeat(plan[:, 0], plan[:, 1]).cumsum()
        tasks += _stretches(weights, _split(np.append(0, features)))
        parts = flat.split([shape.numel() for shape in ctx.shapes])
        weight_grads = [part.view(shape) for part, shape in zip(parts, ctx.shapes, strict=True)]
    _run(tasks, entries * dim)
    if for_vectors:
        vectors_grad = torch.empty_like(vectors)
        sums = partial(vectors_gradient, *grouped, folded.numpy(), vectors_grad.numpy())
        _run(_stretches(sums, _split(grouped[0])), entries * dim)
    return vectors_grad, weight_grads


def _plan(shapes: Sequence[torch.Size], paddings: Sequence[tuple[int, int]]) -> np.ndarray:
    """What the kernels have to know of each width: [I, 6], columns as in `ngram_max_kernels`."""
    plan = []
    column = feature = 0
    for (filters, _, width), padding in zip(shapes, paddings, strict=True):
        plan.append((width, filters, column, feature, *padding))
        column += filters * width
        feature += filters
    return np.array(plan, np.int64)


def _parts(plan: np.ndarray, column_bytes: int) -> list[np.ndarray]:
    """Runs of widths whose tables fit into memory that is worth keeping: one look-up for all is faster."""
    parts: list[list[np.ndarray]] = []
    columns = 0
    for width in plan:
        columns += width[0] * width[1]
        if not parts or columns * column_bytes > _TABLE_BYTES:
            parts.append([])
            columns = width[0] * width[1]
        parts[-1].append(width)
    return [np.array(part) for part in parts]


def _split(cumulative: np.ndarray) -> list[int]:
    """Bounds of stretches of about equal work; cumulative [n + 1] is the work before each item."""
    marks = np.linspace(cumulative[0], cumulative[-1], 4 * torch.get_num_threads() + 1)
    bounds = np.searchsorted(cumulative, marks[1:-1]).tolist()
    return sorted({0, *bounds, len(cumulative) - 1})


def _stretches(kernel: Callable[..., Any], bounds: Sequence[int]) -> list[Callable[[], Any]]:
    return [partial(kernel, begin, end) for begin, end in pairwise(bounds)]


def _run(tasks: Sequence[Callable[[], Any]], work: int) -> list[Any]:
    """Results of the tasks, in any order; other threads help where that much work is worth waking them."""
    global _executor, _executor_threads
    threads = torch.get_num_threads()
    if threads == 1 or work < _WORTH_THREADS:
        return [task() for task in tasks]
    if _executor is None or _executor_threads != threads:
        _executor, _executor_threads = ThreadPoolExecutor(threads, "ngram_max"), threads
    queue = deque(tasks)
    results: list[Any] = []

    def work_off() -> None:
        while True:
            try:
                task = queue.popleft()
            except IndexError:
                return
            results.append(task())

    helpers = [_executor.submit(work_off) for _ in range(min(threads, len(tasks)) - 1)]
    work_off()
    for helper in helpers:
        # One that has not begun by now is not waited for.
        if not helper.cancel():
            helper.result()
    return results


def _forget_threads() -> None:
    global _executor
    _executor = None


# A forked process (a DataLoader worker) has the executor but none of its threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
