"""Labels: strings outside, ids inside; one label a text, or a list of labels.

Shapes: N rows, B rows of a batch, C labels, K label occurrences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .encoding import run_positions
from .errors import DataError, listed, nearest
from .numbers import are_numbers, read_numbers


@dataclass(frozen=True)
class RawLabels:
    """A label column as read: `codes` index `values`, its distinct names.

    codes [N] int64 (-1: no label) or, where offsets [N + 1] is given, [K]: the labels of row b are
    codes[offsets[b]:offsets[b + 1]]. missing [N] bool: rows without a label. names: those of a
    ClassLabel. numbers [N] float64: the numbers of a regression, which has no codes.
    """

    values: list[str]
    codes: np.ndarray
    missing: np.ndarray
    offsets: np.ndarray | None = None
    names: list[str] | None = None
    numbers: np.ndarray | None = None

    @property
    def multi_label(self) -> bool:
        return self.offsets is not None


@dataclass(frozen=True)
class Targets:
    """Label ids of N rows: ids [N] (-1: none), or ids [K] with offsets [N + 1]."""

    ids: np.ndarray
    offsets: np.ndarray | None = None

    def batch(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return ids [B] int64, or zeros and ones [B, C] float32, of rows [B]; other labels have the id C, or none."""
        if self.offsets is None:
            return self.ids[rows]
        row, ids = self._occurrences(rows)
        out = np.zeros((len(rows), num_labels + 1), dtype=np.float32)
        out[row, ids] = 1.0
        return np.ascontiguousarray(out[:, :num_labels])

    def counts(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Count the occurrences of each label in `rows`: [C] int64."""
        ids = self.ids[rows] if self.offsets is None else self._occurrences(rows)[1]
        return np.bincount(ids[ids >= 0], minlength=num_labels)[:num_labels]

    def known(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the mask [B] of rows whose label, or all of whose labels, are among the num_labels."""
        if self.offsets is None:
            return self.ids[rows] < num_labels
        row, ids = self._occurrences(rows)
        mask = np.ones(len(rows), dtype=bool)
        mask[row[ids >= num_labels]] = False
        return mask

    def strata(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the class that a stratified split balances, [B]: the label, or the rarest of several (C for none)."""
        if self.offsets is None:
            return self.ids[rows]
        row, ids = self._occurrences(rows)
        rank = np.empty(num_labels, dtype=np.int64)  # 0: the rarest label
        rank[np.argsort(self.counts(rows, num_labels), kind="stable")] = np.arange(num_labels)
        best = np.full(len(rows), num_labels, dtype=np.int64)
        np.minimum.at(best, row, rank[ids])
        by_rank = np.append(np.argsort(rank), num_labels)
        return by_rank[best]

    def take(self, rows: np.ndarray) -> Targets:
        """Return the targets of `rows`, in that order."""
        if self.offsets is None:
            return Targets(self.ids[rows])
        row, ids = self._occurrences(rows)
        return Targets(ids, _offsets(row, len(rows)))

    @staticmethod
    def join(parts: Sequence[Targets]) -> Targets:
        """Return the targets of all rows of the parts, one part after the other."""
        ids = np.concatenate([part.ids for part in parts])
        if parts[0].offsets is None:
            return Targets(ids)
        lengths = np.concatenate([np.diff(part.offsets) for part in parts if part.offsets is not None])
        return Targets(ids, np.concatenate([[0], np.cumsum(lengths)]))

    def _occurrences(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (position in `rows`, label id) of each label occurrence."""
        assert self.offsets is not None
        where, lengths = run_positions(self.offsets, rows)
        return np.repeat(np.arange(len(rows)), lengths), self.ids[where]


def read_number_labels(column: pa.ChunkedArray, where: str) -> RawLabels:
    """Read a column of numbers to predict.

    Raises:
        DataError: a value is no number.
    """
    numbers = read_numbers(column, where)
    return RawLabels([], np.zeros(0, np.int64), np.isnan(numbers), numbers=numbers)


def read_labels(column: pa.ChunkedArray, names: list[str] | None, where: str, real_numbers: bool = False) -> RawLabels:
    """Read a label column of strings, integers, integral floats, booleans, or lists of these.

    Args:
        column: The column.
        names: Names of a ClassLabel, whose integers index them (-1 and null: no label).
        where: Name of the column, for messages.
        real_numbers: Real numbers are labels, too, as levels that have an order may be.

    Raises:
        DataError: the values are no labels.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # what is left of a column without any chunk
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if not _is_list(array.type):
        values, codes, _ = _distinct(array, names, where, real_numbers)
        return RawLabels(values, codes, codes < 0, None, names)
    missing = pc.is_null(array).to_numpy(zero_copy_only=False)
    parents = pc.list_parent_indices(array).to_numpy(zero_copy_only=False)
    values, codes, integer = _distinct(pc.list_flatten(array), names, where)
    _refuse_indicators(array, values, integer, where)
    parents, codes = parents[codes >= 0], codes[codes >= 0]
    return RawLabels(values, codes, missing, _offsets(parents, len(array)), names)


def present_labels(raw: RawLabels, rows: np.ndarray) -> list[str]:
    """Return the names of the labels that occur in `rows`."""
    counts = Targets(raw.codes, raw.offsets).counts(rows, len(raw.values))
    return [raw.values[code] for code in np.flatnonzero(counts)]


def choose_labels(present: Sequence[str] | None, names: Sequence[str] | None, wish: Sequence[str] | None) -> list[str]:
    """Return the labels in the order of their ids: the wish, else the ClassLabel's, else sorted (integers by value).

    Args:
        present: Labels that occur in train, where that is known.
        names: Names of a ClassLabel.
        wish: Labels given by the user.

    Raises:
        DataError: there are fewer than two, or two of the data's own that only white space tells apart.
    """
    labels = [str(label) for label in wish or names or sort_labels(present or [])]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise DataError(f"the label {twice[0]!r} is named more than once; name each label once")
    trimmed: dict[str, str] = {}
    for label in [] if wish or names else labels:
        if (other := trimmed.setdefault(label.strip(), label)) != label:
            raise DataError(
                f"the labels {other!r} and {label!r} differ in white space only; expected one name for a label; "
                "strip the label column"
            )
    found = labels if present is None else present
    if len(found) < 2 or len(labels) < 2:
        got = f"only the label {(list(found) or labels)[0]!r}" if found or labels else "no label"
        numbers = ", set problem_type to regression where it holds numbers" if are_numbers(found) else ""
        raise DataError(
            f"the train split has {got}; expected at least two labels; check the label column{numbers}, or "
            "add rows of the other labels"
        )
    return labels


def encode_labels(
    raw: RawLabels,
    labels: list[str],
    split: str,
    given: bool,
    others: list[str] | None = None,
    rows: np.ndarray | None = None,
) -> Targets:
    """Return the ids of a split's labels.

    Args:
        raw: The labels.
        labels: Names in the order of the ids.
        split: Name of the split, for messages.
        given: True where the user gave the names; integers in the data are then the ids.
        others: Takes the labels that `labels` lacks, whose id is the number of labels; None refuses them.
        rows: Rows that are used; a label of other rows alone is neither taken nor refused. Default: all.

    Raises:
        DataError: there is a label that `labels` lacks; the nearest is named.
    """
    index = {label: position for position, label in enumerate(labels)}
    by_number = given and raw.names is None and not any(are_numbers([label]) for label in labels)
    table = np.empty(len(raw.values) + 1, dtype=np.int64)
    table[-1] = -1
    used = None if rows is None else Targets(raw.codes, raw.offsets).counts(rows, len(raw.values)) > 0
    for code, value in enumerate(raw.values):
        if value in index:
            table[code] = index[value]
        elif by_number and _is_integer(value) and 0 <= int(value) < len(labels):
            table[code] = int(value)
        elif used is not None and not used[code]:
            table[code] = len(labels)
        elif others is not None:
            table[code] = len(labels)
            others.append(value)
        else:
            raise DataError(
                f"the {split} split has the label {value!r}, which is not among the "
                f"{len(labels)} labels {listed(labels)}{nearest(value, labels)}; correct it, drop "
                "its rows, or give labels= with every label"
            )
    return Targets(table[raw.codes], raw.offsets)


def _offsets(parents: np.ndarray, count: int) -> np.ndarray:
    """Return the offsets [count + 1] of sorted row numbers of elements."""
    return np.concatenate([[0], np.cumsum(np.bincount(parents, minlength=count))])


def sort_labels(values: Sequence[str]) -> list[str]:
    """Return the values sorted as integers where all are integers, else as strings."""
    if all(map(_is_integer, values)):
        return sorted(values, key=int)
    return sorted(values)


def _distinct(
    array: pa.Array, names: list[str] | None, where: str, real_numbers: bool = False
) -> tuple[list[str], np.ndarray, bool]:
    """Return distinct values as strings, the code of each element or -1, and True if they are integers."""
    kind = array.type
    if pa.types.is_floating(kind):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, kind), array)
        try:
            array = array.cast(pa.int64())
        except pa.ArrowInvalid:
            if real_numbers:
                return _distinct(pa.array(map(_name_of_number, array.to_pylist()), pa.string()), names, where)
            example = next(x for x in array.to_pylist() if x is not None and not float(x).is_integer())
            raise DataError(
                f"{where} holds real numbers such as {example}; expected one label for a text "
                "(a name or an integer); to predict numbers, set problem_type to regression; else name another column "
                "with label_column"
            ) from None
    elif pa.types.is_null(kind):
        array = array.cast(pa.string())
    elif not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind) or is_text(kind)):
        raise DataError(
            f"{where} holds values of type {kind}; expected strings, integers, booleans or lists "
            "of these; name another column with label_column"
        )
    integer = pa.types.is_integer(array.type)
    encoded = array if pa.types.is_dictionary(kind) else array.dictionary_encode()
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    found = encoded.dictionary.to_pylist()
    if names is None or not integer:
        return [str(value) for value in found], codes, integer
    table = np.full(len(found) + 1, -1, dtype=np.int64)  # ClassLabel: the code is the integer
    for code, value in enumerate(found):
        if value >= len(names) or value < -1:
            raise DataError(
                f"{where} holds the id {value}; its ClassLabel has {len(names)} names (ids 0 to "
                f"{len(names) - 1}); correct the column or its features"
            )
        table[code] = value
    return list(names), table[codes], True


def _refuse_indicators(array: pa.Array, values: list[str], integer: bool, where: str) -> None:
    """Raise DataError for lists such as [0, 1, 0]: zeros and ones for each label are no lists of labels."""
    lengths = pc.unique(pc.list_value_length(array)).drop_null().to_pylist()
    if integer and sorted(values) == ["0", "1"] and len(lengths) == 1 and lengths[0] > 2:
        raise DataError(
            f"{where} holds {lengths[0]} zeros and ones a row; expected the list of the labels "
            "that a text has, such as [1] or ['sports']; convert the column"
        )


def is_text(kind: pa.DataType) -> bool:
    """Return True if values of this arrow type are strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _name_of_number(value: float | None) -> str | None:
    """Return the name of a number as a label: 1 for 1.0, as another split may hold whole numbers only."""
    return None if value is None else str(int(value)) if float(value).is_integer() else str(value)


def _is_integer(value: Any) -> bool:
    try:
        int(value)
    except ValueError:
        return False
    return True


def names_of(feature: Any) -> list[str] | None:
    """Return the names of a ClassLabel, or of a list of ClassLabel; None for any other feature."""
    while feature is not None and not hasattr(feature, "names"):
        feature = getattr(feature, "feature", None)
    return list(feature.names) if feature is not None and feature.names else None
