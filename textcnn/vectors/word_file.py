"""Files of word vectors: GloVe or word2vec text, word2vec binary, each also as .gz; streamed."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

READ_SIZE = 1 << 20  # bytes
LONGEST_WORD = 10_000  # bytes; more without a space means that a binary file is broken
SAMPLE_SIZE = 1 << 16  # bytes that decide what a file is
_HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s*$")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
# what people download under the name of word vectors, by its first bytes
_FOREIGN = {
    b"PK\x03\x04": "a zip file; unzip it first",
    b"\xba\x16\x4f\x2f": "a fastText model; use the .vec file that comes with it",
    b"\x80": "a Python pickle; save the vectors in word2vec format",
    b"\x93NUMPY": "a numpy array; save the vectors in word2vec format",
}


@dataclass(frozen=True, slots=True)
class WordFile:
    """Format read from the first lines: vectors of `dim` numbers, `count` of them (None if not given)."""

    path: Path
    dim: int
    count: int | None
    binary: bool


def open_word_file(path: str | Path) -> WordFile:
    """Read the first lines. Raises ValueError if they are not those of a word-vector file."""
    path = Path(path)
    with _open(path) as file:
        try:
            sample = file.read(SAMPLE_SIZE)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(_error(path, "a broken .gz file", "download it again")) from error
    for magic, what in _FOREIGN.items():
        if sample.startswith(magic):
            raise ValueError(_error(path, *what.split("; ")))
    lines = sample.split(b"\n", 2)
    if header := _HEADER.match(lines[0]):
        count, dim = int(header[1]), int(header[2])
        rest = sample[len(lines[0]) + 1 :]
        if dim > 0:
            return WordFile(path, dim, count, binary=bool(_CONTROL.search(rest)))
    fields = _fields(lines[0])
    if len(fields) < 2 or not all(map(_is_number, fields[1:])):
        what = "an empty file" if not sample else f"{lines[0][:40]!r} as line 1"
        raise ValueError(_error(path, what, "check that it is a word-vector file"))
    return WordFile(path, len(fields) - 1, None, binary=False)


def read_vectors(
    file: WordFile, wanted: Container[bytes], always: int = 0
) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    """Yield the words (as UTF-8) that are wanted, and the first `always` ones, each with its vector [D].

    Only one row is held at a time. Raises ValueError, with the line (of a binary file: the vector)
    at which the file is broken or ends too early.
    """
    rows = _binary_rows(file, wanted, always) if file.binary else _text_rows(file, wanted, always)
    for position, word, vector in rows:
        if not np.isfinite(vector).all():
            raise ValueError(_at(file, position, "a number that is not finite"))
        yield word, vector


def _text_rows(
    file: WordFile, wanted: Container[bytes], always: int
) -> Iterator[tuple[int, bytes, NDArray[np.float32]]]:
    first = 1 if file.count is None else 2
    number, rows = 0, 0
    with _open(file.path) as lines:
        try:
            for number, line in enumerate(lines, start=1):
                fields = line.rstrip()
                if number < first or not fields:
                    continue
                rows += 1
                # most lines are of no use: they are counted, not parsed
                needed = rows <= always or _fields(fields, 1)[0] in wanted
                if not needed and fields.count(b" ") + fields.count(b"\t") >= file.dim:
                    continue
                word, *numbers = _fields(fields, file.dim, from_right=True)
                yield number, word, _parse(file, number, word, numbers)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(_at(file, number + 1, "the end of a broken .gz file")) from error
    if file.count is not None and rows != file.count:
        raise ValueError(_at(file, number, f"the end after {rows:,} of {file.count:,} vectors"))


def _parse(file: WordFile, number: int, word: bytes, numbers: list[bytes]) -> NDArray[np.float32]:
    if len(numbers) < file.dim:
        raise ValueError(_at(file, number, f"{len(numbers)} numbers"))
    inside = _fields(word)[1:]  # a few words of GloVe have spaces in them
    if inside and all(map(_is_number, inside)):
        raise ValueError(_at(file, number, f"{len(numbers) + len(inside)} numbers"))
    try:
        return np.array([float(text) for text in numbers], np.float32)
    except ValueError:
        bad = next(text for text in numbers if not _is_number(text))
        raise ValueError(_at(file, number, f"{bad[:30]!r} for a number")) from None


def _binary_rows(
    file: WordFile, wanted: Container[bytes], always: int
) -> Iterator[tuple[int, bytes, NDArray[np.float32]]]:
    size = 4 * file.dim
    with _open(file.path) as stream:
        stream.readline()
        buffer, start = b"", 0
        for position in range(1, (file.count or 0) + 1):
            space = buffer.find(b" ", start)
            while space < 0 or len(buffer) < space + 1 + size:
                if space < 0 and len(buffer) - start > LONGEST_WORD:
                    raise ValueError(_at(file, position, "a word without an end"))
                try:
                    more = stream.read1(READ_SIZE)
                except (EOFError, OSError, zlib.error) as error:
                    raise ValueError(_at(file, position, "a broken .gz file")) from error
                if not more:
                    done = f"the end after {position - 1:,} of {file.count:,} vectors"
                    raise ValueError(_at(file, position, done))
                buffer, start = buffer[start:] + more, 0
                space = buffer.find(b" ")
            word = buffer[start:space].lstrip(b"\n")  # some writers end a vector with a newline
            start = space + 1 + size
            if position <= always or word in wanted:
                yield position, word, np.frombuffer(buffer, "<f4", file.dim, space + 1).astype("f4")


def _open(path: Path) -> io.BufferedReader:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    if compressed:
        return io.BufferedReader(gzip.GzipFile(path), SAMPLE_SIZE)
    return io.BufferedReader(io.FileIO(path), READ_SIZE)


def _fields(line: bytes, splits: int = -1, from_right: bool = False) -> list[bytes]:
    line = line.replace(b"\t", b" ").strip(b" \r\n")
    return line.rsplit(b" ", splits) if from_right else line.split(b" ", splits)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _error(path: Path, what: str, advice: str) -> str:
    return f"got vectors {str(path)!r}, {what}; expected GloVe or word2vec format (text or binary, also .gz); {advice}"


def _at(file: WordFile, position: int, what: str) -> str:
    unit = "vector" if file.binary else "line"
    return (
        f"got {what} at {unit} {position:,} of {str(file.path)!r}; expected a word and "
        f"{file.dim} numbers; the file is broken or incomplete: download it again"
    )
