"""Rows of csv, tsv, jsonl, txt and parquet files, plain or compressed, a few thousand at a time.

Only the standard library is needed (parquet and .zst bring their own), so that a server needs nothing else either.
Cells stay what they are in the file: strings in csv and tsv, JSON's types in jsonl.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from ..data.names import delimiter_of, has_literal_quotes
from ..data.writers import Row, pyarrow, zstandard

FORMATS = ("csv", "tsv", "jsonl", "txt", "parquet")
CHUNK = 8192  # rows held at a time

_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # a byte, as `surrogateescape` reads it


def format_of(path: str) -> str | None:
    """'csv' for reviews.csv and reviews.csv.gz; None where the name does not tell."""
    name = Path(path).name.lower().removesuffix(".gz").removesuffix(".zst")
    ending = name.rpartition(".")[2] if "." in name else ""
    ending = {"ndjson": "jsonl", "tab": "tsv", "pq": "parquet", "text": "txt"}.get(ending, ending)
    return ending if ending in FORMATS else None


class Reader:
    """The rows of one file, or of standard input.

    Args:
        path: File, or "-" for standard input.
        format: One of FORMATS; None takes it from the file's name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the format is not known.
    """

    def __init__(self, path: str, format: str | None = None) -> None:
        self.path = path
        self.format = format or format_of(path) or ("txt" if path == "-" else None)
        self.size = 0
        if path != "-":
            if not Path(path).is_file():
                raise FileNotFoundError(f"no file {path}")
            self.size = Path(path).stat().st_size
        if self.format is None and ".json" in Path(path).suffixes:
            raise ValueError(
                f"{path}: got .json, which is not read a row at a time; expected one object a line; save it as .jsonl, "
                "or give --input_format jsonl where it has one object a line"
            )
        if self.format is None:
            raise ValueError(
                f"{path}: got a name that does not tell the format; expected one that ends in .{', .'.join(FORMATS)} "
                "(and .gz or .zst); or give --input_format"
            )
        if path == "-" and self.format == "parquet":
            raise ValueError("standard input: got parquet, which cannot be read as a stream; give the file's name")
        self.not_utf8 = 0  # lines so far that hold such bytes
        self._raw: IO[bytes] | None = None

    @property
    def name(self) -> str:
        return "standard input" if self.path == "-" else self.path

    @property
    def bytes_read(self) -> int:
        """How far into the file, as it lies on the disk, reading has come."""
        return self._raw.tell() if self._raw is not None and self.path != "-" and not self._raw.closed else 0

    def chunks(self) -> Iterator[list[Row]]:
        """The rows in their order, CHUNK at a time.

        Raises:
            ValueError: a row that cannot be read; the message names its line.
        """
        rows = {"csv": self._delimited, "tsv": self._delimited, "jsonl": self._jsonl, "txt": self._txt}
        if self.format == "parquet":
            yield from self._parquet()
            return
        iterator = rows[str(self.format)]()
        try:
            while chunk := list(islice(iterator, CHUNK)):
                yield chunk
        except (EOFError, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.name} is damaged ({error}); expected a complete file; copy it again") from error

    @contextmanager
    def _open(self, newline: str = "") -> Iterator[Iterator[str]]:
        with ExitStack() as opened:
            raw: IO[bytes] = sys.stdin.buffer
            if self.path != "-":
                raw = opened.enter_context(Path(self.path).open("rb"))
            self._raw = raw
            content: Any = raw
            if self.path.endswith(".gz"):
                content = opened.enter_context(gzip.open(raw))
            elif self.path.endswith(".zst"):
                content = zstandard().ZstdDecompressor().stream_reader(raw, read_across_frames=True)
                content = io.BufferedReader(content)
            if content.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise ValueError(f"{self.name} is not UTF-8 (it starts as UTF-16 does); save it as UTF-8")
            # A byte that is no UTF-8 comes back out as it was: one of them must not stop a week of reading.
            text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
            yield self._lines(text)
            if self.path == "-":
                text.detach()  # standard input stays open

    def _lines(self, file: IO[str]) -> Iterator[str]:
        for line in file:
            if not line.isascii() and _NOT_UTF8.search(line):
                self.not_utf8 += 1
            yield line

    def _txt(self) -> Iterator[Row]:
        with self._open(newline="\n") as file:
            for line in file:
                yield {"text": line.rstrip("\r\n")}

    def _jsonl(self) -> Iterator[Row]:
        with self._open(newline="\n") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f"{self.name}, line {number}: no JSON ({error}); expected an object") from None
                if not isinstance(row, dict):
                    raise ValueError(f"{self.name}, line {number}: got {line.strip()[:60]}; expected a JSON object")
                yield row

    def _delimited(self) -> Iterator[Row]:
        csv.field_size_limit((1 << 31) - 1)
        with self._open() as file:
            tabs = self.format == "tsv"
            literal = tabs and self._has_literal_quotes()
            header = next(file, "")
            reader = csv.reader(
                chain([header] if header else [], file),
                delimiter=delimiter_of(header, tabs),
                quoting=csv.QUOTE_NONE if literal else csv.QUOTE_MINIMAL,
            )
            names = next(reader, None)
            if names is None:
                return
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{self.name} has two columns {twice!r}; expected distinct names; rename one")
            for cells in reader:
                if len(cells) == len(names):
                    yield dict(zip(names, cells, strict=True))
                elif cells:
                    raise ValueError(
                        f"{self.name}, line {reader.line_num}: got {len(cells)} cells; expected {len(names)}, as in "
                        "the first line; correct the file"
                    )

    def _has_literal_quotes(self) -> bool:
        """Looks at the start of the file; standard input can be read only once and is taken to quote."""
        if self.path == "-":
            return False
        probe = Reader(self.path, self.format)
        with probe._open() as file:
            return has_literal_quotes(line.rstrip("\r\n") for line in islice(file, 10_000))

    def _parquet(self) -> Iterator[list[Row]]:
        parquet = pyarrow().parquet
        with Path(self.path).open("rb") as file:
            self._raw = file
            try:
                for batch in parquet.ParquetFile(file).iter_batches(batch_size=CHUNK):
                    yield batch.to_pylist()
            except pyarrow().ArrowException as error:
                raise ValueError(f"{self.name} cannot be read as parquet ({error}); copy it again") from error


def parquet_schema(path: str) -> Any:
    """The arrow schema of a parquet file: what is written from it keeps its types."""
    return pyarrow().parquet.read_schema(path)
