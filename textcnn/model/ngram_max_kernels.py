"""Numba kernels of the n-gram maximum: look up, add and keep the maximum; gradients as sums of chosen rows.

They run without the GIL. Those with `begin` and `end` do that part of the work and write nothing outside of it.

Shapes: `B` texts, `U` distinct tokens, `D` vector size, `W` width, `F` filters of one width (all widths: `sum F`),
`I` widths, `R` columns of the table and rows of the folded weights, the sum of W x F.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import numba
    from llvmlite import ir
    from numba.core import cgutils
    from numba.extending import intrinsic
except ImportError as error:
    raise ImportError("the cpu implementation of ngram_max needs numba: pip install numba") from error

# Columns of a plan [I, 6], one row per width: the width, its number of filters, its first column in the table, its
# first feature, the zero vectors before and after a text.
_WIDTH, _FILTERS, _COLUMN, _FEATURE, _LEFT, _RIGHT = range(6)
# How many positions ahead of the window a row of the table is asked for.
_AHEAD = 2
_CACHE_LINE = 64
# Rows that are summed apart from others; a multiple of 4.
_BLOCK = 64


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    # Contraction lets LLVM fuse a multiplication with an addition; nothing is reordered.
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder that it may write its cache to
        return numba.njit(**options)(function)


@intrinsic
def _prefetch(typing_context, address):
    """Asks for the cache line at an address, which need not be a valid one."""

    def build(context, builder, signature, values):
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # To read, to be kept in every level, data.
        builder.call(function, [builder.inttoptr(values[0], pointer), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return numba.types.void(numba.types.intp), build


# Sums of W slices [F] of table rows, each in one loop body, so that LLVM vectorises it and nothing but the running
# maximum is stored. The table is flat and indices are unsigned (numba tests signed ones for being negative); a slice
# as an array of its own would cost more in reference counts than its additions. `value != value` lets a NaN win, as
# it does in torch.


@_jit
def _max1(table, a, filters, best, window, k):
    for f in range(filters):
        value = table[a + f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max2(table, a, b, filters, best, window, k):
    for f in range(filters):
        value = table[a + f] + table[b + f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max3(table, a, b, c, filters, best, window, k):
    for f in range(filters):
        value = table[a + f] + table[b + f] + table[c + f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max4(table, a, b, c, d, filters, best, window, k):
    for f in range(filters):
        value = table[a + f] + table[b + f] + table[c + f] + table[d + f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _max5(table, a, b, c, d, e, filters, best, window, k):
    for f in range(filters):
        value = table[a + f] + table[b + f] + table[c + f] + table[d + f] + table[e + f]
        wins = (value > best[f]) | (value != value)
        best[f] = value if wins else best[f]
        window[f] = k if wins else window[f]


@_jit
def _add(total, table, a, filters):
    for f in range(filters):
        total[f] += table[a + f]


@_jit
def _slide(table, slices, width, filters, total, best, window, k):
    """One window: sums the W slices [F] that begin at slices[:W] of the flat table, and keeps the maxima."""
    if width == 1:
        _max1(table, slices[0], filters, best, window, k)
    elif width == 2:
        _max2(table, slices[0], slices[1], filters, best, window, k)
    elif width == 3:
        _max3(table, slices[0], slices[1], slices[2], filters, best, window, k)
    elif width == 4:
        _max4(table, slices[0], slices[1], slices[2], slices[3], filters, best, window, k)
    elif width == 5:
        _max5(table, slices[0], slices[1], slices[2], slices[3], slices[4], filters, best, window, k)
    else:
        total[:] = 0
        for j in range(width):
            _add(total, table, slices[j], filters)
        _max1(total, np.uint64(0), filters, best, window, k)


@_jit
def pool(table, bias, index, offsets, plan, stride, dilation, pooled, winners, begin, end):
    """Texts begin to end: table [U + 1, W * F] of one or more widths -> their features of pooled and winners."""
    hole = table.shape[0] - 1
    columns = table.shape[1]
    flat = table.ravel()
    address, size = table.ctypes.data, table.itemsize
    total = np.empty(plan[:, _FILTERS].max(), table.dtype)
    best = np.empty_like(total)
    window = np.empty(total.size, np.int32)
    slices = np.empty(plan[:, _WIDTH].max(), np.uint64)
    left, right = plan[:, _LEFT].max(), plan[:, _RIGHT].max()
    rows = np.empty(left + (offsets[begin + 1 : end + 1] - offsets[begin:end]).max() + right, np.int64)
    for b in range(begin, end):
        length = offsets[b + 1] - offsets[b]
        rows[:left] = hole
        for t in range(length):
            u = index[offsets[b] + t]
            rows[left + t] = u if u >= 0 else hole
        filled = left + length + right
        rows[left + length : filled] = hole
        for i in range(plan.shape[0]):
            width, filters, column = plan[i, _WIDTH], plan[i, _FILTERS], plan[i, _COLUMN]
            span = (width - 1) * dilation
            first = left - plan[i, _LEFT]
            found = False
            for k in range((left + length + plan[i, _RIGHT] - span - first + stride - 1) // stride):
                start = first + k * stride
                if start + span + _AHEAD < filled:
                    line = address + (rows[start + span + _AHEAD] * columns + column) * size
                    for byte in range(0, width * filters * size, _CACHE_LINE):
                        _prefetch(line + byte)
                real = False
                for j in range(width):
                    row = rows[start + j * dilation]
                    real |= row != hole
                    slices[j] = row * columns + column + j * filters
                if real:
                    if not found:
                        found = True
                        best[:] = -np.inf
                        window[:] = k
                    _slide(flat, slices, width, np.uint64(filters), total, best, window, np.int32(k))
            for f in range(filters):
                feature = plan[i, _FEATURE] + f
                pooled[b, feature] = best[f] + bias[feature] if found else 0
                winners[b, feature] = window[f] if found else -1


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
def _add_row(total, a, matrix, x):
    for d in range(total.size):
        total[d] += a * matrix[x, d]


@_jit
def _add_4_rows(total, a, x, b, y, c, z, e, w, matrix):
    for d in range(total.size):
        total[d] = total[d] + a * matrix[x, d] + b * matrix[y, d] + c * matrix[z, d] + e * matrix[w, d]


@_jit
def _weighted_sum(total, block, values, choice, begin, end, matrix):
    """total [D] = the sum of values[e] * matrix[choice[e]], four rows at a time to spare loads and stores.

    Blocks are summed apart (in `block` [D], scratch): rounding errors grow with the length of a running sum.
    """
    total[:] = 0
    for first in range(begin, end, _BLOCK):
        last = min(end, first + _BLOCK)
        running = total if first == begin else block
        if first > begin:
            block[:] = 0
        e = first
        while e + 4 <= last:
            x, y, z, w = choice[e], choice[e + 1], choice[e + 2], choice[e + 3]
            _add_4_rows(running, values[e], x, values[e + 1], y, values[e + 2], z, values[e + 3], w, matrix)
            e += 4
        while e < last:
            _add_row(running, values[e], matrix, choice[e])
            e += 1
        if first > begin:
            for d in range(total.size):
                total[d] += block[d]


@_jit
def vectors_gradient(start, columns, values, folded, output, begin, end):
    """Tokens begin to end of the vectors' gradient [U, D]; folded [R, D]."""
    block = np.empty(folded.shape[1], folded.dtype)
    for u in range(begin, end):
        _weighted_sum(output[u], block, values, columns, start[u], start[u + 1], folded)


@_jit
def weights_gradient(tokens, gradient, plan, vectors, output, begin, end):
    """Features begin to end of the weights' gradients, which lie one after the other in output, each [F, D, W]."""
    dim = vectors.shape[1]
    chosen = np.empty(tokens.shape[0], np.int32)
    values = np.empty(tokens.shape[0], gradient.dtype)
    total, block = np.empty(dim, gradient.dtype), np.empty(dim, gradient.dtype)
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
                _weighted_sum(total, block, values, chosen, 0, count, vectors)
                for d in range(dim):
                    output[(column + f * width) * dim + d * width + j] = total[d]


@_jit
def table_gradient(start, columns, values, output, begin, end):
    """Tokens begin to end of the table's gradient [U, R], zeros and all."""
    for u in range(begin, end):
        output[u] = 0
        for e in range(start[u], start[u + 1]):
            output[u, columns[e]] += values[e]
