"""Where everything lies in a folded table, worked out from config.json alone.

Shapes: `I` widths, `W` width, `F` filters, `V` table rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Filters of one offset are padded to half a vector register: 8 int8 or 4 float32 (see vector_ops).
PADDED_TO = {"int8": 8, "float32": 4}
# Sums of a window are int16.
_LARGEST_SUM = 32_767


def filters_of(config: Mapping[str, Any]) -> list[int]:
    """Number of filters of each kernel size."""
    count = config["num_filters"]
    return [int(count)] * len(config["kernel_sizes"]) if isinstance(count, int) else [int(n) for n in count]


def margins(width: int, dilation: int, padding: str) -> tuple[int, int]:
    """How far windows may hang over the two ends of a text.

    Example:
        >>> margins(3, 1, "wide")
        (2, 2)

    Raises:
        ValueError: the padding has no such kind.
    """
    span = (width - 1) * dilation
    kinds = {"wide": (span, span), "same": (span // 2, span - span // 2), "valid": (0, 0)}
    if padding not in kinds:
        raise ValueError(f"padding: got {padding!r}; expected one of {', '.join(kinds)}")
    return kinds[padding]


def largest_level(widths: list[int]) -> int:
    """Largest int8 table value with which no window's int16 sum can overflow."""
    return min(127, _LARGEST_SUM // max(widths))


@dataclass(frozen=True)
class Layout:
    """Columns of the table and features of the pooled vector.

    Args:
        plan: [I, 9] int64, as `kernels` reads it.
        columns: Values in a table row.
        features: Filters of all widths.
    """

    plan: NDArray[np.int64]
    columns: int
    features: int

    @classmethod
    def of(cls, config: Mapping[str, Any], dtype: np.dtype[Any]) -> Layout:
        """The layout of a model's table in float32 or int8."""
        size = dtype.itemsize
        multiple = PADDED_TO[dtype.name]
        plan = []
        column = padded_features = features = 0
        for width, count in zip(config["kernel_sizes"], filters_of(config), strict=True):
            padded = -(-count // multiple) * multiple
            left, right = margins(width, config.get("dilation", 1), config.get("padding", "wide"))
            plan.append([width, column * size, padded * size, padded, padded_features, count, features, left, right])
            column += width * padded
            padded_features += padded
            features += count
        return cls(np.array(plan, dtype=np.int64).reshape(-1, 9), column, features)

    def columns_of(self, width_index: int, offset: int) -> slice:
        """Columns of one width's filters at one window offset, without the padding."""
        _, column_bytes, slice_bytes, padded, _, count, *_ = (int(n) for n in self.plan[width_index])
        start = column_bytes * padded // slice_bytes + offset * padded
        return slice(start, start + count)
