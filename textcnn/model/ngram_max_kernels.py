"""Numba kernels of the n-gram maximum: look up, add and keep the maximum; gradients as sums of chosen rows.

They run without the GIL. Those with `begin` and `end` do that part of the work and write nothing outside of it.

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
def _add4(total, a, b, c, d):
    for f in range(total.size):
        total[f] = total[f] + a[f] + b[f] + c[f] + d[f]


@_jit
def _slice(table, rows, start, dilation, column, j, n):
    at = column + j * n
    return table[rows[start + j * dilation], at : at + n]


@_jit
def _slide(table, column, rows, start, dilation, width, total, best, window, k):
    """One window: sums its W slices [F] of table rows and keeps the maxima."""
    n = best.size
    a = _slice(table, rows, start, dilation, column, 0, n)
    j = 1
    if width > 5:
        # Four more slices at a time go into `total`, until at most four are left.
        total[:] = a
        a = total
        while width - j > 4:
            b = _slice(table, rows, start, dilation, column, j, n)
            c = _slice(table, rows, start, dilation, column, j + 1, n)
            d = _slice(table, rows, start, dilation, column, j + 2, n)
            e = _slice(table, rows, start, dilation, column, j + 3, n)
            _add4(total, b, c, d, e)
            j += 4
    if width - j == 0:
        _max1(a, best, window, k)
        return
    b = _slice(table, rows, start, dilation, column, j, n)
    if width - j == 1:
        _max2(a, b, best, window, k)
        return
    c = _slice(table, rows, start, dilation, column, j + 1, n)
    if width - j == 2:
        _max3(a, b, c, best, window, k)
        return
    d = _slice(table, rows, start, dilation, column, j + 2, n)
    if width - j == 3:
        _max4(a, b, c, d, best, window, k)
        return
    e = _slice(table, rows, start, dilation, column, j + 3, n)
    _max5(a, b, c, d, e, best, window, k)


@_jit
def _has_token(rows, start, dilation, width, hole):
    for j in range(width):
        if rows[start + j * dilation] != hole:
            return True
    return False


# Columns of a plan of widths [I, 6]: the width, its filters, the first of its columns in the table and of its
# features, the zero vectors before and after a text.
_WIDTH, _FILTERS, _COLUMN, _FEATURE, _LEFT, _RIGHT = range(6)


@_jit
def pool(table, bias, index, offsets, plan, stride, dilation, pooled, winners, begin, end):
    """Texts begin to end: table [U + 1, W * F] of one or more widths -> their features of pooled and winners."""
    hole = table.shape[0] - 1
    filters = plan[:, _FILTERS].max()
    total = np.empty(filters, table.dtype)
    best = np.empty(filters, table.dtype)
    window = np.empty(filters, np.int32)
    left, right = plan[:, _LEFT].max(), plan[:, _RIGHT].max()
    rows = np.empty(left + (offsets[begin + 1 : end + 1] - offsets[begin:end]).max() + right, np.int64)
    for b in range(begin, end):
        length = offsets[b + 1] - offsets[b]
        rows[:left] = hole
        for t in range(length):
            u = index[offsets[b] + t]
            rows[left + t] = u if u >= 0 else hole
        rows[left + length : left + length + right] = hole
        for i in range(plan.shape[0]):
            width, n, feature = plan[i, _WIDTH], plan[i, _FILTERS], plan[i, _FEATURE]
            first = left - plan[i, _LEFT]
            stop = left + length + plan[i, _RIGHT] - (width - 1) * dilation
            found = False
            for k in range((stop - first + stride - 1) // stride):
                start = first + k * stride
                if _has_token(rows, start, dilation, width, hole):
                    if not found:
                        found = True
                        best[:n] = -np.inf
                        window[:n] = k
                    _slide(
                        table, plan[i, _COLUMN], rows, start, dilation, width, total[:n], best[:n], window[:n], np.int32(k)
                    )
            for f in range(n):
                pooled[b, feature + f] = best[f] + bias[feature + f] if found else 0
                winners[b, feature + f] = window[f] if found else -1




@_jit
def find_tokens(winners, gradient, index, offsets, plan, stride, dilation, tokens, begin, end):
    """tokens [B, R]: the token that each column of the table was read for in the winning window, -1 for no gradient.

    Returns the number of entries that have a gradient.
    """
    count = 0
    for b in range(begin, end):
        offset = offsets[b]
        length = offsets[b + 1] - offset
        for i in range(plan.shape[0]):
            n, feature = plan[i, _FILTERS], plan[i, _FEATURE]
            for f in range(n):
                t = winners[b, feature + f] * stride - plan[i, _LEFT]
                skip = winners[b, feature + f] < 0 or gradient[b, feature + f] == 0
                for j in range(plan[i, _WIDTH]):
                    u = -1 if skip or t < 0 or t >= length else index[offset + t]
                    tokens[b, plan[i, _COLUMN] + j * n + f] = u
                    count += u >= 0
                    t += dilation
    return count


@_jit
def group_by_token(tokens, gradient, plan, start, columns, values):
    """A counting sort of the entries: those of token u lie from start[u] to start[u + 1], in order of their texts."""
    start[:] = 0
    for b in range(tokens.shape[0]):
        for column in range(tokens.shape[1]):
            if tokens[b, column] >= 0:
                start[tokens[b, column] + 1] += 1
    for u in range(start.size - 1):
        start[u + 1] += start[u]
    place = start.copy()
    for b in range(tokens.shape[0]):
        for i in range(plan.shape[0]):
            for j in range(plan[i, _WIDTH]):
                for f in range(plan[i, _FILTERS]):
                    column = plan[i, _COLUMN] + j * plan[i, _FILTERS] + f
                    u = tokens[b, column]
                    if u >= 0:
                        columns[place[u]] = column
                        values[place[u]] = gradient[b, plan[i, _FEATURE] + f]
                        place[u] += 1


@_jit
def _add_weighted(total, a, x):
    for d in range(total.size):
        total[d] += a * x[d]


@_jit
def _add_weighted4(total, a, x, b, y, c, z, e, w):
    for d in range(total.size):
        total[d] = total[d] + a * x[d] + b * y[d] + c * z[d] + e * w[d]


@_jit
def _weighted_sum(total, values, choice, begin, end, matrix):
    """total [D] = the sum of values[e] * matrix[choice[e]], four rows at a time to spare loads and stores."""
    total[:] = 0
    e = begin
    while e + 4 <= end:
        x, y, z, w = matrix[choice[e]], matrix[choice[e + 1]], matrix[choice[e + 2]], matrix[choice[e + 3]]
        _add_weighted4(total, values[e], x, values[e + 1], y, values[e + 2], z, values[e + 3], w)
        e += 4
    while e < end:
        _add_weighted(total, values[e], matrix[choice[e]])
        e += 1


@_jit
def vectors_gradient(start, columns, values, folded, output, begin, end):
    """Tokens begin to end of the vectors' gradient [U, D]; folded [R, D]."""
    for u in range(begin, end):
        _weighted_sum(output[u], values, columns, start[u], start[u + 1], folded)


@_jit
def weights_gradient(tokens, gradient, plan, vectors, output, begin, end):
    """Features begin to end of the weights' gradients, which lie one after the other in output, each [F, D, W]."""
    dim = vectors.shape[1]
    chosen = np.empty(tokens.shape[0], np.int32)
    values = np.empty(tokens.shape[0], gradient.dtype)
    total = np.empty(dim, gradient.dtype)
    for i in range(plan.shape[0]):
        width, n, column, feature = plan[i, _WIDTH], plan[i, _FILTERS], plan[i, _COLUMN], plan[i, _FEATURE]
        for f in range(max(0, begin - feature), min(n, end - feature)):
            for j in range(width):
                count = 0
                for b in range(tokens.shape[0]):
                    u = tokens[b, column + j * n + f]
                    if u >= 0:
                        chosen[count] = u
                        values[count] = gradient[b, feature + f]
                        count += 1
                _weighted_sum(total, values, chosen, 0, count, vectors)
                for d in range(dim):
                    output[(column + f * width) * dim + d * width + j] = total[d]


@_jit
def table_gradient(start, columns, values, output, begin, end):
    """Tokens begin to end of the table's gradient [U, R], zeros and all."""
    for u in range(begin, end):
        output[u] = 0
        for e in range(start[u], start[u + 1]):
            output[u, columns[e]] += values[e]
