"""Every window of some texts with the activations of its filters, of which a mean is made.

Shapes: `N` texts, `T` token ids of all texts, `F` filters of all widths, `W` width, `K` windows of all texts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.library import address, check, library
from ..layout import ACTIVATIONS, WidthLayout
from ..tables import Tables


class WindowMaps(NamedTuple):
    """Activated windows of one width in some texts.

    text: [K] number of the text; position: [K, W] positions in it that a window reads, counted from the first token,
    -1 for those without a token; values: [K, F of the width] activations.
    """

    text: NDArray[np.int64]
    position: NDArray[np.int64]
    values: NDArray[np.float32]


def window_maps(tables: Tables, own: WidthLayout, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> WindowMaps:
    """Return the windows of one width that hold a token, in the order of the texts, with their activations."""
    rows = tables.row_of_id[ids]
    begins, lengths = _extents(rows, offsets)
    span = (own.width - 1) * tables.dilation
    windows = np.maximum((lengths + own.left + own.right - span - 1) // tables.stride + 1, 0) * (lengths > 0)
    text = np.repeat(np.arange(len(lengths)), windows)
    number = np.arange(len(text)) - (np.cumsum(windows) - windows)[text]
    position = number[:, None] * tables.stride - own.left + np.arange(own.width) * tables.dilation
    inside = (position >= 0) & (position < lengths[text][:, None])
    row = np.full(position.shape, -1, dtype=np.int64)
    row[inside] = rows[(begins[text][:, None] + position)[inside]]
    counts = (row >= 0).any(axis=1)
    text, position, row = text[counts], position[counts], row[counts]
    position = np.where(row >= 0, position, -1)
    values = np.zeros((len(text), own.filters), dtype=np.float32)
    for offset in range(own.width):
        terms = tables.table[:, own.columns(offset)]
        values += terms[np.where(row[:, offset] >= 0, row[:, offset], tables.hole)]
    values = np.ascontiguousarray(values * tables.scale[own.features] + tables.bias[own.features])
    check(library().textcnn_activate(address(values), values.size, ACTIVATIONS.index(tables.activation)))
    return WindowMaps(text, position, values)


def _extents(rows: NDArray[np.int32], offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the position of the first token of each text, and the number of positions up to its last: [N] each."""
    tokens = np.flatnonzero(rows >= 0)
    low, high = np.searchsorted(tokens, offsets[:-1]), np.searchsorted(tokens, offsets[1:])
    some = high > low
    begins, lengths = offsets[:-1].copy(), np.zeros(len(offsets) - 1, dtype=np.int64)
    begins[some] = tokens[low[some]]
    lengths[some] = tokens[high[some] - 1] + 1 - begins[some]
    return begins, lengths
