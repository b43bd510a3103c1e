"""Which window won each filter, and which came second: what an explanation needs beside the features.

Shapes: `T` tokens, `F` filters of all widths, `I` widths.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from .jit import kernel
from .kernels import COLUMN, FEATURE_AT, FILTERS, LEFT, RIGHT, SLICE_BYTES, WIDTH, _activate

NO_WINDOW = -(1 << 40)


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
        start: [F] int64, filled with the position in `rows` of the best window, -1 where there is none.
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
                for j in range(width):
                    begin = first_column + j * columns
                    terms = table[rows[window + j * dilation], begin : begin + filters]
                    if j == 0:
                        for f in range(filters):
                            own_sums[f] = terms[f]
                    elif is_int8:
                        # As the fast kernel adds: what leaves the range stays at its end.
                        for f in range(filters):
                            own_sums[f] = min(max(own_sums[f] + terms[f], np.float32(-128)), np.float32(127))
                    else:
                        for f in range(filters):
                            own_sums[f] += terms[f]
                for f in range(filters):
                    value = own_sums[f]
                    wins = value > own_best[f]
                    own_second[f] = own_best[f] if wins else max(own_second[f], value)
                    own_start[f] = window if wins else own_start[f]
                    own_best[f] = value if wins else own_best[f]
            window += stride


@kernel(allocates=True)
def find_winners_of_texts(
    ids, offsets, row_of_id, table, plan, dilation, stride, hole, best, second, start
):  # fmt: skip
    """`find_winners` of a flat batch of texts: text n is ids[offsets[n]:offsets[n + 1]].

    best, second [N, F] as there; start [N, F] is the token of the text that the best window begins at, negative where
    it hangs over the beginning, and NO_WINDOW where there is none.
    Texts begin and end with a token; padding between them is the zero vector.
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
    for n in range(offsets.size - 1):
        filled = left
        for k in range(offsets[n], offsets[n + 1]):
            row = row_of_id[ids[k]]
            rows[filled] = row if row >= 0 else hole
            filled += 1
        rows[filled : filled + right] = hole
        text = rows[: filled + right]
        find_winners(text, table, plan, dilation, stride, hole, best[n], second[n], start[n], count)
        for f in range(start.shape[1]):
            start[n, f] = start[n, f] - left if start[n, f] >= 0 else NO_WINDOW


@kernel(allocates=True)
def activate(values, activation):
    """The activation of float32 values."""
    out = np.empty_like(values)
    for f in range(values.size):
        out[f] = _activate(values[f], activation)
    return out
