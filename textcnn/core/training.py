"""The training operator and the optimizer of embedding rows, on numpy arrays.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `I` widths, of `W` tokens and `F`
filters each, `V` rows of an embedding, `R` rows that are chosen.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .library import NgramMaxSpec, RowsSpec, address, check, library


class NgramMax:
    """The maximum over the windows of each text, for convolutions of several widths.

    Args:
        vectors: [U, D] vectors of the distinct tokens, float32 or float64, as all floats.
        index: [N] int64, the row of `vectors` at each position of all texts; -1 is a zero vector and no token.
        offsets: [B + 1] int64; text b is index[offsets[b] : offsets[b + 1]].
        weights: [F, D, W] for each width.
        stride: Positions between two windows.
        dilation: Positions between two tokens of a window.
        paddings: Zero vectors before and after a text, for each width.
        threads: Number of threads. The results do not depend on it.

    Raises:
        ValueError: an argument has a shape, a type or a range that does not fit.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        index: NDArray[np.int64],
        offsets: NDArray[np.int64],
        weights: Sequence[NDArray[Any]],
        *,
        stride: int,
        dilation: int,
        paddings: Sequence[tuple[int, int]],
        threads: int,
    ) -> None:
        self._dtype = _float_type(vectors)
        _expect("offsets", offsets, (len(offsets),), np.dtype(np.int64))
        _expect("index", index, (int(offsets[-1]) if len(offsets) else -1,), np.dtype(np.int64))
        for weight in weights:
            _expect("weights", weight, (len(weight), vectors.shape[1], weight.shape[-1]), self._dtype)
        if len(paddings) != len(weights):
            raise ValueError(f"paddings: got {len(paddings)}; expected {len(weights)}, one for each width")
        self.shape = (len(offsets) - 1, sum(len(weight) for weight in weights))
        self._vectors_shape, self._shapes = vectors.shape, [weight.shape for weight in weights]
        sizes = np.array([(w.shape[2], len(w), *p) for w, p in zip(weights, paddings, strict=True)], np.int64).T.copy()
        # What the addresses point to lives as long as they do.
        self._arrays = (vectors, index, offsets, weights, sizes, _addresses(weights))
        self._spec = NgramMaxSpec(
            self.shape[0], *vectors.shape, len(weights), stride, dilation, address(index), address(offsets),
            *(address(row) for row in sizes), address(vectors), ctypes.addressof(self._arrays[-1]),
            self._dtype == np.float64, threads,
        )  # fmt: skip

    def pool(self, biases: Sequence[NDArray[Any]], pooled: NDArray[Any], winners: NDArray[np.int64]) -> None:
        """Write the maxima with their bias and the windows that have them, both [B, sum F].

        Args:
            biases: [F] for each width.
            pooled: Output; 0 where a text has no window with a token.
            winners: Output; the number of the first window that has the maximum, -1 where there is none.
        """
        for bias, shape in zip(biases, self._shapes, strict=True):
            _expect("biases", bias, shape[:1], self._dtype)
        _expect("pooled", pooled, self.shape, self._dtype)
        _expect("winners", winners, self.shape, np.dtype(np.int64))
        check(library().textcnn_ngram_max(self._spec, _addresses(biases), pooled.ctypes.data, winners.ctypes.data))

    def gradients(
        self,
        winners: NDArray[np.int64],
        gradient: NDArray[Any],
        dense: float,
        for_vectors: NDArray[Any] | None = None,
        for_weights: Sequence[NDArray[Any]] | None = None,
        for_biases: Sequence[NDArray[Any]] | None = None,
    ) -> None:
        """Write the requested gradients.

        Args:
            winners: [B, sum F] from `pool`.
            gradient: [B, sum F] gradient of pooled.
            dense: Share of non-zero values in the gradient of the table from which matrix products are faster.
            for_vectors: Output [U, D].
            for_weights: Outputs, shaped as the weights.
            for_biases: Outputs [F].
        """
        _expect("winners", winners, self.shape, np.dtype(np.int64))
        _expect("gradient", gradient, self.shape, self._dtype)
        if for_vectors is not None:
            _expect("for_vectors", for_vectors, self._vectors_shape, self._dtype)
        for output, shape in zip(for_weights or (), self._shapes if for_weights else (), strict=True):
            _expect("for_weights", output, shape, self._dtype)
        for output, shape in zip(for_biases or (), self._shapes if for_biases else (), strict=True):
            _expect("for_biases", output, shape[:1], self._dtype)
        check(
            library().textcnn_ngram_max_gradients(
                self._spec, winners.ctypes.data, gradient.ctypes.data, dense, address(for_vectors),
                _addresses(for_weights), _addresses(for_biases),
            )
        )  # fmt: skip


class EmbeddingRows:
    """An embedding whose rows AdamW moves one by one, with its moments; arrays are changed in place.

    Args:
        weight: [V, D] float32 or float64, as all floats.
        mean: [V, D] first moment.
        square: [V, D] second moment.
        last: [V] the step that each row is at.

    Raises:
        ValueError: an array has another shape or type.
    """

    def __init__(self, weight: NDArray[Any], mean: NDArray[Any], square: NDArray[Any], last: NDArray[Any]) -> None:
        self._dtype = _float_type(weight)
        for name, array in (("mean", mean), ("square", square)):
            _expect(name, array, weight.shape, self._dtype)
        _expect("last", last, weight.shape[:1], self._dtype)
        self._arrays = (weight, mean, square, last)
        self._columns = weight.shape[1]
        self._spec = RowsSpec(*weight.shape, *(address(array) for array in self._arrays), self._dtype == np.float64)

    def catch_up(
        self,
        rows: NDArray[np.int64],
        step: int,
        moves: NDArray[np.float64],
        mean_powers: NDArray[np.float64],
        square_powers: NDArray[np.float64],
        eps: float,
    ) -> None:
        """Take the steps up to `step` that the rows [R] have skipped; a row may be named twice.

        Args:
            rows: int64.
            step: Number of steps so far.
            moves: For k skipped steps, the distance that they carry a weight, in units of m / sqrt(v).
            mean_powers: For k skipped steps, what is left of the first moment.
            square_powers: For k skipped steps, what is left of the second moment.
            eps: Added to sqrt(v).
        """
        _expect("rows", rows, (len(rows),), np.dtype(np.int64))
        for powers in (moves, mean_powers, square_powers):
            _expect("moves", powers, (len(moves),), np.dtype(np.float64))
        check(
            library().textcnn_catch_up_rows(
                self._spec, rows.ctypes.data, len(rows), step, moves.ctypes.data, mean_powers.ctypes.data,
                square_powers.ctypes.data, len(moves), eps,
            )
        )  # fmt: skip

    def step(
        self,
        rows: NDArray[np.int64],
        gradient: NDArray[Any],
        step: int,
        betas: tuple[float, float],
        rate: float,
        eps: float,
    ) -> None:
        """Take one step with distinct rows [R], which are up to date, and their gradient [R, D].

        Args:
            rows: int64.
            gradient: Gradient of each row.
            step: Number of this step.
            betas: Decay of the two moments.
            rate: Learning rate, corrected for the moments' start from 0.
            eps: Added to sqrt(v), corrected likewise.
        """
        _expect("rows", rows, (len(rows),), np.dtype(np.int64))
        _expect("gradient", gradient, (len(rows), self._columns), self._dtype)
        check(
            library().textcnn_step_rows(
                self._spec, rows.ctypes.data, len(rows), gradient.ctypes.data, step, *betas, rate, eps
            )
        )


def _float_type(array: NDArray[Any]) -> np.dtype[Any]:
    if array.ndim != 2 or array.dtype not in (np.float32, np.float64) or not array.flags.c_contiguous:
        raise ValueError(
            f"got an array {array.shape} of {array.dtype}; expected a contiguous matrix of float32 or float64"
        )
    return array.dtype


def _expect(name: str, array: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless an array is what the core reads at its address."""
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"{name}: got {array.dtype} {array.shape}; expected contiguous {dtype} {shape}")


def _addresses(arrays: Sequence[NDArray[Any]] | None) -> Any:
    if arrays is None:
        return None
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
