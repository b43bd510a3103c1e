"""Numba kernels of the n-gram maximum: look up, add and keep the maximum; gradients as sums of chosen rows.

All of them run without the GIL, on the part of the work from `begin` to `end`, and write nothing outside of it.

Shapes: `B` texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one width (all widths: `sum F`),
`R` rows of the folded weights, the sum of W x F.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import numba
except ImportError as error:
    raise ImportError("the cpu implementation of ngram_max needs numba: pip install numba") from error


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    # Contraction lets LLVM fuse multiply and add; nothing is reordered, so results do not depend on the compiler.
    options = {"nogil": True, "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder that it may write its cache to
        return numba.njit(**options)(function)


# One loop body each, so that LLVM vectorises it and nothing but the running maximum is stored. `value != value` lets
# a NaN win, as it does in torch.


@_jit
def _max1(a, best, window, k):
    for f in range(best.size):
        value = a[f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max2(a, b, best, window, k):
    for f in range(best.size):
        value = a[f] + b[f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max3(a, b, c, best, window, k):
    for f in range(best.size):
        value = a[f] + b[f] + c[f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max4(a, b, c, d, best, window, k):
    for f in range(best.size):
        value = a[f] + b[f] + c[f] + d[f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max5(a, b, c, d, e, best, window, k):
    for f in range(best.size):
        value = a[f] + b[f] + c[f] + d[f] + e[f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _sum4(a, b, c, d, total):
    for f in range(total.size):
        total[f] = a[f] + b[f] + c[f] + d[f]


@_jit
def _sum5(a, b, c, d, e, total):
    for f in range(total.size):
        total[f] = a[f] + b[f] + c[f] + d[f] + e[f]


@_jit
def _slice(table, rows, start, dilation, j, filters):
    return table[rows[start + j * dilation], j * filters : (j + 1) * filters]


@_jit
def _slide(table, rows, start, dilation, width, total, best, window, k):
    """One window of one text: sums its W row slices [F] and keeps the maxima."""
    n = best.size
    j = 0
    summed = width > 5
    if summed:
        # Wider windows: four slices at a time into `total`, until at most four are left to go with it.
        a, b = _slice(table, rows, start, dilation, 0, n), _slice(table, rows, start, dilation, 1, n)
        c, d = _slice(table, rows, start, dilation, 2, n), _slice(table, rows, start, dilation, 3, n)
        _sum4(a, b, c, d, total)
        j = 4
        while width - j > 4:
            a, b = _slice(table, rows, start, dilation, j, n), _slice(table, rows, start, dilation, j + 1, n)
            c, d = _slice(table, rows, start, dilation, j + 2, n), _slice(table, rows, start, dilation, j + 3, n)
            _sum5(total, a, b, c, d, total)
            j += 4
        a = total
    else:
        a = _slice(table, rows, start, dilation, 0, n)
        j = 1
    left = width - j
    if left == 0:
        _max1(a, best, window, k)
        return
    b = _slice(table, rows, start, dilation, j, n)
    if left == 1:
        _max2(a, b, best, window, k)
        return
    c = _slice(table, rows, start, dilation, j + 1, n)
    if left == 2:
        _max3(a, b, c, best, window, k)
        return
    d = _slice(table, rows, start, dilation, j + 2, n)
    if left == 3:
        _max4(a, b, c, d, best, window, k)
        return
    _max5(a, b, c, d, _slice(table, rows, start, dilation, j + 3, n), best, window, k)


@_jit
def _has_token(rows, start, dilation, width, hole):
    for j in range(width):
        if rows[start + j * dilation] != hole:
            return True
    return False


@_jit
def pool(table, bias, index, offsets, width, stride, dilation, left, right, begin, end, at, pooled, winners):
    """Texts begin to end: table [U + 1, W * F] -> columns at to at + F of pooled and winners [B, sum F]."""
    hole = table.shape[0] - 1
    filters = bias.size
    best = np.empty(filters, table.dtype)
    total = np.empty(filters, table.dtype)
    window = np.empty(filters, np.int32)
    longest = 0
    for b in range(begin, end):
        longest = max(longest, offsets[b + 1] - offsets[b])
    rows = np.empty(longest + left + right, np.int64)
    for b in range(begin, end):
        length = offsets[b + 1] - offsets[b]
        rows[:left] = hole
        for t in range(length):
            u = index[offsets[b] + t]
            rows[left + t] = u if u >= 0 else hole
        rows[left + length : left + length + right] = hole
        found = False
        k = np.int32(0)
        for start in range(0, length + left + right - (width - 1) * dilation, stride):
            if _has_token(rows, start, dilation, width, hole):
                if not found:
                    found = True
                    best[:] = -np.inf
                    window[:] = k
                _slide(table, rows, start, dilation, width, total, best, window, k)
            k += np.int32(1)
        for f in range(filters):
            pooled[b, at + f] = best[f] + bias[f] if found else 0
            winners[b, at + f] = window[f] if found else -1


@_jit
def find_tokens(winners, gradient, index, offsets, plan, stride, dilation, begin, end, tokens):
    """tokens [B, R]: the token that each row of the folded weights met in its winning window; -1 for no gradient."""
    for b in range(begin, end):
        first = offsets[b]
        length = offsets[b + 1] - first
        for f in range(winners.shape[1]):
            width, row, filters, left = plan[f, 0], plan[f, 1], plan[f, 2], plan[f, 3]
            k = winners[b, f]
            nothing = k < 0 or gradient[b, f] == 0
            for j in range(width):
                t = k * stride - left + j * dilation
                inside = not nothing and t >= 0 and t < length
                tokens[b, row + j * filters] = index[first + t] if inside else -1


@_jit
def group_by_token(tokens, gradient, filter_of_row, start, rows, values):
    """Entries in the order of their tokens: those of token u lie from start[u] to start[u + 1]. A counting sort."""
    start[:] = 0
    for b in range(tokens.shape[0]):
        for r in range(tokens.shape[1]):
            u = tokens[b, r]
            if u >= 0:
                start[u + 1] += 1
    for u in range(start.size - 1):
        start[u + 1] += start[u]
    place = start.copy()
    for b in range(tokens.shape[0]):
        for r in range(tokens.shape[1]):
            u = tokens[b, r]
            if u >= 0:
                rows[place[u]] = r
                values[place[u]] = gradient[b, filter_of_row[r]]
                place[u] += 1


@_jit
def _add1(total, a, x):
    for d in range(total.size):
        total[d] += a * x[d]


@_jit
def _add4(total, a, x, b, y, c, z, e, w):
    for d in range(total.size):
        total[d] = total[d] + a * x[d] + b * y[d] + c * z[d] + e * w[d]


@_jit
def _weighted_sum(total, values, choice, begin, end, matrix):
    """total [D] = the sum of values[e] * matrix[choice[e]], four rows at a time to spare loads and stores."""
    total[:] = 0
    e = begin
    while e + 4 <= end:
        x, y, z, w = matrix[choice[e]], matrix[choice[e + 1]], matrix[choice[e + 2]], matrix[choice[e + 3]]
        _add4(total, values[e], x, values[e + 1], y, values[e + 2], z, values[e + 3], w)
        e += 4
    while e < end:
        _add1(total, values[e], matrix[choice[e]])
        e += 1


@_jit
def vectors_gradient(start, rows, values, weights, begin, end, gradient):
    for u in range(begin, end):
        _weighted_sum(gradient[u], values, rows, start[u], start[u + 1], weights)


@_jit
def weights_gradient(tokens, pooled_gradient, filter_of_row, vectors, begin, end, gradient):
    texts = tokens.shape[0]
    chosen = np.empty(texts, np.int32)
    values = np.empty(texts, pooled_gradient.dtype)
    for r in range(begin, end):
        count = 0
        for b in range(texts):
            if tokens[b, r] >= 0:
                chosen[count] = tokens[b, r]
                values[count] = pooled_gradient[b, filter_of_row[r]]
                count += 1
        _weighted_sum(gradient[r], values, chosen, 0, count, vectors)


@_jit
def table_gradient(start, rows, values, begin, end, gradient):
    for u in range(begin, end):
        gradient[u] = 0
        for e in range(start[u], start[u + 1]):
            gradient[u, rows[e]] += values[e]
