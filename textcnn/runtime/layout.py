"""Layout of a folded table, computed from config.json alone.

Shapes: `W` width, `F` filters, `V` table rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Settings by the number that the core knows them by.
ACTIVATIONS = ("relu", "tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus")
PADDINGS = ("wide", "same", "valid")
# Values in 32 bytes: few filters of a width are padded to half of that, or to all of it.
LANES = {"int8": 32, "float32": 8}


def filters_of(config: Mapping[str, Any]) -> list[int]:
    """Return the number of filters of each kernel size, of all members."""
    count, members = config["num_filters"], int(config.get("num_members", 1))
    counts = [count] * len(config["kernel_sizes"]) if isinstance(count, int) else count
    return [members * int(n) for n in counts]


def margins(width: int, dilation: int, padding: str) -> tuple[int, int]:
    """Return the number of positions that windows may extend beyond the beginning and the end of a text.

    Example:
        >>> margins(3, 1, "wide")
        (2, 2)

    Raises:
        ValueError: there is no such padding.
    """
    span = (width - 1) * dilation
    kinds = {"wide": (span, span), "same": (span // 2, span - span // 2), "valid": (0, 0)}
    if padding not in kinds:
        raise ValueError(f"padding: got {padding!r}; expected one of {', '.join(PADDINGS)}")
    return kinds[padding]


def padded_filters(count: int, lanes: int) -> int:
    """Return the filters of one width with padding: half a vector of `lanes`, or at least a whole one."""
    half = lanes // 2
    return half if count <= half else max(count, lanes)


@dataclass(frozen=True)
class WidthLayout:
    """One kernel size: its place in a table row and among the features.

    Args:
        width: Tokens of a window.
        column: First value in a table row.
        padded: Values of one window offset.
        filters: Number of filters.
        feature: First filter among those of all widths.
        left, right: Positions that windows may hang over the two ends of a text.
    """

    width: int
    column: int
    padded: int
    filters: int
    feature: int
    left: int
    right: int

    @property
    def features(self) -> slice:
        """Its filters among those of all widths."""
        return slice(self.feature, self.feature + self.filters)

    def columns(self, offset: int) -> slice:
        """Return the columns of the filters at one window offset, without the padding."""
        start = self.column + offset * self.padded
        return slice(start, start + self.filters)


@dataclass(frozen=True)
class Layout:
    """Columns of the table and features of the pooled vector.

    Args:
        widths: One entry for each kernel size.
        columns: Values in a table row.
        features: Filters of all widths.
    """

    widths: tuple[WidthLayout, ...]
    columns: int
    features: int

    @classmethod
    def of(cls, config: Mapping[str, Any], dtype: np.dtype[Any]) -> Layout:
        """Return the layout of a model's table in float32 or int8."""
        lanes = LANES[dtype.name]
        widths = []
        column = features = 0
        for width, count in zip(config["kernel_sizes"], filters_of(config), strict=True):
            padded = padded_filters(count, lanes)
            left, right = margins(width, config.get("dilation", 1), config.get("padding", "wide"))
            widths.append(WidthLayout(width, column, padded, count, features, left, right))
            column += width * padded
            features += count
        return cls(tuple(widths), column, features)

    def width_of_features(self) -> NDArray[np.int64]:
        """Return the kernel size of each filter: [F]."""
        return np.repeat([own.width for own in self.widths], [own.filters for own in self.widths])
