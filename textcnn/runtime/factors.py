"""The int8 table of a model that is stored as the two factors it is made of: token vectors and filters.

Shapes: `V` table rows, `E` components of a vector, `R` values in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import Layout

# Rows made at a time: bounds the memory beside the table itself.
_ROWS_AT_A_TIME = 4096


def table_of_factors(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.int8]:
    """[V, R] int8: the rounded product of vectors [V, E], int8, and filters [E, R], float16, which hold all scales.

    Raises:
        ValueError: one of the two is missing or has another shape.
    """
    columns = Layout.of(config, np.dtype(np.int8)).columns
    for name, shape in (("vectors", "[V, E]"), ("filters", f"[E, {columns}]")):
        if name not in tensors:
            raise ValueError(f"{name}: got none, and no table; expected {shape}; fold the model again")
    vectors, filters = tensors["vectors"], tensors["filters"].astype(np.float32)
    if filters.shape != (vectors.shape[1], columns):
        raise ValueError(
            f"filters: got {filters.shape}; expected {(vectors.shape[1], columns)}, as config.json says; fold the "
            "model again"
        )
    table = np.empty((len(vectors), columns), dtype=np.int8)
    for begin in range(0, len(vectors), _ROWS_AT_A_TIME):
        rows = slice(begin, begin + _ROWS_AT_A_TIME)
        sums = vectors[rows].astype(np.float32) @ filters
        np.rint(sums, out=sums)
        table[rows] = np.clip(sums, -127, 127, out=sums)
    return table
