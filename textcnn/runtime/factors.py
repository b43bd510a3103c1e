"""The int8 table of a model that is stored as the two factors it is made of: token vectors and filters.

Shapes: `V` table rows, `E` components of a vector, `R` values in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.library import address, check, contiguous, library
from .layout import Layout


def table_of_factors(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.int8]:
    """Return the rounded product of vectors and filters: [V, R] int8.

    The vectors are [V, E], int8; the filters [E, R], float16, hold all scales.

    Raises:
        ValueError: one of the two is missing or has another shape.
    """
    columns = Layout.of(config, np.dtype(np.int8)).columns
    for name, shape in (("vectors", "[V, E]"), ("filters", f"[E, {columns}]")):
        if name not in tensors:
            raise ValueError(f"{name}: got none, and no table; expected {shape}; fold the model again")
    vectors, filters = tensors["vectors"], tensors["filters"]
    if filters.shape != (vectors.shape[1], columns):
        raise ValueError(
            f"filters: got {filters.shape}; expected {(vectors.shape[1], columns)}, as config.json says; fold the "
            "model again"
        )
    vectors, filters = contiguous(vectors, np.int8), contiguous(tensors["filters"], np.float16)
    table = np.empty((len(vectors), columns), dtype=np.int8)
    code = library().textcnn_table_of_factors(
        address(vectors), address(filters), len(vectors), vectors.shape[1], columns, address(table)
    )
    check(code)
    return table
