"""Matrices of fastText's model files: float32, or the codes of a product quantizer.

A row of `D` values is cut into parts of `dsub`; each part is one of 256 centroids, and its code is the number of that.
With `qnorm` the length of the row is quantised apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .fasttext import Bytes

Floats = NDArray[np.float32]
CENTROIDS = 256


@dataclass(frozen=True)
class DenseMatrix:
    """A float32 matrix in a file."""

    values: Floats

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values)

    @property
    def columns(self) -> int:
        """Values in a row."""
        return int(self.values.shape[1])

    def take(self, begin: int, end: int) -> Floats:
        """Return the rows begin .. end."""
        # A copy of a mapped file that may not be aligned.
        return np.array(self.values[begin:end], dtype=np.float32)


@dataclass(frozen=True)
class Quantizer:
    """The centroids of each part of a row: [parts, 256, dsub], the last part possibly shorter."""

    dim: int
    parts: int
    size: int
    last_size: int
    centroids: Floats

    def decode(self, codes: NDArray[np.uint8]) -> Floats:
        """Return the rows [N, dim] of codes [N, parts]."""
        rows = np.empty((len(codes), self.dim), dtype=np.float32)
        for part in range(self.parts):
            begin = part * CENTROIDS * self.size
            size = self.last_size if part == self.parts - 1 else self.size
            own = self.centroids[begin : begin + CENTROIDS * size].reshape(CENTROIDS, size)
            rows[:, part * self.size : part * self.size + size] = own[codes[:, part]]
        return rows


@dataclass(frozen=True)
class QuantizedMatrix:
    """Codes [rows, parts] and, where lengths are quantised apart, their codes [rows]."""

    codes: NDArray[np.uint8]
    quantizer: Quantizer
    norm_codes: NDArray[np.uint8] | None
    norm_quantizer: Quantizer | None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @property
    def columns(self) -> int:
        """Values in a row."""
        return self.quantizer.dim

    def take(self, begin: int, end: int) -> Floats:
        """Return the rows begin .. end, decoded."""
        rows = self.quantizer.decode(self.codes[begin:end])
        if self.norm_codes is not None and self.norm_quantizer is not None:
            rows *= self.norm_quantizer.decode(self.norm_codes[begin:end, None])
        return rows


Matrix = DenseMatrix | QuantizedMatrix


def read_matrix(source: Bytes, quantized: Any) -> Matrix:
    """Read a matrix; a file that is too short for it, or a number that no file has, raises ValueError."""
    if not quantized:
        rows, columns = _shape(source)
        return DenseMatrix(source.array("<f4", rows * columns).reshape(rows, columns))
    (has_norms,) = source.numbers("?")
    rows, columns = _shape(source)
    (code_size,) = source.numbers("i")
    codes = source.array("u1", code_size)
    quantizer = _read_quantizer(source, columns)
    if code_size != rows * quantizer.parts:
        raise source.damaged(f"{code_size} codes of {rows} rows in {quantizer.parts} parts")
    norm_codes = norm_quantizer = None
    if has_norms:
        norm_codes = source.array("u1", rows)
        norm_quantizer = _read_quantizer(source, 1)
    return QuantizedMatrix(codes.reshape(rows, quantizer.parts), quantizer, norm_codes, norm_quantizer)


def _shape(source: Bytes) -> tuple[int, int]:
    rows, columns = source.numbers("qq")
    if rows < 0 or columns < 1 or rows >= 1 << 31 or columns >= 1 << 31:
        raise source.damaged(f"a matrix of {rows} x {columns}")
    return rows, columns


def _read_quantizer(source: Bytes, columns: int) -> Quantizer:
    dim, parts, size, last_size = source.numbers("4i")
    # Without a rest, the last part is as long as the others.
    if dim != columns or size < 1 or not 1 <= last_size <= size or (parts - 1) * size + last_size != dim:
        raise source.damaged(f"a quantizer of {dim} values in {parts} parts of {size} and {last_size}")
    return Quantizer(dim, parts, size, last_size, source.array("<f4", dim * CENTROIDS))
