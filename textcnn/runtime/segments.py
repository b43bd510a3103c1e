"""Texts cut into equal parts, as `textcnn.model.segments` cuts them: a part is a text of its own.

Shapes: `N` texts, `T` token ids of all texts, `S` segments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def with_segments(
    ids: NDArray[np.int32], offsets: NDArray[np.int64], is_token: NDArray[np.bool_], segments: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the ids of the texts and, after them, of their parts: ids [2 T], offsets [N + N S + 1].

    Position t of the L from the first token of a text to its last lies in part floor(t S / L). Padding around a text
    goes to its first and last part, where the tables leave it out.

    Args:
        ids: [T] token ids; text n is ids[offsets[n]:offsets[n + 1]].
        offsets: [N + 1].
        is_token: [T] False for padding.
        segments: S.

    Example:
        >>> with_segments(np.array([5, 6, 7], np.int32), np.array([0, 3]), np.array([True] * 3), 2)[1]
        array([0, 3, 5, 6])
    """
    tokens = np.flatnonzero(is_token)
    low, high = np.searchsorted(tokens, offsets[:-1]), np.searchsorted(tokens, offsets[1:])
    some = high > low
    # A text without a token has empty parts.
    first, end = offsets[:-1].copy(), offsets[:-1].copy()
    first[some], end[some] = tokens[low[some]], tokens[high[some] - 1] + 1
    # ceil(i L / S), the first position that lies in part i.
    part = np.arange(segments)
    begins = first[:, None] + -((-part * (end - first)[:, None]) // segments)
    begins[:, 0] = offsets[:-1]
    joined = np.concatenate([offsets[:-1], begins.ravel() + len(ids), [2 * len(ids)]])
    return np.concatenate([ids, ids]), joined.astype(np.int64)
