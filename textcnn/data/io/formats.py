"""File formats by name, and the marks of csv and tsv files. Needs the standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FORMATS = ("csv", "tsv", "json", "jsonl", "txt", "parquet")
COMPRESSIONS = ("gz", "zst")
DELIMITED = ("csv", "tsv")
FASTTEXT = "__label__"  # the prefix of labels in fastText's files
_SYNONYMS = {"ndjson": "jsonl", "tab": "tsv", "pq": "parquet", "text": "txt"}

# Half of a surrogate pair: a half escape of JSON such as "\ud83d", or a byte that `surrogateescape` could not decode.
SURROGATE = re.compile("[\ud800-\udfff]")
_BAD_BYTE = re.compile("[\udc80-\udcff]")


def format_of(path: str | Path) -> str | None:
    """Return the format of a file name, or None.

    Example:
        >>> format_of("reviews.csv.gz")
        'csv'
    """
    name = Path(path).name.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(f".{compression}")
    ending = name.rpartition(".")[2] if "." in name else ""
    ending = _SYNONYMS.get(ending, ending)
    return ending if ending in FORMATS else None


def stem_of(path: Path) -> str:
    """Return a file name without its ending and compression: train for train.csv.gz."""
    return re.sub(rf"\.\w+(\.({'|'.join(COMPRESSIONS)}))?$", "", path.name)


def valid_unicode(text: str) -> str:
    """Return the text with U+FFFD for every half of a surrogate pair: the one rule for text that is no Unicode."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def has_bad_bytes(line: str) -> bool:
    """Return True if bytes of a line, decoded with `surrogateescape`, are no UTF-8."""
    return not line.isascii() and _BAD_BYTE.search(line) is not None


def delimiter_of(header: str, tabs: bool = False) -> str:
    """Return the delimiter of a file with this first line: a comma, or the most frequent of the others.

    Args:
        header: First line.
        tabs: True for a tsv file.

    Example:
        >>> delimiter_of("text;label")
        ';'
    """
    if tabs or "," in header:
        return "\t" if tabs else ","
    return max(",;\t|", key=header.count)


def has_literal_quotes(lines: Iterable[str]) -> bool:
    """Return True if a quote in these lines of a tsv file is an ordinary character.

    It is when no cell spans lines and one has a quote at its start only: quoted cells cannot look like that.
    """
    tabs: int | None = None
    unclosed = False
    for line in lines:
        if tabs is None:
            tabs = line.count("\t")
        if line and line.count("\t") != tabs:
            return False
        if '"' in line:
            cells = [cell for cell in line.split("\t") if cell.startswith('"')]
            unclosed |= any(len(cell) == 1 or not cell.endswith('"') for cell in cells)
    return unclosed


def pyarrow() -> Any:
    """Import pyarrow, with an error that names the package to install."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("parquet files need pyarrow, which is not installed; pip install pyarrow") from None
    return arrow


def zstandard() -> Any:
    """Import zstandard, with an error that names the package to install."""
    try:
        import zstandard as library
    except ImportError:
        raise ValueError(".zst files need zstandard, which is not installed; pip install zstandard") from None
    return library
