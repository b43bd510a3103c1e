"""Writer of supervised models in fastText's own format, which fastText reads as well; see fasttext.py."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.storage import unfinished
from .fasttext import ARGUMENTS, LOSSES, MAGIC, MODELS, VERSIONS, FastTextFile
from .fasttext_matrices import DenseMatrix, Matrix, QuantizedMatrix, Quantizer

# Rows written at a time.
_ROWS_AT_A_TIME = 1 << 16


def write_fasttext(file: FastTextFile, path: str | Path) -> Path:
    """Write a model as a file of fastText, which takes its place when it is whole.

    Example:
        >>> write_fasttext(read_fasttext("model.bin"), "copy.bin")
    """
    path = Path(path)
    with unfinished(path) as name, name.open("wb") as out:
        for part in _parts(file):
            out.write(part)
    return path


def _parts(file: FastTextFile) -> Iterator[bytes]:
    numbers = {value: key for key, value in LOSSES.items()} | {value: key for key, value in MODELS.items()}
    args = [file.args[name] for name in ARGUMENTS]
    yield struct.pack("<2i12id", MAGIC, VERSIONS[-1], *(numbers.get(value, value) for value in args), file.args["t"])
    words, labels = len(file.words), len(file.labels)
    yield struct.pack(
        "<3i2q", words + labels, words, labels, file.tokens, -1 if file.pruned is None else len(file.pruned)
    )
    entries = [(file.words, file.word_counts, 0), (file.labels, file.label_counts, 1)]
    for names, counts, kind in entries:
        yield b"".join(
            name + b"\0" + struct.pack("<qb", count, kind) for name, count in zip(names, counts.tolist(), strict=True)
        )
    for pair in (file.pruned or {}).items():
        yield struct.pack("<2i", *pair)
    yield struct.pack("<?", file.is_quantized)
    yield from _matrix(file.input)
    yield struct.pack("<?", isinstance(file.output, QuantizedMatrix))
    yield from _matrix(file.output)


def _matrix(matrix: Matrix) -> Iterator[bytes]:
    if isinstance(matrix, DenseMatrix):
        yield struct.pack("<2q", matrix.rows, matrix.columns)
        for begin in range(0, matrix.rows, _ROWS_AT_A_TIME):
            yield matrix.values[begin : begin + _ROWS_AT_A_TIME].astype("<f4").tobytes()
        return
    yield struct.pack("<?2qi", matrix.norm_codes is not None, matrix.rows, matrix.columns, matrix.codes.size)
    yield _bytes(matrix.codes)
    yield _quantizer(matrix.quantizer)
    if matrix.norm_codes is not None and matrix.norm_quantizer is not None:
        yield _bytes(matrix.norm_codes)
        yield _quantizer(matrix.norm_quantizer)


def _quantizer(quantizer: Quantizer) -> bytes:
    head = struct.pack("<4i", quantizer.dim, quantizer.parts, quantizer.size, quantizer.last_size)
    return head + quantizer.centroids.astype("<f4").tobytes()


def _bytes(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array).tobytes()
