"""Rows of csv and tsv files, and notes on quotes that are not closed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..errors import DataError
from .formats import delimiter_of


class DelimitedRows:
    """Rows of a csv or tsv file as dicts of strings; an empty cell is None.

    Args:
        lines: Lines of the file, with their ends.
        name: Name of the file, for messages.
        tabs: True for a tsv file.
        literal: True where a quote is an ordinary character.

    Attributes:
        delimiter: Delimiter of the cells, known once iteration has begun.
        names: Names of the columns, likewise.
    """

    def __init__(self, lines: Iterator[str], name: str, tabs: bool = False, literal: bool = False) -> None:
        self._lines, self._name, self._tabs, self._literal = lines, name, tabs, literal
        self.delimiter = "\t" if tabs else ","
        self.names: list[str] = []
        self._ended = False
        self._rows = self._line_count = 0
        self._longest, self._longest_at, self._swallowed = 1, 0, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        csv.field_size_limit((1 << 31) - 1)
        header = next(self._lines, "")
        self.delimiter = delimiter_of(header, self._tabs)
        quoting: Any = csv.QUOTE_NONE if self._literal else csv.QUOTE_MINIMAL
        reader = csv.reader(self._source(header), delimiter=self.delimiter, quoting=quoting)
        names = next(reader, None)
        if not names:
            return
        self.names = names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{self._name} has two columns {twice!r}; expected distinct names; rename one")
        before = reader.line_num
        for cells in reader:
            start, before = before + 1, reader.line_num
            if before > start:
                self._note_long_row(cells, start, before, len(names))
            if len(cells) == len(names):
                self._rows += 1
                yield dict(zip(names, [cell or None for cell in cells], strict=True))
            elif cells:
                raise self._ragged(len(cells), len(names), start, before)
        self._line_count = reader.line_num

    def _source(self, header: str) -> Iterator[str]:
        yield from chain([header] if header else [], self._lines)
        self._ended = True

    def _note_long_row(self, cells: list[str], start: int, end: int, width: int) -> None:
        if self._ended:
            raise DataError(
                f"{self._name}, line {start}: got a quote that is never closed: the {end - start + 1:,} lines up to "
                "the end of the file would be one row; expected a closing quote; close it, double it if it belongs to "
                "the text, or save the file as .tsv"
            )
        lines = end - start + 1
        if lines > self._longest:
            self._longest, self._longest_at = lines, start
        for cell in cells:
            inner = cell.split("\n")[1:-1]
            whole = sum(line.count(self.delimiter) == width - 1 for line in inner)
            if len(inner) >= 2 and 2 * whole >= len(inner):
                self._swallowed = self._swallowed or start

    def _ragged(self, got: int, expected: int, start: int, end: int) -> DataError:
        spans = f"; the row goes on to line {end}: check for a quote that is not closed" if end > start else ""
        return DataError(
            f"{self._name}, line {start}: got {got} cells; expected {expected}, as in the first line; correct the file"
            f"{spans}"
        )

    def notes(self) -> list[str]:
        """Return a line about rows of many lines, where there are some, once all rows are read."""
        counts = f"{self._name}: {self._rows:,} rows in {self._line_count:,} lines"
        if self._swallowed:
            return [f"{counts}; the row at line {self._swallowed} holds whole rows: a quote there may not be closed"]
        if self._longest > 1:
            return [f"{counts}; the longest, at line {self._longest_at}, has {self._longest:,} lines"]
        return []
