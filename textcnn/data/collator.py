"""TextCollator: padded batches of token ids as tensors, with their labels.

Shapes: B texts, T tokens of the longest text of the batch (0 where every text is empty), C labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model.extents import FlatTexts
from ..runtime.padding import pad_right

# Cells of a padded batch from which it is left flat, where most of them would be padding: 0.25 GB of ids and mask.
FLAT_FROM = 1 << 24
_MOST_PADDING = 4


def stays_flat(lengths: np.ndarray) -> bool:
    """Return whether a batch of texts with these lengths [B] is left without padding."""
    cells = len(lengths) * int(lengths.max(initial=0))
    return cells >= FLAT_FROM and cells > _MOST_PADDING * int(lengths.sum())


class TextCollator:
    """Collator that pads token ids on the right and makes the attention mask.

    >>> collator = TextCollator(pad_token_id=0)
    >>> batch = collator([{"input_ids": [5, 6], "labels": 1}, {"input_ids": [7], "labels": 0}])
    >>> batch["input_ids"].tolist(), batch["attention_mask"].tolist(), batch["labels"].tolist()
    ([[5, 6], [7, 0]], [[1, 1], [1, 0]], [1, 0])
    """

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Features with `input_ids` and, in all or none, `labels` (an id, or C zeros and ones)
        -> input_ids [B, T] int64, attention_mask [B, T] int64, labels [B] int64 or [B, C] float32.
        """
        lengths = np.array([len(feature["input_ids"]) for feature in features], dtype=np.int64)
        ids = np.fromiter(
            (token for feature in features for token in feature["input_ids"]),
            dtype=np.int64,
            count=int(lengths.sum()),
        )
        batch = self.pad(ids, lengths)
        if features and "labels" in features[0]:
            labels = np.asarray([feature["labels"] for feature in features])
            kind = np.int64 if labels.ndim == 1 else np.float32
            batch["labels"] = torch.from_numpy(labels.astype(kind))
        return batch

    def flat_or_padded(self, ids: np.ndarray, lengths: np.ndarray) -> dict[str, Any]:
        """Pad as `pad` does, unless one long text would make that large: then return FlatTexts, without a mask.

        The models of this package take both and answer the same. A text of 50 MB that pads 63 others takes 12 GB.
        """
        if not stays_flat(lengths):
            return dict(self.pad(ids, lengths))
        offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        return {"input_ids": FlatTexts(torch.from_numpy(ids.astype(np.int64)), offsets), "attention_mask": None}

    def pad(self, ids: np.ndarray, lengths: np.ndarray) -> dict[str, Tensor]:
        """Pad the ids [sum of lengths] of texts, one after the other, with lengths [B].

        Returns input_ids [B, T] int64 and attention_mask [B, T] int64.
        """
        input_ids, mask = pad_right(ids, lengths, self.pad_token_id)
        return {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(mask)}
