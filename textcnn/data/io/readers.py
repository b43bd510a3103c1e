"""Rows of csv, tsv, json, jsonl, txt and parquet files, plain or compressed, a few thousand at a time.

The one reader of every verb. Only the standard library is needed (parquet and .zst bring their own), so that a server
needs nothing else. Cells stay what they are in the file: strings in csv and tsv, where an empty cell is None; JSON's
types in json and jsonl.
"""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ..errors import DataError, one_line
from .delimited import DelimitedRows
from .formats import DELIMITED, FASTTEXT, FORMATS, format_of, has_bad_bytes, has_literal_quotes, pyarrow, zstandard
from .json_rows import json_lines, json_rows
from .locations import open_bytes, size_of

CHUNK = 8192  # rows held at a time
MAX_LINE = 100_000_000  # characters of a line: 100 to 400 MB in memory

Row = dict[str, Any]


class Reader:
    """The rows of one file, or of standard input.

    Args:
        path: File, URL that `fsspec` opens, or "-" for standard input.
        format: One of FORMATS; None takes it from the file's name.
        max_line: Largest number of characters in a line; a longer one is an error, and not read to its end.

    Attributes:
        not_utf8: Lines so far with bytes that are no UTF-8.
        delimiter: Delimiter of a csv file, once rows were read.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the format is not known.
    """

    def __init__(self, path: str | Path, format: str | None = None, max_line: int = MAX_LINE) -> None:
        self.path, self.max_line = str(path), max_line
        self.format = format or format_of(self.path) or ("txt" if self.path == "-" else None)
        self.size = 0
        if self.path != "-":
            self.size = size_of(self.path)
        if self.format is None:
            raise DataError(
                f"{self.path}: got a name that does not tell the format; expected one that ends in "
                f".{', .'.join(FORMATS)} (and .gz or .zst); or give --input_format"
            )
        if self.path == "-" and self.format == "parquet":
            raise DataError("standard input: got parquet, which cannot be read as a stream; give the file's name")
        self.not_utf8 = 0
        self.delimiter: str | None = None
        self._delimited: DelimitedRows | None = None
        self._raw: IO[bytes] | None = None

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return "standard input" if self.path == "-" else self.path

    @property
    def columns(self) -> list[str]:
        """Names of the columns of a csv or tsv file, also of one without rows, once it was read; else none."""
        return [] if self._delimited is None else self._delimited.names

    @property
    def bytes_read(self) -> int:
        """Bytes of the file, as it lies on the disk, that are read so far."""
        return self._raw.tell() if self._raw is not None and self.path != "-" and not self._raw.closed else 0

    def chunks(self) -> Iterator[list[Row]]:
        """Yield the rows in their order, CHUNK at a time.

        Raises:
            DataError: a row cannot be read; the message names its line.
        """
        damaged: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)
        if self.path.lower().endswith(".zst"):
            damaged += (zstandard().ZstdError,)
        try:
            yield from self._parquet() if self.format == "parquet" else self._text_chunks()
        except damaged as error:
            raise DataError(
                f"{self.name} is damaged ({one_line(error)}); expected a complete file; copy it again"
            ) from error

    def notes(self) -> list[str]:
        """Return a line for each thing in the rows read so far that a user should know."""
        notes = [] if self._delimited is None else self._delimited.notes()
        if self.not_utf8:
            lines = "1 line" if self.not_utf8 == 1 else f"{self.not_utf8:,} lines"
            notes.append(f"{self.name}: {lines} with bytes that are no UTF-8, read as U+FFFD; save the file as UTF-8")
        return notes

    def _text_chunks(self) -> Iterator[list[Row]]:
        with self._open(newline="" if self.format in DELIMITED else "\n") as file:
            rows = iter(self._rows(file))
            while chunk := list(islice(rows, CHUNK)):
                if self._delimited is not None and self.format == "csv":
                    self.delimiter = self._delimited.delimiter
                yield chunk

    def _rows(self, file: Iterator[str]) -> Iterator[Row]:
        if self.format in DELIMITED:
            tabs = self.format == "tsv"
            self._delimited = DelimitedRows(file, self.name, tabs, tabs and self._has_literal_quotes())
            return iter(self._delimited)
        if self.format == "txt":
            return _text_rows(file)
        return json_lines(file, self.name) if self.format == "jsonl" else json_rows(file, self.name)

    @contextmanager
    def _open(self, newline: str) -> Iterator[Iterator[str]]:
        with ExitStack() as opened:
            content = self._content(opened)
            if content.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise DataError(f"{self.name} is not UTF-8 (it starts as UTF-16 does); save it as UTF-8")
            # A byte that is no UTF-8 comes back out as it was: one of them must not stop a week of reading.
            text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
            yield self._counted(text)
            if self.path == "-":
                text.detach()  # standard input stays open

    def _content(self, opened: ExitStack) -> Any:
        """Open the file, decompressed."""
        raw: IO[bytes] = sys.stdin.buffer
        if self.path != "-":
            raw = opened.enter_context(open_bytes(self.path))
        self._raw = raw
        if self.path.lower().endswith(".gz"):
            return opened.enter_context(gzip.open(raw))
        if self.path.lower().endswith(".zst"):
            return io.BufferedReader(WholeFrames(raw))
        return raw

    def _counted(self, file: IO[str]) -> Iterator[str]:
        # No longer than the limit in any case: a file without ends of lines would be read into memory as one.
        read, limit = file.readline, self.max_line + 2
        for number, line in enumerate(iter(partial(read, limit), ""), 1):
            if len(line) > self.max_line and len(line.rstrip("\r\n")) > self.max_line:
                raise DataError(
                    f"{self.name}, line {number:,}: got more than {self.max_line:,} characters; expected a line of at "
                    f"most {self.max_line:,}; check that the file has one row a line, or raise max_line"
                )
            if has_bad_bytes(line):
                self.not_utf8 += 1
            yield line

    def _has_literal_quotes(self) -> bool:
        """Look at the start of the file; standard input can be read only once and is taken to quote."""
        if self.path == "-":
            return False
        with Reader(self.path, self.format)._open(newline="") as file:
            return has_literal_quotes(line.rstrip("\r\n") for line in islice(file, 10_000))

    def _parquet(self) -> Iterator[list[Row]]:
        for batch in self.parquet_batches(CHUNK):
            yield batch.to_pylist()

    def parquet_batches(self, rows: int = CHUNK) -> Iterator[Any]:
        """Yield the record batches of a parquet file, which keep the types of their columns."""
        arrow = pyarrow()
        with ExitStack() as opened:
            file = self._content(opened)
            if file is not self._raw:
                file = arrow.BufferReader(file.read())  # a parquet file is read from its end
            try:
                table = arrow.parquet.ParquetFile(file, page_checksum_verification=True)
                yield from _all_batches(table, rows)
            # OSError: a damaged page. ValueError: a column that is no UTF-8.
            except (arrow.ArrowException, OSError, ValueError) as error:
                raise DataError(
                    f"{self.name} cannot be read as parquet ({one_line(error)}); expected a complete file; copy it "
                    "again"
                ) from error


class WholeFrames(io.RawIOBase):
    """Decompressed content of a .zst file; unlike the library's reader it does not take a cut frame for the end.

    Args:
        raw: The compressed file.

    Raises:
        EOFError: the file ends inside a frame.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self._library = raw, zstandard()
        self._frame: Any = None
        self._input = self._output = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return 0 at the end of the file."""
        while not self._output:
            if not self._input:
                self._input = self._raw.read(1 << 17)
                if not self._input:
                    if self._frame is not None:
                        raise EOFError("the file ends inside a zstandard frame")
                    return 0
            if self._frame is None:
                self._frame = self._library.ZstdDecompressor().decompressobj()
            self._output = self._frame.decompress(self._input)
            self._input = b""
            if self._frame.eof:
                self._input, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._output))
        buffer[:size], self._output = self._output[:size], self._output[size:]
        return size


def csv_delimiter(path: Any) -> str | None:
    """Return the delimiter of a csv file with rows, or None for anything else."""
    if not isinstance(path, str | Path) or format_of(path) != "csv" or not Path(path).is_file():
        return None
    reader = Reader(path)
    next(reader.chunks(), None)
    return reader.delimiter


def parquet_schema(path: str) -> Any:
    """Return the arrow schema of a parquet file: what is written from it keeps its types."""
    with open_bytes(path) as file:
        return pyarrow().parquet.read_schema(file)


def _all_batches(table: Any, rows: int) -> Iterator[Any]:
    """Yield the record batches of a parquet file.

    Its footer has no checksum. Where that is damaged, pyarrow ends early and reports no error.

    Raises:
        ValueError: the row groups, or the batches, have another number of rows than the footer says.
    """
    counted = sum(table.metadata.row_group(index).num_rows for index in range(table.metadata.num_row_groups))
    read = 0
    if counted == table.metadata.num_rows:
        for batch in table.iter_batches(batch_size=rows):
            read += len(batch)
            yield batch
    if read != table.metadata.num_rows:
        raise ValueError(f"its footer says {table.metadata.num_rows:,} rows, and {read or counted:,} are there")


def _text_rows(lines: Iterator[str]) -> Iterator[Row]:
    """Yield one text a line; in fastText's format (`__label__spam Win a prize`) also its label, or list of labels.

    The first line decides which of the two formats a file has.
    """
    labelled: bool | None = None
    for line in lines:
        text = line.rstrip("\r\n")
        if labelled is None:
            labelled = text.startswith(FASTTEXT)
        if not labelled:
            yield {"text": text}
            continue
        words = text.split(" ")
        count = next((i for i, word in enumerate(words) if not word.startswith(FASTTEXT)), len(words))
        labels = [word.removeprefix(FASTTEXT) for word in words[:count]]
        yield {"text": " ".join(words[count:]), "label": labels[0] if count == 1 else labels}
