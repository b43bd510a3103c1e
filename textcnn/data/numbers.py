"""Numbers as targets, one a text, for `problem_type` regression.

Shapes: `N` rows, `B` rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import DataError

REGRESSION, ORDINAL = "regression", "ordinal"
# Groups of about equal size that a held-out part is balanced over.
_STRATA = 10


@dataclass(frozen=True)
class NumberTargets:
    """The number of each of N rows: values [N] float64. It has the methods of `labels.Targets`."""

    values: np.ndarray

    def batch(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the numbers of rows [B], float32, NaN where there is none."""
        return self.values[rows].astype(np.float32)

    def counts(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the number of rows that have the one target: [1]."""
        return np.array([int(np.isfinite(self.values[rows]).sum())])

    def known(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return a mask [B] that keeps every row."""
        return np.ones(len(rows), dtype=bool)

    def strata(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the group of each row, by the size of its number, that a stratified split balances: [B]."""
        values = self.values[rows]
        known = values[np.isfinite(values)]  # of several label columns, a row may lack the number
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _STRATA + 1)[1:-1])) if len(known) else known
        return np.searchsorted(edges, values, side="right").astype(np.int64)


def read_numbers(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """Read a column of numbers, or of strings that are numbers: [N] float64, NaN where there is none.

    Args:
        column: The column.
        where: Name of the column, for messages.

    Raises:
        DataError: a value is no number; its row is named.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        values = column.cast(pa.float64(), safe=False)
        return np.asarray(pc.fill_null(values, float("nan")).to_numpy(), dtype=np.float64)
    return np.array([_number(value, row, where) for row, value in enumerate(column.to_pylist(), 1)], dtype=np.float64)


def check_numbers(values: np.ndarray, rows: np.ndarray, where: str) -> None:
    """Raise DataError at the first of some rows whose number is missing or not finite.

    Args:
        values: Number of each row [N], NaN where there is none.
        rows: Positions of the rows that are used.
        where: Name of the column, for messages.
    """
    wrong = rows[~np.isfinite(values[rows])]
    if len(wrong):
        value = values[wrong[0]]
        got = "no number" if np.isnan(value) else f"{value}"
        others = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise DataError(
            f"{where} holds {got} in row {int(wrong[0]) + 1:,}{others}; expected a finite number for each text, as "
            "problem_type is regression; fill it, or drop the row"
        )


def mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Return the mean and the standard deviation of the numbers of the train rows.

    Raises:
        DataError: all of them are equal.
    """
    deviation = float(values.std())
    if not deviation > 0:
        got = f"only the number {values[0]:g}" if len(values) else "no number"
        raise DataError(
            f"the train split has {got}; expected at least two different numbers; check the label column, or add rows"
        )
    return float(values.mean()), deviation


def refuse_numbers(problem_type: str | None, verb: str) -> None:
    """Raise DataError where a verb that needs labels without order is given problem_type regression or ordinal."""
    if problem_type == "ordinal":
        raise DataError(
            f"problem_type: got ordinal for {verb}, whose labels have no order; expected single_label_classification "
            "or multi_label_classification; train ordered levels with textcnn train"
        )
    if problem_type == REGRESSION:
        raise DataError(
            f"problem_type: got regression for {verb}, which needs labels; expected single_label_classification or "
            "multi_label_classification; predict numbers with textcnn train"
        )


def are_numbers(values: Sequence[str]) -> bool:
    """Return True if each of some names of labels is a number."""
    try:
        return bool(values) and all(np.isfinite(float(value)) for value in values)
    except ValueError:
        return False


def _number(value: Any, row: int, where: str) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return float("nan")
    try:
        if isinstance(value, str):
            return float(value)
    except ValueError:
        pass
    raise DataError(
        f"{where} holds {value!r:.60} in row {row:,}; expected one number a text, as problem_type is regression; name "
        "the column of the numbers with label_column"
    )
