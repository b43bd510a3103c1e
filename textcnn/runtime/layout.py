"""Where everything lies in a folded table, worked out from config.json alone.

Shapes: `I` widths, `W` width, `F` filters, `V` table rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Values that vector_ops adds at a time: 32 bytes fill a register of most present CPUs.
LANES = {"int8": 32, "float32": 8}


def filters_of(config: Mapping[str, Any]) -> list[int]:
    """Number of filters of each kernel size, of all members."""
    count, members = config["num_filters"], int(config.get("num_members", 1))
    counts = [count] * len(config["kernel_sizes"]) if isinstance(count, int) else count
    return [members * int(n) for n in counts]


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


def padded_filters(count: int, lanes: int) -> int:
    """Filters of one width with padding: half a vector of `lanes`, or at least a whole one (see vector_ops)."""
    half = lanes // 2
    return half if count <= half else max(count, lanes)


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
        lanes = LANES[dtype.name]
        plan = []
        column = padded_features = features = 0
        for width, count in zip(config["kernel_sizes"], filters_of(config), strict=True):
            padded = padded_filters(count, lanes)
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
