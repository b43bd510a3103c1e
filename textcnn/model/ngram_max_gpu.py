"""The n-gram maximum in torch operations, for GPUs: fold, look up a few texts at a time, keep the maxima.

Forward, per width: one matrix product folds the weight into a table with a row per distinct token, and
nn.functional.embedding_bag adds the W table entries of each window without storing them apart. Only the feature maps
of as many windows as fit a fixed budget exist at a time. Backward: winning windows alone, then two matrix products.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one
width (all widths: `sum F`), `K` windows of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Entries of the feature maps that exist at a time: 64 MB in float32.
_BUDGET = 1 << 24


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
        weights, biases = parameters[: len(paddings)], parameters[len(paddings) :]
        texts = _Texts(index, offsets, len(vectors), stride, dilation)
        pooled, winners = [], []
        for weight, bias, padding in zip(weights, biases, paddings, strict=True):
            best, window = _pool(vectors, texts, weight, *padding)
            pooled.append(torch.where(window >= 0, best + bias, 0))
            winners.append(window)
        ctx.texts = texts
        ctx.lefts = [left for left, _ in paddings]
        ctx.save_for_backward(vectors, *weights, *winners)
        all_winners = torch.cat(winners, dim=1)
        ctx.mark_non_differentiable(all_winners)
        return torch.cat(pooled, dim=1), all_winners

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        widths = len(ctx.lefts)
        vectors, weights, winners = ctx.saved_tensors[0], ctx.saved_tensors[1 : widths + 1], ctx.saved_tensors[-widths:]
        for_vectors, needs = ctx.needs_input_grad[0], ctx.needs_input_grad[6:]
        vectors_grad: Tensor | None = None
        weight_grads: list[Tensor | None] = [None] * widths
        bias_grads: list[Tensor | None] = [None] * widths
        parts = gradient.split([weight.shape[0] for weight in weights], dim=1)
        for i, (weight, window, left, part) in enumerate(zip(weights, winners, ctx.lefts, parts, strict=True)):
            if for_vectors or needs[i]:
                table = _table_gradient(ctx.texts, part, window, left, weight.shape[2]).to(vectors.dtype)
                if for_vectors:
                    share = table @ _fold(weight)
                    vectors_grad = share if vectors_grad is None else vectors_grad + share
                if needs[i]:
                    filters, dim, width = weight.shape
                    weight_grads[i] = (table.t() @ vectors).view(width, filters, dim).permute(1, 2, 0)
            if needs[widths + i]:
                bias_grads[i] = (part * (window >= 0)).sum(dim=0)
        return vectors_grad, None, None, None, None, None, *weight_grads, *bias_grads


class _Texts:
    """Positions of the tokens of a flat batch, shared by all widths."""

    def __init__(self, index: Tensor, offsets: Tensor, tokens: int, stride: int, dilation: int) -> None:
        self.index, self.starts, self.lengths = index, offsets[:-1], offsets.diff()
        self.tokens, self.stride, self.dilation = tokens, stride, dilation
        # Texts of about one length go together. Their lengths are the one thing that the host has to wait for.
        lengths, self.order = self.lengths.sort(descending=True)
        self.sorted_lengths = lengths.tolist()

    def tokens_at(self, which: Tensor, positions: Tensor) -> Tensor:
        """Return the tokens of texts `which` [b] at positions [b or 1, ...]; -1 in holes and outside the text."""
        shape = (-1, *[1] * (positions.dim() - 1))
        inside = (positions >= 0) & (positions < self.lengths[which].view(shape))
        flat = (self.starts[which].view(shape) + positions).clamp(0, len(self.index) - 1)
        return torch.where(inside, self.index[flat], -1)


def _fold(weight: Tensor) -> Tensor:
    """[F, D, W] -> [W * F, D]: by place in the window, then by filter."""
    return weight.permute(2, 0, 1).reshape(-1, weight.shape[1])


def _pool(vectors: Tensor, texts: _Texts, weight: Tensor, left: int, right: int) -> tuple[Tensor, Tensor]:
    """Maxima without bias and their windows, [B, F] each; -inf and -1 where a text has no window."""
    filters, _, width = weight.shape
    # The last row stands for holes and for positions outside the text.
    table = vectors.new_zeros(texts.tokens + 1, width * filters)
    table[:-1] = vectors @ _fold(weight).t()
    slices = table.view(-1, filters)
    span = (width - 1) * texts.dilation
    offset = torch.arange(width, device=vectors.device)
    best = vectors.new_full((len(texts.order), filters), -torch.inf)
    winners = texts.order.new_full(best.shape, -1)
    windows = [(n + left + right - span - 1) // texts.stride + 1 if n else 0 for n in texts.sorted_lengths]
    at_once = max(1, _BUDGET // max(filters, 4 * width))
    begin = 0
    while begin < len(windows) and windows[begin] > 0:
        end = min(len(windows), begin + max(1, at_once // windows[begin]))
        which = texts.order[begin:end]
        lengths = texts.lengths[which][:, None]
        # More than one round only where a single text has more windows than the budget.
        for first in range(0, windows[begin], at_once):
            k = torch.arange(first, min(windows[begin], first + at_once), device=vectors.device)
            start = k * texts.stride - left
            tokens = texts.tokens_at(which, (start[:, None] + offset * texts.dilation)[None])
            counts = (tokens >= 0).any(dim=2) & (start + span <= lengths - 1 + right)
            rows = torch.where(tokens < 0, texts.tokens, tokens) * width + offset
            maps = functional.embedding_bag(rows.view(-1, width), slices, mode="sum").view(*counts.shape, filters)
            value, window = maps.masked_fill_(~counts[:, :, None], -torch.inf).max(dim=1)
            so_far, known = best[which], winners[which]
            wins = counts.any(dim=1, keepdim=True) & ((known < 0) | (value > so_far) | value.isnan())
            best[which] = torch.where(wins, value, so_far)
            winners[which] = torch.where(wins, window + first, known)
        begin = end
    return best, winners


def _table_gradient(texts: _Texts, gradient: Tensor, winners: Tensor, left: int, width: int) -> Tensor:
    """Gradient of a folded table [U, W * F] from that of its features [B, F], summed in float32 at least."""
    filters = gradient.shape[1]
    dtype = torch.promote_types(gradient.dtype, torch.float32)
    table = gradient.new_zeros((texts.tokens + 1) * width * filters, dtype=dtype)
    if len(texts.index):
        offset = torch.arange(width, device=gradient.device)
        positions = winners[:, :, None] * texts.stride - left + offset * texts.dilation
        tokens = texts.tokens_at(torch.arange(len(gradient), device=gradient.device), positions)
        # What has no winner goes where holes go, and is thrown away.
        tokens = torch.where((tokens < 0) | (winners < 0)[:, :, None], texts.tokens, tokens)
        column = offset * filters + torch.arange(filters, device=gradient.device)[:, None]
        target = tokens * (width * filters) + column
        table.index_add_(0, target.view(-1), gradient.to(dtype)[:, :, None].expand(target.shape).reshape(-1))
    return table.view(texts.tokens + 1, -1)[:-1]
