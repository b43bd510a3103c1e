"""Texts of a flat batch side by side, for networks that mix tokens more than once; padding stays zero at every level.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `T` positions of the longest text, `D` vector size,
`F` features.
"""

from __future__ import annotations

import torch
from torch import Tensor


def padded_vectors(vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the vectors of a flat batch in rows, with zeros where no token is.

    Args:
        vectors: [U, D] vectors of the distinct tokens.
        index: [N] row of `vectors` at each position; -1 is a hole.
        offsets: [B + 1] text b is index[offsets[b] : offsets[b + 1]].

    Returns:
        [B, T, D] vectors; mask [B, T, 1], true where a token is; extent [B, T], true from the first to the last
        position of each text. T is at least 1.
    """
    lengths = offsets.diff()
    longest = int(lengths.max()) if len(lengths) else 0
    extent = torch.arange(max(longest, 1), device=index.device) < lengths[:, None]
    rows = index.new_full(extent.shape, -1).masked_scatter(extent, index)
    table = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
    return table[rows], (rows >= 0)[:, :, None], extent


def masked_max(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maximum over the positions of each text and where it is: [B, T, F], [B, T, 1] -> [B, F] twice.

    A text without a token has the maximum 0 at position -1.
    """
    best, position = values.masked_fill(~mask, -torch.inf).max(dim=1)
    exists = mask.any(dim=1)
    return torch.where(exists, best, best.new_zeros(())), torch.where(exists, position, -1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the positions of each text that hold a token: [B, T, F], [B, T, 1] -> [B, F]."""
    return (values * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
