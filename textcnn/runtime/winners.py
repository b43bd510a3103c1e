"""Which window won each filter, and which came second: what an explanation needs beside the features.

Shapes: `T` tokens, `F` filters of all widths, `I` widths.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from .jit import kernel
from .kernels import COLUMN, FEATURE_AT, FILTERS, LEFT, RIGHT, SLICE_BYTES, WIDTH, _activate


@kernel(allocates=True)
def find_winners(rows, table, plan, dilation, stride, hole, best, second, start, count):
    """The best and the second best window of every filter, before scale, bias and activation.

    Args:
        rows: [L + T + R] rows of the table: the tokens, with `hole` for the zero vectors before and after them,
            as many as the widest margins of the plan.
        table: [V, R] float32 or int8.
        plan: [I, 9], as `Layout` has it.
        dilation, stride: Of the windows.
        hole: Row of the zero vector.
        best, second: [F] float32, filled with the sums; -inf where there is no window.
        start: [F] int32, filled with the position in `rows` of the best window, -1 where there is none: as wide as the
            sums, so that one vector register holds as many of either.
        count: [I] int64, filled with the number of windows of each width.
    """
    left = 0
    right = 0
    for i in range(plan.shape[0]):
        left = max(left, plan[i, LEFT])
        right = max(right, plan[i, RIGHT])
    tokens = rows.size - left - right
    is_int8 = table.itemsize == 1
    sums = np.empty(plan[:, FILTERS].max(), np.float32)
    for i in range(plan.shape[0]):
        width, filters, at = plan[i, WIDTH], plan[i, FILTERS], plan[i, FEATURE_AT]
        own_best, own_second = best[at : at + filters], second[at : at + filters]
        own_start, own_sums = start[at : at + filters], sums[:filters]
        own_best[:] = -np.inf
        own_second[:] = -np.inf
        own_start[:] = -1
        count[i] = 0
        columns = plan[i, SLICE_BYTES] // table.itemsize
        first_column = plan[i, COLUMN] // table.itemsize
        window = left - plan[i, LEFT]
        end = left + tokens + plan[i, RIGHT]
        while window + (width - 1) * dilation < end:
            has_token = False
            for j in range(width):
                has_token = has_token or rows[window + j * dilation] != hole
            if has_token:
                count[i] += 1
                here = np.int32(window)
                terms = table[rows[window], first_column : first_column + filters]
                if width == 1:
                    for f in range(filters):
                        own_sums[f] = terms[f]
                for j in range(1, width):
                    begin = first_column + j * columns
                    more = table[rows[window + j * dilation], begin : begin + filters]
                    # The first two in one go: a pass less over the sums.
                    if j == 1:
                        for f in range(filters):
                            own_sums[f] = np.float32(terms[f]) + np.float32(more[f])
                    else:
                        for f in range(filters):
                            own_sums[f] += more[f]
                    if is_int8:
                        # As the fast kernel adds: what leaves the range stays at its end.
                        for f in range(filters):
                            own_sums[f] = min(max(own_sums[f], np.float32(-128)), np.float32(127))
                for f in range(filters):
                    value = own_sums[f]
                    wins = value > own_best[f]
                    own_second[f] = own_best[f] if wins else max(own_second[f], value)
                    own_start[f] = here if wins else own_start[f]
                    own_best[f] = value if wins else own_best[f]
            window += stride


@kernel(allocates=True)
def find_winners_of_texts(
    ids, offsets, row_of_id, table, plan, dilation, stride, hole, scale, bias, activation,
    features, without, sums, start, first, last,
):  # fmt: skip
    """The winners of a flat batch of texts: text n is ids[offsets[n]:offsets[n + 1]].

    Texts begin and end with a token; padding between them is the zero vector. Filled, [N, F] each:

    features, without: Values of the best window and of the next best, after activation; 0 where there is none.
    sums: The best with scale and bias, before activation; -inf where there is none.
    start: The token of the text that the best window begins at, negative where it hangs over the beginning.
    first, last: The first and the last token that it reads; -1 where there is none.
    """
    left = 0
    right = 0
    longest = 0
    for i in range(plan.shape[0]):
        left = max(left, plan[i, LEFT])
        right = max(right, plan[i, RIGHT])
    for n in range(offsets.size - 1):
        longest = max(longest, offsets[n + 1] - offsets[n])
    rows = np.empty(left + longest + right, np.int64)
    rows[:left] = hole
    count = np.empty(plan.shape[0], np.int64)
    second = np.empty(sums.shape[1], np.float32)
    for n in range(offsets.size - 1):
        filled = left
        for k in range(offsets[n], offsets[n + 1]):
            row = row_of_id[ids[k]]
            rows[filled] = row if row >= 0 else hole
            filled += 1
        rows[filled : filled + right] = hole
        text = rows[: filled + right]
        find_winners(text, table, plan, dilation, stride, hole, sums[n], second, start[n], count)
        for i in range(plan.shape[0]):
            at, filters = plan[i, FEATURE_AT], plan[i, FILTERS]
            own = slice(at, at + filters)
            if count[i] == 0:
                features[n, own] = 0
                without[n, own] = 0
                first[n, own] = -1
                last[n, own] = -1
                continue
            _finish_values(sums[n, own], scale[own], bias[own], activation, features[n, own], True)
            if count[i] == 1:
                without[n, own] = 0
            else:
                _finish_values(second[own], scale[own], bias[own], activation, without[n, own], False)
            reach = np.int32((plan[i, WIDTH] - 1) * dilation)
            _finish_places(
                start[n, own], first[n, own], last[n, own], np.int32(left), reach, np.int32(filled - left),
                np.int32(dilation),
            )  # fmt: skip


@kernel()
def _finish_values(sums, scale, bias, activation, values, keep):
    """`values` of window sums, after scale, bias and activation; `keep` leaves the scaled sums in `sums`."""
    for f in range(sums.size):
        total = sums[f] * scale[f] + bias[f]
        values[f] = max(total, np.float32(0)) if activation == 0 else total
        if keep:
            sums[f] = total
    if activation > 0:
        for f in range(values.size):
            values[f] = _activate(values[f], activation)


@kernel()
def _finish_places(start, first, last, left, reach, length, dilation):
    """Positions in the buffer to tokens of the text; what a window reads beyond the ends is no token."""
    for f in range(start.size):
        begin = start[f] - left
        start[f] = begin
        first[f] = begin
        last[f] = begin + reach
    # Few windows hang over: apart, so that the loop above has no branch.
    for f in range(start.size):
        if first[f] < 0:
            first[f] += (-first[f] + dilation - 1) // dilation * dilation
        if last[f] >= length:
            last[f] -= (last[f] - length + dilation) // dilation * dilation


@kernel(allocates=True)
def activate(values, activation):
    """The activation of float32 values."""
    out = np.empty_like(values)
    for f in range(values.size):
        out[f] = _activate(values[f], activation)
    return out
