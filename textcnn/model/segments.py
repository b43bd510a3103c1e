"""Pooling by segments: the maximum over a whole text and over each of its equal parts.

A text of L positions, from its first to its last token, is cut into n parts: position t lies in part floor(t n / L), so
that part i begins at ceil(i L / n). Each part is pooled as a text of its own would be: its windows see zero vectors in
place of the other parts, hang over its two ends as the padding says, start anew with the stride, and count where they
hold a token of the part. So a window belongs to a part for every padding, whatever the batch. A part without a token
(there are some where L < n) has the features 0.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `F` filters of all widths, `S`
segments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .config import TextCNNConfig
from .convolution import ParallelConv


class SegmentConv(ParallelConv):
    """Parallel convolutions whose maxima are taken over the whole text and over each part.

    The vectors of distinct tokens are multiplied by the filters once; every position is looked up twice, in its text
    and in its part.
    """

    def __init__(self, config: TextCNNConfig, input_dim: int) -> None:
        super().__init__(config, input_dim)
        self.segments = config.pooling_segments

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a flat batch.

        Shapes: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, (1 + S) F].

        First come the features of the whole text, then those of each part. `winners` counts windows from the beginning
        of the text or part.
        """
        texts = len(offsets) - 1
        pooled = super().forward(vectors, *with_segments(index, offsets, self.segments))
        features, winners = (torch.cat([values[:texts], values[texts:].reshape(texts, -1)], dim=1) for values in pooled)
        return features, winners


def with_segments(index: Tensor, offsets: Tensor, segments: int) -> tuple[Tensor, Tensor]:
    """Return a flat batch of the texts and, after them, their parts: index [2 N or less], offsets [B + B S + 1].

    Holes at the ends of a part are left out, as they are at the ends of a text.
    """
    lengths = offsets.diff()[:, None]
    part = torch.arange(segments, device=index.device)
    # ceil(i L / S), the first position that lies in part i.
    begins = (offsets[:-1, None] + (part * lengths + segments - 1) // segments).flatten()
    offsets_of_parts = torch.cat([begins, offsets[-1:]])
    parts = index
    if bool((index < 0).any()):
        parts, offsets_of_parts = _trimmed(index, offsets_of_parts)
    return torch.cat([index, parts]), torch.cat([offsets[:-1], offsets_of_parts + len(index)])


def _trimmed(index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return a flat batch without the holes at both ends of its texts."""
    real = (index >= 0).long()
    seen = torch.cat([real.new_zeros(1), real.cumsum(dim=0)])
    text = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=index.device), offsets.diff())
    before = seen[:-1] - seen[offsets[:-1]][text]
    after = seen[offsets[1:]][text] - seen[1:]
    kept = (real > 0) | ((before > 0) & (after > 0))
    counts = torch.zeros(len(offsets) - 1, dtype=torch.long, device=index.device).index_add_(0, text, kept.long())
    return index[kept], torch.cat([counts.new_zeros(1), counts.cumsum(dim=0)])
