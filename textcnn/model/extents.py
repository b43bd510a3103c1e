"""Extents of the texts of a padded batch.

Shapes: `B` texts, `T` tokens with padding, `N` tokens without.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def text_extents(mask: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return the extents of the texts of a padded batch.

    Shapes: mask [B, T] -> inside [B, T], holes [N] or None, offsets [B + 1].

    A text runs from its first to its last real token, so padding on either side changes nothing. Masked
    positions in between are holes: they keep their place, as zero vectors.
    """
    seen = mask.long().cumsum(dim=1)
    lengths = seen[:, -1] if mask.shape[1] else seen.new_zeros(len(mask))
    # After the first real token, and not after the last one (where the count is complete before the position).
    inside = (seen > 0) & ((seen < lengths[:, None]) | mask)
    extents = inside.sum(dim=1)
    holes = None if torch.equal(extents, lengths) else ~mask[inside]
    return inside, holes, functional.pad(extents.cumsum(dim=0), (1, 0))
