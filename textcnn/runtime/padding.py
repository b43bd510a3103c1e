"""Padding, which has one owner: token ids of several texts as one rectangle, and the mask of the real ones.

Shapes: B texts, T tokens of the longest text of the batch (0 where every text is empty).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pad_right(
    ids: NDArray[np.integer], lengths: NDArray[np.int64], pad_token_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pad the ids [sum of lengths] of texts, one after the other, with lengths [B].

    Returns input_ids [B, T] int64 and attention_mask [B, T] int64.

    Example:
        >>> [array.tolist() for array in pad_right(np.array([5, 6, 7]), np.array([2, 1]), 0)]
        [[[5, 6], [7, 0]], [[1, 1], [1, 0]]]
    """
    width = int(lengths.max()) if len(lengths) else 0
    mask = np.arange(width) < lengths[:, None]
    input_ids = np.full(mask.shape, pad_token_id, dtype=np.int64)
    input_ids[mask] = ids
    return input_ids, mask.astype(np.int64)
