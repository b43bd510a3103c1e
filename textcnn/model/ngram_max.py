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
    """Return the number of zero vectors before and after a text.

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
    """Return the maximum over the windows of each text and width, as nn.Conv1d followed by a max would.

    Args:
        vectors: [U, D] vectors of the distinct tokens.
        index: [N] int64, the row of `vectors` at each position of all texts; -1 is a hole: a zero vector that is no
            real token.
        offsets: [B + 1] int64; text b is index[offsets[b] : offsets[b + 1]].
        weights: [F, D, W] for each width, as nn.Conv1d has them.
        biases: [F] for each width.
        stride: distance between two windows.
        dilation: distance between two tokens of a window.
        padding: zero vectors around each text: wide, (W - 1) * dilation on both sides; same, half of that; valid,
            none.
        implementation: reference (plain torch), cpu (the compiled core of textcnn), triton (for NVIDIA and AMD GPUs),
            gpu (torch operations on tables, for any device) or None, which takes the fastest that is at hand.

    Returns:
        pooled [B, sum F], 0 where a text has no window; winners [B, sum F], the number of the winning window, -1
        where there is none. A window counts when it holds a real token. Of equal windows the first wins, and it
        alone gets the gradient.

    Raises:
        ValueError: an argument has a shape, a range or a name that does not fit.
        ImportError: the cpu or triton implementation is asked for where the compiled core or Triton is missing.

    Example:
        >>> pooled, winners = ngram_max(
        ...     torch.eye(2), torch.tensor([0, 1, 1]), torch.tensor([0, 3]), [torch.ones(1, 2, 2)], [torch.zeros(1)]
        ... )
        >>> pooled, winners
        (tensor([[2.]]), tensor([[1]]))
    """
    _check(vectors, index, offsets, weights, biases, stride, dilation, padding)
    if implementation is None:
        implementation = _fastest(vectors.device.type)
    if implementation == "reference":
        return _reference(vectors, index, offsets, weights, biases, stride, dilation, padding)
    parameters = (*weights, *biases)
    dtype = functools.reduce(torch.promote_types, (parameter.dtype for parameter in parameters), vectors.dtype)
    compute = dtype
    if implementation == "cpu":
        from .ngram_max_cpu import NgramMax as Operator

        compute = torch.promote_types(dtype, torch.float32)
    elif implementation in ("gpu", "triton"):
        if implementation == "gpu":
            from .ngram_max_gpu import NgramMax as Operator
        else:
            from .ngram_max_triton import NgramMax as Operator

        if torch.is_autocast_enabled(vectors.device.type) and dtype != torch.float64:
            dtype = compute = torch.get_autocast_dtype(vectors.device.type)
    else:
        raise ValueError(f"implementation: got {implementation!r}; expected reference, cpu, triton, gpu or None")
    paddings = [window_padding(weight.shape[2], dilation, padding) for weight in weights]
    parameters = tuple(parameter.to(compute) for parameter in parameters)
    pooled, winners = Operator.apply(vectors.to(compute), index, offsets, stride, dilation, paddings, *parameters)
    return pooled.to(dtype), winners


def _fastest(device: str) -> str:
    # What is traced has to consist of torch operations, and of few.
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return "reference"
    if device == "cpu" and _is_installed("textcnn.core"):
        return "cpu"
    if device != "cuda":
        return "reference"
    # Triton's kernel adds gradients in any order.
    return "triton" if _is_installed("triton") and not torch.are_deterministic_algorithms_enabled() else "gpu"


@functools.cache
def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:  # of the package around it
        return False


def _check(
    vectors: Tensor,
    index: Tensor,
    offsets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    stride: int,
    dilation: int,
    padding: str,
) -> None:
    if padding not in PADDINGS:
        raise ValueError(f"padding: got {padding!r}; expected one of {', '.join(PADDINGS)}")
    if stride < 1 or dilation < 1:
        raise ValueError(f"got stride {stride} and dilation {dilation}; expected whole numbers of at least 1")
    if not weights or len(weights) != len(biases):
        raise ValueError(f"got {len(weights)} weights and {len(biases)} biases; expected one of each per width")
    for weight, bias in zip(weights, biases, strict=True):
        if weight.shape[1:2] != vectors.shape[1:] or weight.shape[:1] != bias.shape:
            raise ValueError(
                f"got vectors {tuple(vectors.shape)} with a weight {tuple(weight.shape)} and a bias "
                f"{tuple(bias.shape)}; expected [U, D], [F, D, W] and [F]"
            )
    # The kernels trust these. A GPU would have to be waited for, and torch checks there by itself.
    if vectors.device.type == "cpu" and not (torch.compiler.is_compiling() or torch.jit.is_tracing()):
        if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(index) or (offsets.diff() < 0).any():
            raise ValueError(f"offsets: got {offsets}; expected to rise from 0 to {len(index)}, the length of index")
        if len(index):
            low, high = (int(bound) for bound in index.aminmax())
            if low < -1 or high >= len(vectors):
                raise ValueError(
                    f"index: got rows from {low} to {high}; expected -1 to {len(vectors) - 1}, as vectors has "
                    f"{len(vectors)} rows"
                )


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
