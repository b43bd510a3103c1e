"""Rows as csv, tsv, jsonl or parquet; a file appears under its name once it is complete.

Only the standard library is needed; parquet and .zst bring their own.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from .formats import pyarrow, zstandard
from .locations import whole_file
from .readers import Row

FORMATS = ("csv", "tsv", "jsonl", "parquet")


class Writer(Protocol):
    """A file that takes rows, all with the columns of the first."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""

    def begin(self, names: Sequence[str]) -> None:
        """Write the names of the columns, where the format has them and no row was written."""

    def notes(self) -> list[str]:
        """Return a line for each thing in the rows that a user should know."""


@contextmanager
def open_writer(
    path: str | None, format: str, schema: Any = None, delimiter: Callable[[], str | None] = lambda: None
) -> Iterator[Writer]:
    """Open a file, or standard output, for rows.

    Args:
        path: File to write, also .gz or .zst and also remote; None for standard output.
        format: One of FORMATS.
        schema: For parquet, the arrow schema of those columns whose types are known.
        delimiter: Gives the delimiter of a csv file when the first row is written, such as that of the file that is
            read; None is a comma.
    """
    if path is None:
        out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="surrogateescape", newline="")
        try:
            yield _text_writer(out, format, delimiter)
            out.flush()
        finally:
            out.detach()
        return
    with whole_file(path) as temporary:
        if format == "parquet":
            writer = ParquetWriter(temporary, schema)
            yield writer
            writer.close()
        else:
            with _create(temporary) as file:
                yield _text_writer(file, format, delimiter)


def _create(path: Path) -> IO[str]:
    open_text: Any = {".gz": gzip.open, ".zst": zstandard().open if path.suffix == ".zst" else None}.get(
        path.suffix, open
    )
    # A byte that was no UTF-8 goes out as it came in.
    file: IO[str] = open_text(path, "wt", encoding="utf-8", errors="surrogateescape", newline="")
    return file


def _text_writer(file: IO[str], format: str, delimiter: Callable[[], str | None]) -> Writer:
    if format == "jsonl":
        return JsonLinesWriter(file)
    return DelimitedWriter(file, (lambda: "\t") if format == "tsv" else delimiter)


class JsonLinesWriter:
    """One JSON object a line."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._rows_with_nan = 0

    def write(self, rows: Sequence[Row]) -> None:
        encode = json.JSONEncoder(ensure_ascii=False, default=str, allow_nan=False).encode
        for row in rows:
            try:
                line = encode(row)
            except ValueError:  # NaN and infinity are no JSON, and other readers stop at them
                self._rows_with_nan += 1
                line = encode(_without_nan(row))
            self._file.write(_writable(line) + "\n")

    def begin(self, names: Sequence[str]) -> None:
        """Do nothing, because each row has its own names."""

    def notes(self) -> list[str]:
        """Return a line about numbers that JSON does not have."""
        count = self._rows_with_nan
        rows = "1 row" if count == 1 else f"{count:,} rows"
        return [f"NaN or infinity in {rows}, which JSON does not have, written as null"] if count else []


class DelimitedWriter:
    """csv or tsv: a line of names, then a line a row; a missing value is an empty cell."""

    def __init__(self, file: IO[str], delimiter: Callable[[], str | None]) -> None:
        self._file, self._delimiter = file, delimiter
        self._writer: Any = None
        self._names: list[str] | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Write the line of names, once."""
        if self._names is None and names:
            self._names = list(names)
            self._writer = csv.writer(self._file, delimiter=self._delimiter() or ",", lineterminator="\n")
            self._writer.writerow(self._names)

    def notes(self) -> list[str]:
        """Return no lines."""
        return []

    def write(self, rows: Sequence[Row]) -> None:
        if rows:
            self.begin(list(rows[0]))
        if self._names is None:
            return
        names = self._names
        known = set(names)
        for row in rows:
            if not row.keys() <= known:
                raise ValueError(
                    f"output: got a row with the column {sorted(row.keys() - known)[0]!r}; expected those of the "
                    f"first row, {', '.join(names)}; write .jsonl, where rows may differ"
                )
        self._writer.writerows([_cell(row.get(name)) for name in names] for row in rows)


class ParquetWriter:
    """Parquet, whose columns have the types of the schema and, where that has none, those of the first rows."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._path, self._schema = path, schema
        self._writer: Any = None

    def write(self, rows: Sequence[Row]) -> None:
        arrow = pyarrow()
        try:
            if self._writer is None:
                found = arrow.Table.from_pylist(list(rows)).schema
                known = {} if self._schema is None else {field.name: field for field in self._schema}
                metadata = None if self._schema is None else self._schema.metadata
                # What is empty in the first rows can only be guessed: most such columns are texts.
                found = [f.with_type(arrow.string()) if arrow.types.is_null(f.type) else f for f in found]
                self._schema = arrow.schema([known.get(field.name, field) for field in found], metadata)
                self._writer = arrow.parquet.ParquetWriter(self._path, self._schema, write_page_checksum=True)
            self._writer.write_table(arrow.Table.from_pylist(list(rows), schema=self._schema))
        except (arrow.ArrowException, UnicodeEncodeError) as error:
            raise ValueError(f"output: a row cannot be written as parquet ({error}); write .jsonl instead") from None

    def begin(self, names: Sequence[str]) -> None:
        """Set the names of columns of texts for output without rows, which would give their types."""
        if self._writer is None:
            arrow = pyarrow()
            known = {} if self._schema is None else {field.name: field for field in self._schema}
            self._schema = arrow.schema([known.get(name, arrow.field(name, arrow.string())) for name in names])

    def notes(self) -> list[str]:
        """Return no lines."""
        return []

    def close(self) -> None:
        if self._writer is None:  # no row at all
            pyarrow().parquet.write_table((self._schema or pyarrow().schema([])).empty_table(), self._path)
        else:
            self._writer.close()


def _without_nan(value: Any) -> Any:
    """Return a value with None for every NaN and infinity inside."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return [_without_nan(item) for item in value] if isinstance(value, (list, tuple)) else value


# Halves of surrogate pairs, as an escape in JSON can make them, but for those that stand for a byte of the input.
_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def _writable(text: str) -> str:
    """Return the text with half surrogate pairs, which no encoding can write, as JSON's escapes."""
    return text if text.isascii() else _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _writable(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
