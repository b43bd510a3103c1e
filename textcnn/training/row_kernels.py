"""Numba kernels of AdamW by rows: each row is read and written once, where torch would gather, compute and scatter.

They run on one thread, in the order of the rows, so that two runs agree.

Shapes: `V` rows (vocabulary), `D` columns, `R` rows that a batch touches.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

import numpy as np

from ..runtime.jit import kernel

# Without numpy's error model every division is preceded by a test for zero, and nothing is vectorised. Contraction
# lets LLVM fuse a multiplication with an addition; nothing is reordered.
_jit = kernel(error_model="numpy", fastmath={"contract"})


@_jit
def _catch_up_row(weight, mean, square, row, moved, shrink_mean, shrink_square, eps):
    for d in range(weight.shape[1]):
        m, v = mean[row, d], square[row, d]
        weight[row, d] -= m / (np.sqrt(v) + eps) * moved
        mean[row, d] = m * shrink_mean
        square[row, d] = v * shrink_square


@_jit
def _step_row(weight, mean, square, row, gradient, r, new_mean, keep_square, new_square, rate, eps):
    for d in range(weight.shape[1]):
        g = gradient[r, d]
        m = mean[row, d] + (g - mean[row, d]) * new_mean
        v = square[row, d] * keep_square + g * g * new_square
        weight[row, d] -= m / (np.sqrt(v) + eps) * rate
        mean[row, d] = m
        square[row, d] = v


@_jit
def catch_up(weight, mean, square, last, rows, step, moves, mean_powers, square_powers, eps):
    """Takes the steps that rows [R] of weight, mean, square [V, D] have skipped; a row may be named twice.

    last [V]: the step each row is at. moves, mean_powers and square_powers, of weight's type: what k skipped steps
    move a weight by, in units of m / sqrt(v), and what they leave of mean and square.
    """
    for r in range(rows.size):
        row = rows[r]
        gap = step - np.int64(last[row])
        if gap > 0:
            _catch_up_row(weight, mean, square, row, moves[gap], mean_powers[gap], square_powers[gap], eps)
            last[row] = step


@_jit
def step_rows(weight, mean, square, last, rows, gradient, step, new_mean, keep_square, new_square, rate, eps):
    """One step of rows [R], which are up to date, with their gradient [R, D].

    new_mean is 1 - beta1, keep_square beta2, new_square 1 - beta2, all of weight's type, as rate and eps are.
    """
    for r in range(rows.size):
        _step_row(weight, mean, square, rows[r], gradient, r, new_mean, keep_square, new_square, rate, eps)
        last[rows[r]] = step
