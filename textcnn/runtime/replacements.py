"""What replacing one token does to every filter, looked up for each position and each token of the vocabulary.

Shapes: `T` tokens, `W` width, `F` filters of one width or of all, `Q` windows, `R` values in a table row, `K` linear
functions of the features.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .jit import kernel
from .kernels import ACTIVATIONS, FEATURE_AT, FILTERS, PADDED, WIDTH, _activate

if TYPE_CHECKING:
    from .folded import FoldedTextCNN

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
    model: FoldedTextCNN, widths: list[Windows], length: int, directions: Floats, vocabulary: NDArray[np.int64],
    dropped: Floats, k: int,
) -> Floats:  # fmt: skip
    """What linear functions [K, F] of the features lose at most by k replaced tokens: [K], exact for k = 1.

    Args:
        model: The model.
        widths, length: Of the text.
        directions: [K, F].
        vocabulary: Rows of the table that a token can have.
        dropped: [T, F] for k > 1: features that are the least where a token is among those that are replaced.
        k: Tokens that are replaced.
    """
    layout = model._layout
    raw = np.concatenate([one.sums.max(axis=0, initial=-np.inf) for one in widths])
    value = activated(model, raw)
    # What is there without the replaced token, and what its place adds the token's own term to, as in a table row.
    base = np.full((length, layout.features), -np.inf, dtype=np.float32)
    rest = np.full((length, layout.columns), -np.inf, dtype=np.float32)
    activation = ACTIVATIONS.index(model.config.get("activation", "relu"))
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
            rest[here, layout.columns_of(one.index, j)] = without
    replaceable = np.zeros(length, dtype=np.bool_)
    for one in widths:
        replaceable[one.positions[one.real]] = True
    # A lost maximum is counted by position (`dropped`); of the tokens, what they raise.
    functions = directions if k == 1 else np.minimum(directions, 0)
    number = activation if k == 1 else ACTIVATIONS.index("identity")
    least = np.full((length, len(directions)), np.inf, dtype=np.float32)
    least_of_tokens(
        model._tensors["table"], vocabulary, layout.plan, base, rest, replaceable, functions.astype(np.float32), number,
        least,
    )  # fmt: skip
    if k == 1:
        before = directions @ value
        return np.maximum(0, before - least.astype(np.float64).min(axis=0))
    has_window = np.isfinite(reference)
    losses = functions @ np.where(has_window, reference, 0) - least.astype(np.float64)
    losses += (value - dropped) @ np.maximum(directions, 0).T
    losses = np.where(np.isfinite(losses), np.maximum(losses, 0), 0)
    worst: Floats = np.sort(losses, axis=0)[-k:].sum(axis=0)
    return worst


@kernel(allocates=True, fastmath={"reassoc", "contract"})
def least_of_tokens(table, vocabulary, plan, base, rest, replaceable, functions, activation, least):
    """For each position and function, the least over the tokens that could stand there: least [T, K], filled.

    Args:
        table: [V, R] float32.
        vocabulary: Rows of it to try.
        plan: [I, 9], as `Layout` has it.
        base: [T, F] maxima of the windows without the position.
        rest: [T, R] sums of the windows with it, but for its own term, where a table row has that term; -inf for none.
        replaceable: [T] positions to try.
        functions: [K, F] float32.
        activation: Number of the activation.
    """
    values = np.empty(base.shape[1], np.float32)
    for v in range(vocabulary.size):
        row = table[vocabulary[v]]
        for t in range(base.shape[0]):
            if not replaceable[t]:
                continue
            column = 0
            for i in range(plan.shape[0]):
                width, filters, at, padded = plan[i, WIDTH], plan[i, FILTERS], plan[i, FEATURE_AT], plan[i, PADDED]
                own = values[at : at + filters]
                own[:] = base[t, at : at + filters]
                for _ in range(width):
                    terms, others = row[column : column + filters], rest[t, column : column + filters]
                    for f in range(filters):
                        own[f] = max(own[f], terms[f] + others[f])
                    column += padded
            if activation == 0:
                for f in range(values.size):
                    values[f] = max(values[f], np.float32(0))
            else:
                for f in range(values.size):
                    values[f] = _activate(values[f], activation) if values[f] > -3e38 else np.float32(0)
            for c in range(functions.shape[0]):
                total = np.float32(0)
                for f in range(values.size):
                    total += functions[c, f] * values[f]
                least[t, c] = min(least[t, c], total)


def untouched(own: Windows, length: int) -> Floats:
    """[T, F] the largest sum of the windows that do not hold each position; -inf without one."""
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


def activated(model: FoldedTextCNN, sums: Any) -> Floats:
    """Activations of sums, 0 where there is no window."""
    from .winners import activate

    window = np.isfinite(sums)
    number = ACTIVATIONS.index(model.config.get("activation", "relu"))
    flat = np.where(window, sums, 0).astype(np.float32).ravel()
    return np.where(window, activate(flat, number).reshape(sums.shape), 0).astype(np.float64)
