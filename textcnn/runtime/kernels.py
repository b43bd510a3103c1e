"""Token ids to pooled features to logits, on the folded tables.

A table row holds, for one token, its term of every filter at every window offset, so that a convolution is a
sum of W row slices. The windows slide along a short buffer of rows that is refilled as the text goes on: a text
of any length needs the same memory.

Shapes: `N` texts, `T` tokens, `F` filters of all widths, `P` the same with few filters of a width padded to a vector,
`I` widths, `C` classes, `V` table rows.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from .feature_ops import scale_maxima
from .jit import kernel
from .vector_ops import PREFETCH_DISTANCE, least_of, window_max

ACTIVATIONS = ("relu", "tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus")
# Columns of a plan [I, 9], int64: where each width lies in a table row and how its windows lie on a text.
WIDTH, COLUMN, SLICE_BYTES, PADDED, MAXIMA_AT, FILTERS, FEATURE_AT, LEFT, RIGHT = range(9)
# Rows that the buffer holds beside the widest window.
_BUFFER_ROWS = 2048
_SPARE = PREFETCH_DISTANCE
# Windows of one width that are added before the next width has its turn.
_STRETCH = 64
# Entries of a text's counters.
_FILLED, _PENDING_HOLES, _HAS_HOLES, _HAS_TOKENS, _MOVED = range(5)


@kernel(allocates=True)
def new_state(plan, dilation, table):
    """What one text in progress needs: rows of the buffer, next window of each width, windows found, counters."""
    span = 0
    features = 0
    for i in range(plan.shape[0]):
        span = max(span, (plan[i, WIDTH] - 1) * dilation)
        features = max(features, plan[i, MAXIMA_AT] + plan[i, PADDED])
    rows = np.zeros(_BUFFER_ROWS + 3 * span + _SPARE, np.int64)
    next_start = np.zeros(plan.shape[0], np.int64)
    found = np.zeros(plan.shape[0], np.bool_)
    return rows, next_start, found, np.empty(features, table.dtype), np.zeros(5, np.int64)


@kernel()
def _forget(maxima):
    """No window yet: the maxima of none."""
    for f in range(maxima.size):
        maxima[f] = least_of(maxima)


@kernel()
def _add_windows(least, table_at, rows_at, maxima_at, size, start, count, stride, dilation, plan, i):
    """Adds `count` windows of the width in row i of the plan."""
    window_max(
        least, table_at, rows_at, maxima_at + plan[i, MAXIMA_AT] * size, start, count, stride, dilation, plan[i, WIDTH],
        plan[i, COLUMN], plan[i, SLICE_BYTES], plan[i, PADDED],
    )  # fmt: skip


@kernel()
def begin_text(state, plan, hole):
    """Empties the buffer: the zero vectors before a text, and no window yet."""
    rows, next_start, found, maxima, counters = state
    left = 0
    for i in range(plan.shape[0]):
        left = max(left, plan[i, LEFT])
    for i in range(plan.shape[0]):
        next_start[i] = left - plan[i, LEFT]
        found[i] = False
    rows[:left] = hole
    counters[:] = 0
    counters[_FILLED] = left
    _forget(maxima)


@kernel()
def _has_token(rows, start, dilation, width, hole):
    for j in range(width):  # noqa: SIM110 (numba compiles no generators as arguments)
        if rows[start + j * dilation] != hole:
            return True
    return False


@kernel()
def _slide(table, state, plan, dilation, stride, hole, check, at_end):
    """Adds every window that the buffer holds whole; at the end of a text also those that hang over it."""
    rows, next_start, found, maxima, counters = state
    filled = counters[_FILLED]
    table_at, rows_at, maxima_at, size = table.ctypes.data, rows.ctypes.data, maxima.ctypes.data, table.itemsize
    moved = True
    while moved:
        # The widths take a stretch of text together, so that they read a row while it is near.
        moved = False
        for i in range(plan.shape[0]):
            start = next_start[i]
            width = plan[i, WIDTH]
            room = filled + (plan[i, RIGHT] if at_end else 0) - (start + (width - 1) * dilation)
            if room <= 0:
                continue
            # Where a window may hold no token, each is looked at.
            count = 1 if check else min(_STRETCH, (room + stride - 1) // stride)
            moved = True
            next_start[i] = start + count * stride
            if check and not _has_token(rows, start, dilation, width, hole):
                continue
            found[i] = True
            _add_windows(
                least_of(table), table_at, rows_at, maxima_at, size, start, count, stride, dilation, plan, i
            )  # fmt: skip


@kernel()
def _make_room(table, state, plan, dilation, stride, hole):
    """Works off a full buffer and forgets the rows that no later window reads."""
    rows, next_start, _, _, counters = state
    _slide(table, state, plan, dilation, stride, hole, counters[_HAS_HOLES] != 0, False)
    filled = counters[_FILLED]
    first = filled
    for i in range(next_start.size):
        first = min(first, next_start[i])
    for k in range(first, filled):
        rows[k - first] = rows[k]
    for i in range(next_start.size):
        next_start[i] -= first
    counters[_FILLED] = filled - first
    counters[_MOVED] = 1


@kernel()
def push_tokens(ids, begin, end, row_of_id, table, state, plan, dilation, stride, hole):
    """Appends the tokens ids[begin:end] to the text in progress; padding counts only between other tokens."""
    rows, _, _, _, counters = state
    row_bytes = table.strides[0]
    capacity = rows.size - _SPARE - (rows.size - _SPARE - _BUFFER_ROWS) // 3
    filled = counters[_FILLED]
    pending = counters[_PENDING_HOLES]
    k = begin
    while k < end:
        row = row_of_id[ids[k]]
        if row < 0:
            pending += counters[_HAS_TOKENS]
            k += 1
            continue
        if filled == capacity:
            counters[_FILLED] = filled
            _make_room(table, state, plan, dilation, stride, hole)
            filled = counters[_FILLED]
        if pending > 0:
            counters[_HAS_HOLES] = 1
            rows[filled] = hole
            pending -= 1
        else:
            counters[_HAS_TOKENS] = 1
            rows[filled] = row * row_bytes
            k += 1
        filled += 1
    counters[_FILLED] = filled
    counters[_PENDING_HOLES] = pending


@kernel()
def end_text(table, state, plan, dilation, stride, hole):
    """Adds the windows that hang over the end of the text."""
    rows, _, _, _, counters = state
    if counters[_HAS_TOKENS] == 0:
        return
    left = 0
    right = 0
    for i in range(plan.shape[0]):
        left = max(left, plan[i, LEFT])
        right = max(right, plan[i, RIGHT])
    filled = counters[_FILLED]
    rows[filled : filled + right] = hole
    # The rows of a text shorter than the dilation can all fall between the positions that a window reads.
    short = counters[_MOVED] == 0 and filled - left < dilation
    _slide(table, state, plan, dilation, stride, hole, short or counters[_HAS_HOLES] != 0, True)


@kernel()
def _pool_at_once(
    ids, begin, end, row_of_id, row_bytes, least, table_at, size, rows, rows_at, found, maxima, maxima_at, plan,
    dilation, stride, hole,
):  # fmt: skip
    """The maxima of a text that fits the buffer and has no padding: the same as a push of all its tokens.

    Returns False, with the maxima as they were, for any other text.
    """
    tokens = end - begin
    if tokens > _BUFFER_ROWS or tokens < max(1, dilation):
        return False
    left = 0
    right = 0
    for i in range(plan.shape[0]):
        left = max(left, plan[i, LEFT])
        right = max(right, plan[i, RIGHT])
    for k in range(left):
        rows[k] = hole
    any_padding = False
    for k in range(tokens):
        row = np.int64(row_of_id[ids[begin + k]])
        any_padding |= row < 0
        rows[left + k] = row * row_bytes
    if any_padding:
        return False
    filled = left + tokens
    for k in range(filled, filled + right):
        rows[k] = hole
    _forget(maxima)
    most = 0
    for i in range(plan.shape[0]):
        room = filled + plan[i, RIGHT] - (left - plan[i, LEFT] + (plan[i, WIDTH] - 1) * dilation)
        found[i] = room > 0
        most = max(most, room)
    for first in range(0, most, _STRETCH * stride):
        for i in range(plan.shape[0]):
            start = left - plan[i, LEFT] + first
            room = filled + plan[i, RIGHT] - (start + (plan[i, WIDTH] - 1) * dilation)
            if room > 0:
                count = min(_STRETCH, (room + stride - 1) // stride)
                _add_windows(least, table_at, rows_at, maxima_at, size, start, count, stride, dilation, plan, i)
    return True


@kernel()
def _activate(value, activation):
    if activation == 0:
        return max(value, np.float32(0))
    if activation == 1:
        return np.float32(math.tanh(value))
    if activation == 3:
        return np.float32(1 / (1 + math.exp(-value)))
    if activation == 4:
        return value if value > 0 else np.float32(math.expm1(value))
    if activation == 5:
        return value if value > 0 else np.float32(0.01) * value
    if activation == 6:
        return np.float32(max(value, 0) + math.log1p(math.exp(-abs(value))))
    return value


@kernel()
def finish_features(found, maxima, plan, scale, bias, activation, norm_weight, norm_bias, norm_epsilon, features, n):
    """Maxima to features[n] [F]: scale, bias, activation, layer norm; 0 where a filter has no window."""
    any_window = False
    is_relu = activation == 0
    count = features.shape[1]
    features_at = features.ctypes.data + n * features.strides[0]
    for i in range(plan.shape[0]):
        at, filters = plan[i, FEATURE_AT], plan[i, FILTERS]
        if not found[i]:
            for f in range(at, at + filters):
                features[n, f] = 0
            continue
        any_window = True
        scale_maxima(
            least_of(maxima), maxima.ctypes.data + plan[i, MAXIMA_AT] * maxima.itemsize, scale.ctypes.data + 4 * at,
            bias.ctypes.data + 4 * at, features_at + 4 * at, filters, np.float32(0 if is_relu else -np.inf),
        )  # fmt: skip
        if not (is_relu or activation == 2):
            for f in range(at, at + filters):
                features[n, f] = _activate(features[n, f], activation)
    if norm_weight.size and any_window:
        mean = 0.0
        for f in range(count):
            mean += features[n, f]
        mean /= count
        variance = 0.0
        for f in range(count):
            variance += (features[n, f] - mean) ** 2
        factor = 1 / math.sqrt(variance / count + norm_epsilon)
        for f in range(count):
            features[n, f] = np.float32((features[n, f] - mean) * factor) * norm_weight[f] + norm_bias[f]


@kernel(fastmath={"reassoc", "nsz", "contract"})
def apply_head(features, row, head_weight, head_bias, logits, n):
    """logits[n] [C] = head_weight [C, F] @ features[row] [F] + head_bias [C]."""
    for c in range(head_weight.shape[0]):
        total = np.float32(0)
        for f in range(head_weight.shape[1]):
            total += head_weight[c, f] * features[row, f]
        logits[n, c] = total + head_bias[c]


@kernel()
def _classify(
    ids, offsets, row_of_id, table, state, plan, dilation, stride, scale, bias, activation,
    norm_weight, norm_bias, norm_epsilon, head_weight, head_bias, features, logits,
):  # fmt: skip
    row_bytes = table.strides[0]
    hole = (table.shape[0] - 1) * row_bytes
    rows, _, found, maxima, _ = state
    least, size = least_of(table), table.itemsize
    table_at, rows_at, maxima_at = table.ctypes.data, rows.ctypes.data, maxima.ctypes.data
    for n in range(offsets.size - 1):
        if not _pool_at_once(
            ids, offsets[n], offsets[n + 1], row_of_id, row_bytes, least, table_at, size, rows, rows_at, found, maxima,
            maxima_at, plan, dilation, stride, hole,
        ):  # fmt: skip
            begin_text(state, plan, hole)
            push_tokens(ids, offsets[n], offsets[n + 1], row_of_id, table, state, plan, dilation, stride, hole)
            end_text(table, state, plan, dilation, stride, hole)
        row = min(n, features.shape[0] - 1)
        finish_features(
            found, maxima, plan, scale, bias, activation, norm_weight, norm_bias, norm_epsilon, features, row
        )  # fmt: skip
        apply_head(features, row, head_weight, head_bias, logits, n)


@kernel(allocates=True)
def classify(
    ids, offsets, row_of_id, table, plan, dilation, stride, scale, bias, activation,
    norm_weight, norm_bias, norm_epsilon, head_weight, head_bias, features, logits,
):  # fmt: skip
    """Features and logits of a flat batch: text n is ids[offsets[n]:offsets[n + 1]].

    features [N, F], or [1, F] where only the logits [N, C] are wanted.
    """
    state = new_state(plan, dilation, table)
    _classify(
        ids, offsets, row_of_id, table, state, plan, dilation, stride, scale, bias, activation,
        norm_weight, norm_bias, norm_epsilon, head_weight, head_bias, features, logits,
    )  # fmt: skip
