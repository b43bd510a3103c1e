"""Bounds on the logits of a text, any k of whose tokens are replaced by any others of the vocabulary.

A window's sum has one term of each of its tokens, read from the table. What one replaced token makes of every filter
is looked up for each position and each token of the vocabulary: for k = 1 the worst of them is exact. For
more tokens the losses of the worst positions are added, each with its worst token; where windows share tokens, the way
that each has to the maximum is shared as well, so that the sum is never less than what k tokens do together. Before
that, the extremes of the table's columns settle the texts that are certain anyway. What a bag loses is bounded apart
(`bag.py`) and added. Inserted and deleted tokens are not
covered.

Shapes: `T` tokens, `W` width, `F` filters of one width, `Q` windows, `C` classes, `N` texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..tables import Tables, check_ids
from .bag import BagExtremes, bag_losses
from .replacements import Windows, activated, untouched, worst_losses

Floats = NDArray[np.float64]
# Sums of float32 terms differ in their last digits by the order of adding.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Guarantees:
    """Bounds that hold for texts whatever k of their tokens are replaced by.

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
    """Range of the filters of all widths under k replaced tokens.

    value [F] without any. lowest, highest [F] with any k. dropped [T, F]: the lowest where this token is among those
    that are replaced. raised [T, F]: the highest that windows with this token can reach.
    """

    value: Floats
    lowest: Floats
    highest: Floats
    dropped: Floats
    raised: Floats


def guarantee(
    tables: Tables,
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    replaced: int = 1,
    thresholds: Sequence[float] | None = None,
    threads: int = 1,
) -> Guarantees:
    """Bound the margins of texts under any replacement of at most k tokens.

    Args:
        tables: Of the model, in float32.
        ids, offsets: Token ids of the texts: text n is ids[offsets[n]:offsets[n + 1]].
        replaced: k.
        thresholds: Of a multi-label model, the probability [C] from which each label is given; None where labels
            exclude each other.
        threads: Threads that share the positions of a text.

    Raises:
        ValueError: k is less than 1, the tables are int8, or the model normalises its pooled features.
    """
    if replaced < 1:
        raise ValueError(f"replaced: got {replaced}; expected a whole number of at least 1")
    if tables.is_int8:
        raise ValueError(
            "guarantee: got int8 tables, whose sums stop at the ends of their range; expected float32; "
            "fold the model without int8"
        )
    if tables.normalizes:
        raise ValueError(
            "guarantee: got a model that normalises its pooled features, so that every filter moves with every other; "
            "expected pooled_norm False"
        )
    ids, offsets = check_ids(ids, offsets)
    vocabulary = _vocabulary(tables)
    extremes = _extremes(tables, vocabulary)
    weight, bias = tables.head_weight.astype(np.float64), tables.head_bias.astype(np.float64)
    _check_vocabulary(tables, ids)
    of_bag = None if tables.bag is None else BagExtremes.of(tables)
    labels: list[NDArray[np.int64]] = []
    margins: list[float] = []
    least: list[float] = []
    for begin, end in pairwise(offsets):
        length, widths = _windows(tables, ids[begin:end])
        ranges = _ranges(tables, widths, length, extremes, replaced)
        logits = weight @ ranges.value + bias
        if of_bag is not None:
            logits = logits + tables.bag_features(ids[begin:end])[1].sum(axis=0)
        if thresholds is not None:
            least_probability = np.asarray(thresholds, dtype=np.float64)
            with np.errstate(divide="ignore"):
                distance = logits - np.log(least_probability / (1 - least_probability))
            sign = np.where(distance >= 0, 1.0, -1.0)
            labels.append((sign > 0).astype(np.int64))
            of_logits, margin = np.diag(sign), sign * distance
        else:
            best = int(logits.argmax())
            labels.append(np.array(best, dtype=np.int64))
            others = np.delete(np.arange(len(logits)), best)
            of_logits, margin = np.eye(len(logits))[best] - np.eye(len(logits))[others], logits[best] - logits[others]
        directions = of_logits @ weight
        loss = _largest_loss(ranges, directions, replaced)
        slack = _ROUNDING * (1 + np.abs(directions) @ np.abs(ranges.value))
        bag_loss = np.zeros(len(of_logits))
        if of_bag is not None:
            bag_loss, rounded = bag_losses(tables, ids[begin:end], of_logits, of_bag, replaced)
            slack += _ROUNDING * rounded
        open_ = np.flatnonzero(margin - loss - bag_loss - slack <= 0)
        if len(open_) and length and tables.layout.widths:
            own = worst_losses(tables, widths, length, directions[open_], vocabulary, ranges.dropped, replaced, threads)
            loss[open_] = np.minimum(loss[open_], own)
        loss = loss + bag_loss
        margins.append(float(margin.min()))
        least.append(float((margin - loss - slack).min()))
    shape = (0,) if thresholds is None else (0, tables.classes)
    ids_of = np.stack(labels) if labels else np.zeros(shape, dtype=np.int64)
    return Guarantees(replaced, ids_of, np.array(margins), np.array(least))


def _largest_loss(ranges: _Ranges, directions: Floats, replaced: int) -> Floats:
    """Return the most that each of the linear functions [C, F] of the features can lose: [C]."""
    falls, rises = np.maximum(directions, 0), np.maximum(-directions, 0)
    together = falls @ (ranges.value - ranges.lowest) + rises @ (ranges.highest - ranges.value)
    if not len(ranges.dropped):
        return np.zeros(len(directions))
    # A filter moves only where a token of its windows is replaced: the worst k tokens, each with all it can do.
    alone = (ranges.value - ranges.dropped) @ falls.T + (ranges.raised - ranges.value) @ rises.T
    worst = np.sort(alone, axis=0)[-replaced:].sum(axis=0)
    return np.minimum(together, worst)


def _vocabulary(tables: Tables) -> NDArray[np.int64]:
    """Return the rows of the table that a token can have."""
    rows = np.unique(tables.row_of_id)
    return rows[rows >= 0].astype(np.int64)


def _check_vocabulary(tables: Tables, ids: NDArray[np.int32]) -> None:
    limit = len(tables.row_of_id)
    outside = (ids < 0) | (ids >= limit)
    if outside.any():
        raise ValueError(
            f"ids: got token id {ids[outside][0]}; expected 0 to {limit - 1}; use the tokenizer that was saved with "
            "the model"
        )


def _extremes(tables: Tables, vocabulary: NDArray[np.int64]) -> list[tuple[Floats, Floats]]:
    """Return, for each width, the largest and the smallest term [W, F] of any token at each offset."""
    rows = tables.table[vocabulary]
    extremes = []
    for own in tables.layout.widths:
        slices = [rows[:, own.columns(j)] for j in range(own.width)]
        largest = np.stack([terms.max(axis=0) for terms in slices])
        smallest = np.stack([terms.min(axis=0) for terms in slices])
        extremes.append((largest.astype(np.float64), smallest.astype(np.float64)))
    return extremes


def _windows(tables: Tables, ids: NDArray[np.int32]) -> tuple[int, list[Windows]]:
    """Return the number of tokens, from the first to the last that is no padding, and the windows of every width."""
    table, hole, dilation = tables.table, tables.hole, tables.dilation
    rows = tables.row_of_id[ids].astype(np.int64)
    tokens = np.flatnonzero(rows >= 0)
    rows = rows[tokens[0] : tokens[-1] + 1] if len(tokens) else rows[:0]
    length = len(rows)
    padded = np.append(np.where(rows >= 0, rows, hole), hole)
    windows = []
    for i, own in enumerate(tables.layout.widths):
        span = (own.width - 1) * dilation
        starts = np.arange(-own.left, length + own.right - span, tables.stride)
        positions = starts[:, None] + dilation * np.arange(own.width)
        row = padded[np.where((positions >= 0) & (positions < length), positions, length)]
        real = row != hole
        holds_token = real.any(axis=1)
        starts, positions, row, real = (part[holds_token] for part in (starts, positions, row, real))
        terms = np.stack([table[row[:, j], own.columns(j)] for j in range(own.width)], axis=1).astype(np.float64)
        sums = terms.sum(axis=1) + tables.bias[own.features]
        windows.append(Windows(i, own.feature, terms, sums, starts, positions, real, span, dilation))
    return length, windows


def _ranges(
    tables: Tables, widths: list[Windows], length: int, extremes: list[tuple[Floats, Floats]], k: int
) -> _Ranges:
    if not widths:
        nothing, of_tokens = np.zeros(0), np.zeros((length, 0))
        return _Ranges(nothing, nothing, nothing, of_tokens, of_tokens)
    parts = [_of_width(own, *extremes[own.index], k, length) for own in widths]
    value, lowest, highest, dropped, raised = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return _Ranges(*(activated(tables, part) for part in (value, lowest, highest, dropped, raised)))


def _of_width(own: Windows, largest: Floats, smallest: Floats, k: int, length: int) -> tuple[Floats, ...]:
    """Return value, lowest, highest [F], dropped and raised [T, F] of one width, before activation.

    All are -inf where there is no window.
    """
    terms, sums, starts, positions, real, span = (
        own.terms, own.sums, own.starts, own.positions, own.real, own.span,
    )  # fmt: skip
    if not len(terms):
        nothing = np.full(terms.shape[2], -np.inf)
        return nothing, nothing, nothing, *(np.full((length, terms.shape[2]), -np.inf) for _ in range(2))
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
        dropped = untouched(own, length)
    else:
        # Only a token of the winning window can lower the maximum.
        winner = starts[sums.argmax(axis=0)]
        at = np.arange(length)[:, None]
        dropped = np.where((at >= winner) & (at <= winner + span), dropped, value)
    for j in range(terms.shape[1]):
        at_token = real[:, j]
        here = positions[at_token, j]
        # With this token among those that are replaced.
        reach = sums[at_token] + np.minimum(top_gain[at_token], top_gain_before[at_token] + gains[at_token, j])
        raised[here] = np.maximum(raised[here], reach)
        if k == 1:
            dropped[here] = np.maximum(dropped[here], sums[at_token] - losses[at_token, j])
    return value, lowest, highest, np.minimum(dropped, value), raised


def _of_disjoint(sums: Floats, starts: NDArray[np.int64], span: int, k: int) -> Floats:
    """Return the least of k + 1 windows that share no token [F]: k replaced tokens leave one of them as it is."""
    left = sums.copy()
    columns = np.arange(sums.shape[1])
    for _ in range(k + 1):
        best = left.argmax(axis=0)
        value = left[best, columns]
        left[np.abs(starts[:, None] - starts[best]) <= span] = -np.inf
    return value
