"""The n-gram maximum on CPUs, by the compiled core of textcnn, where that is installed.

Forward, per width: one matrix product folds the weight into a table with a row per distinct token; a window is then
a sum of W row slices, and only the running maximum and the window it came from are kept. Backward: each (text, filter)
pair has one winning window, so the gradient of the table is sparse, with at most B x F x W entries, and the gradients
of vectors and weights are sums of the rows that these entries choose. Where the entries are not few (many texts over
a small vocabulary), two matrix products are faster. Sums run in one order, whatever the number of threads.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one
width (all widths: `sum F`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# In a try block, because this file is copied to the Hub, whose loader demands every other import to be installed.
try:
    from textcnn.core import training as core
except ImportError as error:
    raise ImportError(
        f"the cpu implementation of ngram_max needs the compiled core ({error}): pip install textcnn"
    ) from error

# Multiplications and additions that take about as long as starting a thread.
_WORTH_THREADS = 1_000_000
# The share of the table's gradient that is not zero from which matrix products are faster.
_DENSE = 0.25


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
        vectors, index, offsets, *parameters = (
            tensor.contiguous() for tensor in (vectors, index, offsets, *parameters)
        )
        weights, biases = parameters[: len(paddings)], parameters[len(paddings) :]
        ctx.windows = (stride, dilation, paddings)
        operator = _operator(vectors, index, offsets, weights, *ctx.windows)
        pooled = vectors.new_empty(operator.shape)
        winners = index.new_empty(operator.shape)
        operator.pool([bias.numpy() for bias in biases], pooled.numpy(), winners.numpy())
        ctx.save_for_backward(vectors, index, offsets, winners, *weights)
        ctx.mark_non_differentiable(winners)
        return pooled, winners

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        vectors, index, offsets, winners, *weights = ctx.saved_tensors
        widths = len(weights)
        for_weights, for_biases = ctx.needs_input_grad[6 : 6 + widths], ctx.needs_input_grad[6 + widths :]
        vectors_grad = torch.empty_like(vectors) if ctx.needs_input_grad[0] else None
        weight_grads = [torch.empty_like(weight) for weight in weights] if any(for_weights) else None
        bias_grads = [weight.new_empty(len(weight)) for weight in weights] if any(for_biases) else None
        _operator(vectors, index, offsets, weights, *ctx.windows).gradients(
            winners.numpy(),
            gradient.contiguous().numpy(),
            _DENSE,
            None if vectors_grad is None else vectors_grad.numpy(),
            None if weight_grads is None else [grad.numpy() for grad in weight_grads],
            None if bias_grads is None else [grad.numpy() for grad in bias_grads],
        )
        nothing = [None] * widths
        return vectors_grad, None, None, None, None, None, *(weight_grads or nothing), *(bias_grads or nothing)


def _operator(
    vectors: Tensor,
    index: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    stride: int,
    dilation: int,
    paddings: Sequence[tuple[int, int]],
) -> core.NgramMax:
    """The operator on the memory of tensors."""
    threads = torch.get_num_threads()
    # Each position and each distinct token meets every weight or a sum of them.
    if (len(index) + vectors.numel()) * sum(len(weight) * weight.shape[2] for weight in weights) < _WORTH_THREADS:
        threads = 1
    return core.NgramMax(
        vectors.numpy(),
        index.numpy(),
        offsets.numpy(),
        [weight.numpy() for weight in weights],
        stride=stride,
        dilation=dilation,
        paddings=paddings,
        threads=threads,
    )
