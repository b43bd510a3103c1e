"""How far a logit can move if any k tokens of a text were replaced by any others of the vocabulary: never further.

A window's sum has one term of each of its tokens, read from the table, so what a replaced token can add to it at most,
and take from it at most, is the largest and the smallest entry of a column. From that follows a range for each filter's
maximum, and for the margin of the label over every other. The bound holds for every replacement; that it is reached is
not said, since one token cannot be the worst one for every filter at once. Inserting or deleting tokens is not covered.

Shapes: `T` tokens, `W` width, `F` filters of one width, `Q` windows, `C` classes, `N` texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .folded import FoldedTextCNN

Floats = NDArray[np.float64]
# Sums of float32 terms differ in their last digits by the order of adding.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Guarantees:
    """What holds for texts whatever k of their tokens are replaced by.

    Args:
        replaced: k.
        labels: [N] id of the label with the largest logit; multi-label, [N, C] zeros and ones.
        margins: [N] how far its logit lies above the next; multi-label, the least distance of a logit to its threshold.
        least: [N] what the margin is at least after any replacement; certified where it is above 0.
    """

    replaced: int
    labels: NDArray[np.int64]
    margins: Floats
    least: Floats

    @property
    def certified(self) -> NDArray[np.bool_]:
        """[N] texts whose label no replacement of k tokens can change."""
        return self.least > 0


@dataclass(frozen=True)
class _Ranges:
    """What k replaced tokens can do to the filters of all widths.

    value [F] without any. lowest, highest [F] with any k. dropped [T, F]: the lowest where this token is among those
    that are replaced. raised [T, F]: the highest that windows with this token can reach.
    """

    value: Floats
    lowest: Floats
    highest: Floats
    dropped: Floats
    raised: Floats


def guarantee(model: FoldedTextCNN, texts: Sequence[str], replaced: int = 1) -> Guarantees:
    """Bounds the margins of texts under any replacement of so many tokens.

    Args:
        model: A folded model in float32.
        texts: N texts.
        replaced: k, how many tokens are replaced at most.

    Example:
        >>> guarantee(model, ["a lovely film"], replaced=1).certified
        array([ True])

    Raises:
        ValueError: k is less than 1, the tables are int8, or the model normalises its pooled features.
    """
    if replaced < 1:
        raise ValueError(f"replaced: got {replaced}; expected a whole number of at least 1")
    if model.is_int8:
        raise ValueError(
            "guarantee: got int8 tables, whose sums stop at the ends of their range; expected float32; "
            "fold the model without int8"
        )
    if model.config.get("pooled_norm"):
        raise ValueError(
            "guarantee: got a model that normalises its pooled features, so that every filter moves with every other; "
            "expected pooled_norm False"
        )
    extremes = _extremes(model)
    weight, bias = (operand.astype(np.float64) for operand in model._operands[-2:])
    ids, offsets = model.encode(texts)
    labels: list[NDArray[np.int64]] = []
    margins: list[float] = []
    least: list[float] = []
    for begin, end in pairwise(offsets):
        ranges = _ranges(model, ids[begin:end], extremes, replaced)
        logits = weight @ ranges.value + bias
        if model.multi_label:
            wanted = np.array([model.thresholds.get(name, 0.5) for name in model.labels])
            with np.errstate(divide="ignore"):
                distance = logits - np.log(wanted / (1 - wanted))
            sign = np.where(distance >= 0, 1.0, -1.0)
            labels.append((sign > 0).astype(np.int64))
            directions, margin = sign[:, None] * weight, sign * distance
        else:
            best = int(logits.argmax())
            labels.append(np.array(best, dtype=np.int64))
            others = np.delete(np.arange(len(logits)), best)
            directions, margin = weight[best] - weight[others], logits[best] - logits[others]
        loss = _largest_loss(ranges, directions, replaced)
        slack = _ROUNDING * (1 + np.abs(directions) @ np.abs(ranges.value))
        margins.append(float(margin.min()))
        least.append(float((margin - loss - slack).min()))
    shape = (0, len(model.labels)) if model.multi_label else (0,)
    ids_of = np.stack(labels) if labels else np.zeros(shape, dtype=np.int64)
    return Guarantees(replaced, ids_of, np.array(margins), np.array(least))


def _largest_loss(ranges: _Ranges, directions: Floats, replaced: int) -> Floats:
    """What each of the linear functions [C, F] of the features can lose at most: [C]."""
    falls, rises = np.maximum(directions, 0), np.maximum(-directions, 0)
    together = falls @ (ranges.value - ranges.lowest) + rises @ (ranges.highest - ranges.value)
    if not len(ranges.dropped):
        return np.zeros(len(directions))
    # A filter moves only where a token of its windows is replaced: the worst k tokens, each with all it can do.
    alone = (ranges.value - ranges.dropped) @ falls.T + (ranges.raised - ranges.value) @ rises.T
    worst = np.sort(alone, axis=0)[-replaced:].sum(axis=0)
    return np.minimum(together, worst)


def _extremes(model: FoldedTextCNN) -> list[tuple[Floats, Floats]]:
    """For each width, the largest and the smallest term [W, F] of any token at each offset."""
    table, layout = model._tensors["table"], model._layout
    rows = np.unique(model._tensors["row_of_id"])
    own = table[rows[rows >= 0]]
    found = []
    for i, width in enumerate(model.config["kernel_sizes"]):
        slices = [own[:, layout.columns_of(i, j)] for j in range(width)]
        largest = np.stack([terms.max(axis=0) for terms in slices])
        smallest = np.stack([terms.min(axis=0) for terms in slices])
        found.append((largest.astype(np.float64), smallest.astype(np.float64)))
    return found


def _ranges(model: FoldedTextCNN, ids: NDArray[np.int32], extremes: list[tuple[Floats, Floats]], k: int) -> _Ranges:
    tensors, layout, config = model._tensors, model._layout, model.config
    table, hole = tensors["table"], len(tensors["table"]) - 1
    dilation, stride = int(config.get("dilation", 1)), int(config.get("stride", 1))
    rows = tensors["row_of_id"][ids].astype(np.int64)
    tokens = np.flatnonzero(rows >= 0)
    rows = rows[tokens[0] : tokens[-1] + 1] if len(tokens) else rows[:0]
    rows = np.where(rows >= 0, rows, hole)
    length = len(rows)
    parts: list[tuple[Floats, ...]] = []
    for i, width in enumerate(config["kernel_sizes"]):
        left, right = int(layout.plan[i, 7]), int(layout.plan[i, 8])
        filters, span = int(layout.plan[i, 5]), (width - 1) * dilation
        starts = np.arange(-left, length + right - span, stride)
        positions = starts[:, None] + dilation * np.arange(width)
        inside = (positions >= 0) & (positions < length)
        own = (
            np.where(inside, rows[np.clip(positions, 0, max(0, length - 1))], hole) if length else positions * 0 + hole
        )
        real = own != hole
        kept = real.any(axis=1)
        starts, positions, own, real = starts[kept], positions[kept], own[kept], real[kept]
        terms = np.stack([table[own[:, j], layout.columns_of(i, j)] for j in range(width)], axis=1).astype(np.float64)
        at = int(layout.plan[i, 6])
        parts.append(
            _of_width(terms, tensors["bias"][at : at + filters], starts, positions, real, span, *extremes[i], k, length)
        )
    value, lowest, highest, dropped, raised = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return _Ranges(*(_activated(model, part) for part in (value, lowest, highest, dropped, raised)))


def _of_width(
    terms: Floats, bias: Floats, starts: NDArray[np.int64], positions: NDArray[np.int64], real: NDArray[np.bool_],
    span: int, largest: Floats, smallest: Floats, k: int, length: int,
) -> tuple[Floats, ...]:  # fmt: skip
    """Value, lowest, highest [F], dropped and raised [T, F] of one width, before activation; -inf without a window."""
    filters = terms.shape[2]
    if not len(terms):
        nothing = np.full(filters, -np.inf)
        return nothing, nothing, nothing, *(np.full((length, filters), -np.inf) for _ in range(2))
    sums = terms.sum(axis=1) + bias
    value = sums.max(axis=0)
    # What a replaced token may add to a window and take from it, by its place in the window.
    gains = np.where(real[:, :, None], largest - terms, 0)
    losses = np.where(real[:, :, None], terms - smallest, 0)
    most = np.minimum(k, terms.shape[1])
    top = np.cumsum(np.sort(gains, axis=1)[:, ::-1], axis=1)
    top_gain, top_gain_before = top[:, most - 1], top[:, most - 2] if most > 1 else np.zeros_like(sums)
    highest = (sums + top_gain).max(axis=0)
    worst = np.sort(losses, axis=1)[:, ::-1][:, :most].sum(axis=1)
    lowest = np.maximum((sums - worst).max(axis=0), _of_disjoint(sums, starts, span, k))
    raised = np.tile(value, (length, 1))
    dropped = np.tile(lowest if k > 1 else value, (length, 1))
    if k == 1:
        dropped = _untouched(sums, starts, span, length)
    else:
        # Only a token of the winning window can lower the maximum.
        winner = starts[sums.argmax(axis=0)]
        at = np.arange(length)[:, None]
        dropped = np.where((at >= winner) & (at <= winner + span), dropped, value)
    for j in range(terms.shape[1]):
        own = real[:, j]
        here = positions[own, j]
        # With this token among those that are replaced.
        reach = sums[own] + np.minimum(top_gain[own], top_gain_before[own] + gains[own, j])
        raised[here] = np.maximum(raised[here], reach)
        if k == 1:
            dropped[here] = np.maximum(dropped[here], sums[own] - losses[own, j])
    return value, lowest, highest, np.minimum(dropped, value), raised


def _of_disjoint(sums: Floats, starts: NDArray[np.int64], span: int, k: int) -> Floats:
    """[F] the least of k + 1 windows that share no token: k replaced tokens leave one of them as it is."""
    left = sums.copy()
    columns = np.arange(sums.shape[1])
    for _ in range(k + 1):
        best = left.argmax(axis=0)
        value = left[best, columns]
        left[np.abs(starts[:, None] - starts[best]) <= span] = -np.inf
    return value


def _untouched(sums: Floats, starts: NDArray[np.int64], span: int, length: int) -> Floats:
    """[T, F] the largest of the windows that lie wholly before or after each token."""
    nothing = np.full((1, sums.shape[1]), -np.inf)
    before = np.concatenate([nothing, np.maximum.accumulate(sums)])
    after = np.concatenate([np.maximum.accumulate(sums[::-1])[::-1], nothing])
    at = np.arange(length)
    return np.maximum(before[np.searchsorted(starts + span, at)], after[np.searchsorted(starts, at, side="right")])


def _activated(model: FoldedTextCNN, sums: Floats) -> Floats:
    """Activations of sums, 0 where there is no window."""
    from .kernels import ACTIVATIONS
    from .winners import activate

    window = np.isfinite(sums)
    number = ACTIVATIONS.index(model.config.get("activation", "relu"))
    flat = np.where(window, sums, 0).astype(np.float32).ravel()
    return np.where(window, activate(flat, number).reshape(sums.shape), 0).astype(np.float64)
