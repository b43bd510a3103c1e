"""Size of a student: presets, budgets as they are written, and the bytes of a student on a server's disk.

Shapes: `V` tokens, `F` filters of all widths, `C` classes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...folding.bag import keeps_factors
from ...runtime.layout import Layout
from ...runtime.storage import FOLDED_FILE

_BAG = ("bag", "bag_ngrams", "bag_buckets", "bag_dim")
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_NUMBER = r"(\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_SIZE = re.compile(_NUMBER + r"\s*([kmg]?i?b|)")
_SPEED = re.compile(_NUMBER + r"\s*([km]?)\s*texts\s*(?:/|per)\s*s(?:ec(?:ond)?)?")
# What goes beside the tables and the vocabulary: the header of the one file, the settings in the other two.
_HEADERS = 5_000
# Tokens of a vocabulary: more are of no use to a student, and fewer than 1,000 are hardly more than the characters.
LARGEST_VOCABULARY = 30_000
SMALLEST_VOCABULARY = 1_000


@dataclass(frozen=True)
class StudentSize:
    """Widths and filters of a student, the most tokens it knows, its members, and the size of its token vectors.

    Args:
        embedding_dim: None: as large as the initial vectors.
        factored: True if a server keeps vectors and filters in place of the table, see `fold`.
        bag, bag_ngrams, bag_buckets, bag_dim: As in Architecture.
    """

    kernel_sizes: tuple[int, ...]
    num_filters: int | tuple[int, ...]
    vocab_size: int
    num_members: int = 1
    embedding_dim: int | None = None
    factored: bool = False
    bag: str = "none"
    bag_ngrams: int = 2
    bag_buckets: int = 1 << 16
    bag_dim: int | None = None

    def architecture(self) -> dict[str, Any]:
        """Return the arguments of Architecture."""
        filters = self.num_filters if isinstance(self.num_filters, int) else list(self.num_filters)
        shape = {"kernel_sizes": list(self.kernel_sizes), "num_filters": filters, "num_members": self.num_members}
        if self.embedding_dim is not None:
            shape["embedding_dim"] = self.embedding_dim
        return shape if self.bag == "none" else {**shape, **{name: getattr(self, name) for name in _BAG}}

    @property
    def layout(self) -> Layout:
        """Layout of its int8 tables."""
        return Layout.of(self.architecture(), np.dtype(np.int8))

    def bytes(self, labels: Sequence[str], vocabulary_bytes: int) -> int:
        """Return the bytes that a server needs: folded.safetensors in int8, tokenizer.json of that size, config.json.

        Example:
            >>> StudentSize((2, 3), 32, 5_000).bytes(["ham", "spam"], vocabulary_bytes=65_589)
            892475
        """
        tokens = self.bytes_of_a_token(len(labels)) * self.vocab_size
        return tokens + self.fixed_bytes(labels) + vocabulary_bytes

    def bytes_of_a_token(self, classes: int = 0) -> int:
        """Return the bytes of one token: its row, the number of the row, and its row of the bag."""
        return self.row + 4 + self.bag_row(classes)

    def bag_row(self, classes: int) -> int:
        """Return the bytes of a row of the bag's table; 0 without a bag."""
        if self.bag == "none":
            return 0
        kept = self.bag_dim is not None and keeps_factors(self.vocab_size + self._buckets, classes, self.bag_dim)
        return self.bag_dim if kept and self.bag_dim else classes

    @property
    def _buckets(self) -> int:
        return self.bag_buckets if self.bag_ngrams > 1 else 0

    @property
    def row(self) -> int:
        """Bytes of a row of the table, or of a vector."""
        return self.num_members * (self.embedding_dim or 0) if self.factored else self.layout.columns

    def fixed_bytes(self, labels: Sequence[str]) -> int:
        """Return the bytes that do not depend on the vocabulary.

        They are those of zeros; filters; scale, bias, norm and head; labels; headers.
        """
        layout, classes = self.layout, len(labels)
        # A label is there twice, as a name and as a key, and may have a weight.
        names = sum(2 * len(json.dumps(label)) for label in labels) + 80 * classes
        filters = 2 * self.row * layout.columns if self.factored else 0
        columns = self.bag_row(classes)
        # Its buckets, of which those without a weight may take less, the scale of each column, and the second factor.
        bag = columns * (self._buckets + 4 + 4 * classes * (columns != classes)) + (_HEADERS // 10 if columns else 0)
        return self.row + filters + bag + 4 * (layout.features * (4 + classes) + classes) + names + _HEADERS


@dataclass(frozen=True)
class Budget:
    """Limits on the cost of a student.

    Args:
        written: As it was given.
        bytes: Most bytes that a server needs of it on disk; None: any number.
        texts_per_second: Least texts a second on one core; None: any number.
    """

    written: str
    bytes: float | None = None
    texts_per_second: float | None = None

    @property
    def vocab_size(self) -> int:
        """The most tokens of a student."""
        return LARGEST_VOCABULARY


PRESETS = {
    "tiny": StudentSize((2, 3), 32, 8_000),
    "small": StudentSize((3, 4), 64, 16_000),
    "base": StudentSize((3, 4, 5), 100, 30_000),
}

_WIDTHS: Sequence[tuple[int, ...]] = ((2,), (2, 3), (3, 4, 5))
_COMPONENTS: Sequence[int] = (32, 64, 128)
# A row of the table may be so many times as long as the vector that it is made of, unless filters are given: outside a
# CPU's caches, rows take longer. At 3 MB on SST-2, rows of 500 bytes were no better than of 320, and slower.
_UNPACKED = 3
# From 17 to 32 filters of a width take the same room.
_FILTERS: Sequence[int] = (16, 32, 40, 48, 64, 80, 100, 128, 160, 200)


def read_budget(budget: str | None) -> StudentSize | Budget:
    """Return the student or budget that a string describes.

    The string is tiny, small or base (None is base); a size such as 1MB or 500kB; a speed such as 400000 texts/s or
    400k texts/s; or a size and a speed, separated by a comma.

    Example:
        >>> read_budget("3MB, 400k texts/s")
        Budget(written='3MB, 400k texts/s', bytes=3000000.0, texts_per_second=400000.0)

    Raises:
        ValueError: it is none of these.
    """
    if budget is None:
        return PRESETS["base"]
    written = budget.strip().lower() if isinstance(budget, str) else ""  # what is no string is no budget
    if written in PRESETS:
        return PRESETS[written]
    limits: dict[str, float] = {}
    # A comma after a digit groups digits.
    for part in re.split(r"(?<=[a-z])\s*,", written):
        if size := _SIZE.fullmatch(part.strip()):
            name, value = "bytes", _number(size[1]) * _UNITS[size[2]]
        elif speed := _SPEED.fullmatch(part.strip()):
            name, value = "texts_per_second", _number(speed[1]) * {"": 1, "k": 10**3, "m": 10**6}[speed[2]]
        else:
            name, value = "", 0.0
        if not value or name in limits:
            raise ValueError(
                f"budget: got {budget!r}; expected {', '.join(PRESETS)}, a size such as 1MB or 500kB, or a speed such "
                "as 400000 texts/s or 400k texts/s; give one of these, or a size and a speed with a comma between"
            )
        limits[name] = value
    return Budget(budget, **limits)


def students(
    most_bytes: float | None,
    labels: Sequence[str],
    token_bytes: float,
    fixed: Mapping[str, Any] | None = None,
    widest: int | None = None,
    most_tokens: int = LARGEST_VOCABULARY,
    least_tokens: int = 0,
) -> list[StudentSize]:
    """Return, for each shape, the student with the most tokens that fits.

    Args:
        most_bytes: Limit of the bytes on a server's disk; None: any number.
        labels: Names of the classes.
        token_bytes: Of a token in tokenizer.json.
        fixed: kernel_sizes, num_filters, num_members and embedding_dim that are not to be chosen, among others.
        widest: Components of the initial vectors, of which students have no more; None: there are none.
        most_tokens: Largest vocabulary.
        least_tokens: Smallest vocabulary.
    """
    least = max(least_tokens, min(most_tokens, SMALLEST_VOCABULARY))
    fitting = []
    for shape in _shapes(fixed or {}, most_tokens, widest):
        tokens = most_tokens
        if most_bytes is not None:
            room = most_bytes - shape.fixed_bytes(labels)
            tokens = min(tokens, int(room / (shape.bytes_of_a_token(len(labels)) + token_bytes)))
        if tokens >= least:
            fitting.append(replace(shape, vocab_size=tokens))
    return fitting


def smallest_bytes(
    labels: Sequence[str],
    token_bytes: float,
    fixed: Mapping[str, Any] | None = None,
    widest: int | None = None,
    most_tokens: int = LARGEST_VOCABULARY,
    least_tokens: int = 0,
) -> float:
    """Return the bytes of the smallest student; the arguments are those of `students`."""
    least = max(least_tokens, min(most_tokens, SMALLEST_VOCABULARY))
    vocabulary = math.ceil(least * token_bytes)
    return min(shape.bytes(labels, vocabulary) for shape in _shapes(fixed or {}, least, widest))


def worth(size: StudentSize) -> float:
    """Return the quality of a student: minus its validation loss in excess of a student without limits.

    The loss falls with one over the filters, whatever their widths, and with one over the tokens, as on AG News and MR,
    where sixty tokens did as much as a filter in these terms. No widths were better than 2 and 3, byte for byte, on
    both: wider filters were worth no more, and with width 2 alone, more filters did not make up for it. Narrow vectors
    cost as much as makes 128 components and 18,000 tokens a little better than 64 and 30,000, as on SST-2 at 3 MB, and
    5,900 better than 64 and 9,800, as on AG News at 1 MB.
    """
    if not size.kernel_sizes:
        return -60 / size.vocab_size
    alone = 0.004 if len(size.kernel_sizes) == 1 else 0.0
    narrow = 0.0 if size.embedding_dim is None else 0.3 / size.embedding_dim
    return -(1 / size.layout.features + 60 / size.vocab_size + alone + narrow)


def served_bytes(directory: Path) -> int:
    """Return the bytes of the files of an artifact that a server needs: its tables, its tokenizer and its settings."""
    return sum((directory / name).stat().st_size for name in (FOLDED_FILE, "tokenizer.json", "config.json"))


def _number(written: str) -> float:
    return float(written.replace(",", ""))


def _shapes(fixed: Mapping[str, Any], vocab_size: int, widest: int | None) -> list[StudentSize]:
    widths = [tuple(fixed["kernel_sizes"])] if "kernel_sizes" in fixed else _WIDTHS
    given = fixed.get("num_filters")
    filters = _FILTERS if given is None else [given if isinstance(given, int) else tuple(given)]
    members, components = fixed.get("num_members", 1), fixed.get("embedding_dim")
    vectors: list[tuple[int | None, bool]] = [(components, False)]
    if fixed.get("variant") != "multichannel":  # a student of two vectors a token keeps its table
        chosen = [n for n in _COMPONENTS if widest is None or n <= widest] if components is None else [components]
        vectors += [(n, True) for n in chosen]
    bag = {name: fixed[name] for name in _BAG if name in fixed}
    if widths == [()]:
        # Without convolutions there is nothing to choose but the tokens.
        filters, vectors = filters[:1], vectors[:1]
    shapes = [
        StudentSize(w, f, vocab_size, members, *kept, **bag)
        for w in widths
        for f in filters
        for kept in vectors
        if isinstance(f, int) or len(f) == len(w)
    ]
    if not shapes:
        raise ValueError(
            f"num_filters: got {len(given or ())} numbers under a budget that chooses the widths; expected one number, "
            "or 1 to 3; give kernel_sizes as well"
        )
    return [size for size in shapes if given is not None or size.layout.columns <= _UNPACKED * size.row]
