"""Extents of the texts of a batch: of a padded one, or of one without padding.

Shapes: `B` texts, `T` tokens with padding, `N` tokens without.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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


class FlatTexts:
    """Token ids of a batch, one text after the other, in place of input_ids where padding would take much memory.

    Shapes: ids [N], offsets [B + 1]; text b is ids[offsets[b] : offsets[b + 1]].
    """

    def __init__(self, ids: Tensor, offsets: Tensor) -> None:
        self.ids, self.offsets = ids, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, *args: Any, **options: Any) -> FlatTexts:
        """Return the same on another device, as Tensor.to does."""
        return FlatTexts(self.ids.to(*args, **options), self.offsets.to(*args, **options))

    def flatten(self) -> Tensor:
        """Return the ids, as Tensor.flatten does those of a padded batch."""
        return self.ids

    def extents(self, pad_token_id: int) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return ids, holes and offsets, each text from its first to its last real token, as `text_extents` does."""
        real = self.ids != pad_token_id
        if bool(real.all()):
            return self.ids, None, self.offsets
        seen = functional.pad(real.cumsum(dim=0), (1, 0))
        before, lengths = seen[self.offsets[:-1]], self.offsets.diff()
        total = seen[self.offsets[1:]] - before
        own = seen[1:] - before.repeat_interleave(lengths)
        inside = (own > 0) & ((own < total.repeat_interleave(lengths)) | real)
        holes = ~real[inside]
        offsets = functional.pad(inside.cumsum(dim=0), (1, 0))[self.offsets]
        return self.ids[inside], holes if bool(holes.any()) else None, offsets


class BatchTokens(NamedTuple):
    """The tokens of a batch, each text from its first to its last real token.

    Args:
        inside: [B, T] True where the texts lie in a padded batch; None for FlatTexts.
        ids: [N] token ids, one text after the other; None for vectors in their place.
        holes: [N] True at padding inside a text; None where there is none.
        offsets: [B + 1] text b is ids[offsets[b] : offsets[b + 1]].
    """

    inside: Tensor | None
    ids: Tensor | None
    holes: Tensor | None
    offsets: Tensor


def batch_tokens(
    pad_token_id: int, input_ids: Tensor | FlatTexts | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None
) -> BatchTokens:
    """Return the tokens of a batch: ids [B, T], FlatTexts, or vectors [B, T, D], with a mask [B, T] or None."""
    if isinstance(input_ids, FlatTexts):
        return BatchTokens(None, *input_ids.extents(pad_token_id))
    if input_ids is None:
        assert inputs_embeds is not None
        mask = inputs_embeds.new_ones(inputs_embeds.shape[:2], dtype=torch.bool)
        inside, holes, offsets = text_extents(mask if attention_mask is None else attention_mask.bool())
        return BatchTokens(inside, None, holes, offsets)
    # A text may spell the padding token out; tables know it as padding only.
    mask = input_ids != pad_token_id
    inside, holes, offsets = text_extents(mask if attention_mask is None else attention_mask.bool() & mask)
    # `long`: an empty list becomes a float tensor, and pipelines send one for an empty text.
    return BatchTokens(inside, input_ids[inside].long(), holes, offsets)
