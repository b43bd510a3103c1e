"""A bag of tokens and hashed n-grams as a table, and the calls of the compiled core on it.

The features of a text are rows of a table: those of its tokens, and one for each n-gram of successive tokens, found by
a hash. They are pooled and added to the logits.

Shapes: `N` texts, `T` rows of all texts, `H` hashes of all texts, `G` features of one text, `C` classes, `R` table
rows, `D` values in a row: C, or those of the second factor.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.library import BagSpec, address, check, contiguous, last_error, library

Floats = NDArray[np.float32]
POOLINGS = ("sum", "mean", "sqrtn")
LONGEST_NGRAM = 64


@dataclass(frozen=True)
class BagFeatures:
    """The features of one text that add a row.

    Args:
        rows: [G] row of each.
        firsts: [G] the first of the text's rows (length 1) or of its hashes (length 2 or more) that it is made of.
        lengths: [G] how many it is made of.
    """

    rows: NDArray[np.int32]
    firsts: NDArray[np.int64]
    lengths: NDArray[np.int32]


class Bag:
    """The table of a bag, checked and opened.

    Args:
        table: [R, D] float32 or int8.
        classes: C.
        first_bucket_row: Rows before it belong to words or tokens.
        buckets: Number of buckets; 0 without n-grams.
        ngrams: Longest n-gram; 1 for none.
        pooling: "sum" of the rows that a text adds, "mean", or "sqrtn", the sum over the square root of their number.
        scale: [D] value of one step of an int8 table; None for float32.
        output: [C, D] the second factor, None where a row holds one value for each class.
        row_of_bucket: [buckets] row of each bucket, -1 for none; None where bucket b has row first_bucket_row + b.
        temperature: Divides the logits.

    Example:
        >>> bag = Bag(table, classes=2, first_bucket_row=1000, buckets=4096, ngrams=2)
        >>> bag.logits(rows, row_offsets, hashes, hash_offsets)

    Raises:
        ValueError: a tensor has another shape or type, or holds a number that a bag cannot have.
    """

    def __init__(
        self,
        table: NDArray[Any],
        classes: int,
        first_bucket_row: int,
        buckets: int = 0,
        ngrams: int = 1,
        pooling: str = "sum",
        scale: Floats | None = None,
        output: Floats | None = None,
        row_of_bucket: NDArray[np.int32] | None = None,
        temperature: float = 1.0,
    ) -> None:
        if pooling not in POOLINGS:
            raise ValueError(f"bag: got {pooling!r}; expected one of {', '.join(POOLINGS)}")
        if table.ndim != 2 or table.dtype.name not in ("int8", "float32"):
            raise ValueError(
                f"bag table: got {table.dtype} of shape {table.shape}; expected int8 or float32, [rows, columns]; "
                "fold the model again"
            )
        columns = table.shape[1]
        _check_shape("scale", scale, (columns,))
        _check_shape("output", output, (classes, columns))
        _check_shape("row_of_bucket", row_of_bucket, (buckets,))
        self.table: NDArray[Any] = contiguous(table, table.dtype)
        self.scale = None if scale is None else contiguous(scale, np.float32)
        self.output = None if output is None else contiguous(output, np.float32)
        self.row_of_bucket = None if row_of_bucket is None else contiguous(row_of_bucket, np.int32)
        self.classes, self.pooling, self.temperature = classes, pooling, float(temperature)
        self.first_bucket_row, self.buckets, self.ngrams = first_bucket_row, buckets, ngrams
        spec = BagSpec(
            rows=len(table),
            columns=columns,
            classes=classes,
            first_bucket_row=first_bucket_row,
            buckets=buckets,
            ngrams=ngrams,
            table=address(self.table),
            scale=address(self.scale),
            output=address(self.output),
            row_of_bucket=address(self.row_of_bucket),
            multiplier=1 / self.temperature,
            is_int8=self.is_int8,
            pooling=POOLINGS.index(pooling),
        )
        core = library()
        self.handle = core.textcnn_bag_open(ctypes.byref(spec))
        if not self.handle:
            raise last_error()
        weakref.finalize(self, core.textcnn_bag_close, self.handle)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy opens a table of its own: the handle belongs to one process.
        arguments = (
            self.table, self.classes, self.first_bucket_row, self.buckets, self.ngrams, self.pooling, self.scale,
            self.output, self.row_of_bucket, self.temperature,
        )  # fmt: skip
        return Bag, arguments

    @property
    def is_int8(self) -> bool:
        """True where the table is in 8 bits."""
        return bool(self.table.dtype == np.int8)

    def logits(
        self,
        rows: NDArray[np.int32],
        row_offsets: NDArray[np.int64],
        hashes: NDArray[np.int32],
        hash_offsets: NDArray[np.int64],
        threads: int = 1,
    ) -> Floats:
        """Return the logits [N, C] of texts; 0 for a text that adds no row.

        Args:
            rows: [T] text n has rows[row_offsets[n]:row_offsets[n + 1]]; -1 adds nothing.
            row_offsets: [N + 1].
            hashes: [H] signed hashes of the words or tokens that n-grams are made of.
            hash_offsets: [N + 1].
            threads: Threads that share the texts.

        Raises:
            ValueError: a row is not in the table, or offsets do not belong to what they divide.
        """
        rows, row_offsets = _divided("row_offsets", rows, row_offsets)
        hashes, hash_offsets = _divided("hash_offsets", hashes, hash_offsets)
        if len(row_offsets) != len(hash_offsets):
            raise ValueError(
                f"hash_offsets: got {len(hash_offsets) - 1} texts; expected {len(row_offsets) - 1}, as row_offsets has"
            )
        logits = np.empty((len(row_offsets) - 1, self.classes), dtype=np.float32)
        code = library().textcnn_bag_logits(
            self.handle, address(rows), address(row_offsets), address(hashes), address(hash_offsets), len(logits),
            threads, address(logits),
        )  # fmt: skip
        check(code)
        return logits

    def features(self, rows: NDArray[np.int32], hashes: NDArray[np.int32]) -> BagFeatures:
        """Return the features of one text that add a row: first those of its rows [T], then its n-grams.

        Raises:
            ValueError: a row is not in the table.
        """
        rows, hashes = contiguous(rows, np.int32), contiguous(hashes, np.int32)
        most = len(rows) + len(hashes) * (self.ngrams - 1)
        found = BagFeatures(np.empty(most, np.int32), np.empty(most, np.int64), np.empty(most, np.int32))
        count = library().textcnn_bag_features(
            self.handle, address(rows), len(rows), address(hashes), len(hashes), address(found.rows),
            address(found.firsts), address(found.lengths),
        )  # fmt: skip
        check(count)
        return BagFeatures(found.rows[:count], found.firsts[:count], found.lengths[:count])

    def divisor(self, count: int) -> float:
        """Return what the sum of `count` rows is divided by."""
        count = max(1, count)
        return {"sum": 1.0, "mean": float(count), "sqrtn": count**0.5}[self.pooling]

    def values(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return the contributions of rows [G] to the logits before the division of the pooling: [G, C]."""
        values = self.table[rows].astype(np.float64)
        if self.scale is not None:
            values *= self.scale
        if self.output is not None:
            values = values @ self.output.T.astype(np.float64)
        return np.asarray(values / self.temperature)


def bag_of_ids(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], classes: int) -> Bag | None:
    """Return the bag of token ids that config.json and folded.safetensors describe; None for a model without one.

    Args:
        config: The model's config.json.
        tensors: row_of_id [V], bag_table [R, D] and, where there are any, bag_scale [D], bag_output [C, D] and
            bag_row_of_bucket [buckets].
        classes: C.

    Raises:
        ValueError: a tensor is missing or damaged.
    """
    pooling = config.get("bag", "none")
    if pooling == "none":
        return None
    if "bag_table" not in tensors:
        raise ValueError("bag_table: got none; expected a tensor, as config.json has a bag; fold the model again")
    ngrams = int(config.get("bag_ngrams", 1))
    buckets = int(config["bag_buckets"]) if ngrams > 1 else 0
    row_of_bucket, table = tensors.get("bag_row_of_bucket"), tensors["bag_table"]
    # Where buckets are pruned, their rows are named; the rest is checked against the rows of tokens.
    first = len(table) - buckets if row_of_bucket is None else int(tensors["row_of_id"].max(initial=-1)) + 1
    return Bag(
        table, classes, first, buckets, ngrams, pooling, tensors.get("bag_scale"), tensors.get("bag_output"),
        row_of_bucket, float(config.get("temperature", 1.0)),
    )  # fmt: skip


def hash_of_word(word: bytes) -> int:
    """Return fastText's hash of a word, 32-bit FNV-1a over signed bytes, as a signed number.

    Example:
        >>> hash_of_word(b"hello")
        1335831723
    """
    return int(library().textcnn_hash_of_word(word, len(word)))


def hashes_of_ids(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the hashes of token ids in a bag of token ids: a fixed mixing of the bits of each id."""
    ids = contiguous(ids, np.int32)
    hashes = np.empty_like(ids)
    check(library().textcnn_hashes_of_ids(address(ids), len(ids), address(hashes)))
    return hashes


def _divided(name: str, values: Any, offsets: Any) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    values, offsets = contiguous(values, np.int32), contiguous(offsets, np.int64)
    if not len(offsets) or offsets[-1] != len(values):
        raise ValueError(
            f"{name}: got {offsets[-1:].tolist()} at the end; expected {len(values)}, after one begin for each text"
        )
    return values, offsets


def _check_shape(name: str, tensor: NDArray[Any] | None, expected: tuple[int, ...]) -> None:
    if tensor is not None and tensor.shape != expected:
        raise ValueError(f"bag {name}: got shape {tensor.shape}; expected {expected}; fold the model again")
