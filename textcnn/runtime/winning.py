"""The winning n-gram of every filter in many texts at once, as arrays.

Shapes: `N` texts, `F` filters of all widths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .folded import FoldedTextCNN

# Texts whose windows are held at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class Winners:
    """What won each filter in each text.

    Args:
        features: [N, F] pooled values, after activation.
        without: [N, F] what they would be without the winning window: those of the next best, 0 where there is none.
        sums: [N, F] sums of the winning windows with the bias, before activation; -inf where there is none.
        start: [N, F] the token that the window begins at, negative where it hangs over the beginning of the text.
        first, last: [N, F] first and last token of the text that the window reads; -1 where there is none.
        ids: Token ids, without padding around them: text n is ids[offsets[n]:offsets[n + 1]].
        offsets: [N + 1].
        skipped: [N] tokens before the first of `ids`: padding that the text begins with.
    """

    features: NDArray[np.float32]
    without: NDArray[np.float32]
    sums: NDArray[np.float32]
    start: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    skipped: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.features)


def winners(model: FoldedTextCNN, texts: Sequence[str]) -> Winners:
    """The winning windows of texts.

    Raises:
        ValueError: the model normalises its pooled features, so that no window has a part of its own.
    """
    return winners_of_ids(model, *model.encode(texts))


def winners_of_ids(model: FoldedTextCNN, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Winners:
    """The winning windows of token ids: text n is ids[offsets[n]:offsets[n + 1]]."""
    from .kernels import ACTIVATIONS
    from .winners import find_winners_of_texts

    if model.config.get("pooled_norm"):
        raise ValueError(
            "got a model that normalises its pooled features, so that no n-gram has a part of its own; expected "
            "pooled_norm False; train without it"
        )
    tensors, layout, config = model._tensors, model._layout, model.config
    row_of_id, table = tensors["row_of_id"], tensors["table"]
    ids, offsets, skipped = without_padding(ids, offsets, row_of_id[ids] >= 0)
    features, without, sums = (np.empty((len(offsets) - 1, layout.features), np.float32) for _ in range(3))
    start, first, last = (np.empty(features.shape, np.int32) for _ in range(3))
    find_winners_of_texts(
        ids, offsets, row_of_id, table, layout.plan, int(config.get("dilation", 1)), int(config.get("stride", 1)),
        len(table) - 1, tensors["scale"], tensors["bias"], ACTIVATIONS.index(config.get("activation", "relu")),
        features, without, sums, start, first, last,
    )  # fmt: skip
    return Winners(features, without, sums, start, first, last, ids, offsets, skipped)


def without_padding(
    ids: NDArray[np.int32], offsets: NDArray[np.int64], real: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Texts from their first to their last real token: ids, offsets [N + 1], and the number of each first token [N]."""
    starts = np.zeros(len(offsets) - 1, dtype=np.int64)
    if real.all():
        return ids, offsets, starts
    inside = np.zeros(len(ids), dtype=bool)
    for n in range(len(starts)):
        at = np.flatnonzero(real[offsets[n] : offsets[n + 1]])
        if len(at):
            starts[n] = at[0]
            inside[offsets[n] + at[0] : offsets[n] + at[-1] + 1] = True
    before = np.concatenate([[0], np.cumsum(inside)]).astype(np.int64)
    return ids[inside], before[offsets], starts


def winners_in_chunks(model: FoldedTextCNN, texts: Sequence[str]) -> Iterator[tuple[int, Winners]]:
    """The same for any number of texts, some at a time, each with the position of its first text."""
    for begin in range(0, len(texts), _CHUNK):
        yield begin, winners(model, texts[begin : begin + _CHUNK])
