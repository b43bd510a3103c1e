"""The worst replacement of a token: every filter, looked up for each position and each token of the vocabulary.

Shapes: `T` tokens, `W` width, `F` filters of one width or of all, `Q` windows, `R` values in a table row, `K` linear
functions of the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.library import address, check, contiguous, library
from ..layout import ACTIVATIONS
from ..tables import Tables

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """The windows of one width on a text.

    index: Number of the width. at: Number of its first filter. terms [Q, W, F]. sums [Q, F], with the bias. starts [Q].
    positions [Q, W]. real [Q, W]: whether there is a token. span: From the first to the last position. dilation.
    """

    index: int
    at: int
    terms: Floats
    sums: Floats
    starts: NDArray[np.int64]
    positions: NDArray[np.int64]
    real: NDArray[np.bool_]
    span: int
    dilation: int


def worst_losses(
    tables: Tables, widths: list[Windows], length: int, directions: Floats, vocabulary: NDArray[np.int64],
    dropped: Floats, k: int, threads: int = 1,
) -> Floats:  # fmt: skip
    """Return the most that linear functions [K, F] of the features lose by k replaced tokens: [K], exact for k = 1.

    Args:
        tables: Of the model.
        widths, length: Of the text.
        directions: [K, F].
        vocabulary: Rows of the table that a token can have.
        dropped: [T, F] for k > 1: features that are the least where a token is among those that are replaced.
        k: Tokens that are replaced.
        threads: Threads that share the positions.
    """
    layout = tables.layout
    raw = np.concatenate([one.sums.max(axis=0, initial=-np.inf) for one in widths])
    value = activated(tables, raw)
    # What is there without the replaced token, and what its place adds the token's own term to, as in a table row.
    base = np.full((length, layout.features), -np.inf, dtype=np.float32)
    rest = np.full((length, layout.columns), -np.inf, dtype=np.float32)
    activation = ACTIVATIONS.index(tables.activation)
    # For k > 1: how far above a maximum a window comes. What ReLU cuts off below 0 is a way to go as well.
    reference = np.maximum(raw, 0) if activation == 0 else raw
    for one in widths:
        own = slice(one.at, one.at + one.sums.shape[1])
        base[:, own] = untouched(one, length) if k == 1 else reference[own]
        for j in range(one.terms.shape[1]):
            at_token = one.real[:, j]
            here = one.positions[at_token, j]
            without = one.sums[at_token] - one.terms[at_token, j]
            if k > 1:
                way = reference[own] - one.sums[at_token]
                without = without + way * (1 - 1 / k)
            rest[here, layout.widths[one.index].columns(j)] = without
    replaceable = np.zeros(length, dtype=np.uint8)
    for one in widths:
        replaceable[one.positions[one.real]] = 1
    # A lost maximum is counted by position (`dropped`); of the tokens, what they raise.
    functions = directions if k == 1 else np.minimum(directions, 0)
    number = activation if k == 1 else ACTIVATIONS.index("identity")
    least = np.full((length, len(directions)), np.inf, dtype=np.float32)
    functions = contiguous(functions, np.float32)
    code = library().textcnn_least_of_tokens(
        tables.handle, address(vocabulary, np.int64), len(vocabulary), length, address(base), address(rest),
        address(replaceable), address(functions), len(functions), number, threads, address(least),
    )  # fmt: skip
    check(code)
    if k == 1:
        before = directions @ value
        return np.maximum(0, before - least.astype(np.float64).min(axis=0))
    has_window = np.isfinite(reference)
    losses = functions @ np.where(has_window, reference, 0) - least.astype(np.float64)
    losses += (value - dropped) @ np.maximum(directions, 0).T
    losses = np.where(np.isfinite(losses), np.maximum(losses, 0), 0)
    worst: Floats = np.sort(losses, axis=0)[-k:].sum(axis=0)
    return worst


def untouched(own: Windows, length: int) -> Floats:
    """Return the largest sum of the windows that do not hold each position: [T, F], -inf without one."""
    nothing = np.full((1, own.sums.shape[1]), -np.inf)
    before = np.concatenate([nothing, np.maximum.accumulate(own.sums)])
    after = np.concatenate([np.maximum.accumulate(own.sums[::-1])[::-1], nothing])
    at = np.arange(length)
    found = np.maximum(
        before[np.searchsorted(own.starts + own.span, at)], after[np.searchsorted(own.starts, at, side="right")]
    )
    for offset in range(own.span + 1):
        if offset % own.dilation:
            # Between the positions of a dilated window.
            here = own.starts + offset
            inside = (here >= 0) & (here < length)
            found[here[inside]] = np.maximum(found[here[inside]], own.sums[inside])
    return np.asarray(found)


def activated(tables: Tables, sums: Any) -> Floats:
    """Return the activations of sums, 0 where there is no window."""
    window = np.isfinite(sums)
    values = np.where(window, sums, 0).astype(np.float32)
    check(library().textcnn_activate(address(values), values.size, ACTIVATIONS.index(tables.activation)))
    return np.where(window, values, 0).astype(np.float64)
