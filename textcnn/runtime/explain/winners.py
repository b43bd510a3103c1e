"""The winning n-gram of every filter in many texts at once, as arrays.

Shapes: `N` texts, `T` token ids of all texts, `F` filters of all widths, `C` classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...core.library import address, check, library
from ..tables import Tables, check_ids

# `start` of a filter that has no window, as textcnn.h defines it.
NO_WINDOW = np.iinfo(np.int32).min


@dataclass(frozen=True)
class Winners:
    """The winning window of each filter in each text.

    Tokens are counted from a text's first that is no padding.

    Args:
        tables: The tables that were read.
        ids: [T] token ids.
        begins, ends: [N] text n is ids[begins[n]:ends[n]], without the padding at both ends.
        skipped: [N] padding that each text begins with.
        features: [N, F] pooled values, after activation.
        without: [N, F] pooled values without the winning window: those of the next best, 0 where there is none.
        sums: [N, F] sums of the winning windows with the bias, before activation; -inf where there is none.
        start: [N, F] token that the window begins at: negative where it hangs over the beginning of the text,
            NO_WINDOW where there is none.
        logits: [N, C] bias and contributions of the features, added in float64.
    """

    tables: Tables
    ids: NDArray[np.int32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    skipped: NDArray[np.int64]
    features: NDArray[np.float32]
    without: NDArray[np.float32]
    sums: NDArray[np.float32]
    start: NDArray[np.int32]
    logits: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """First token [N, F] that each window reads; -1 where there is none."""
        step = self.tables.dilation
        start = self.start.astype(np.int64)
        first = np.where(start < 0, start % step, start)
        return np.where(self.start == NO_WINDOW, -1, first)

    @cached_property
    def last(self) -> NDArray[np.int64]:
        """Last token [N, F] that each window reads; -1 where there is none."""
        step = self.tables.dilation
        last = self.start + (self.tables.layout.width_of_features() - 1) * step
        # Positions beyond the end are no tokens.
        beyond = last - (self.ends - self.begins)[:, None]
        last = np.where(beyond >= 0, last - (beyond // step + 1) * step, last)
        return np.where(self.start == NO_WINDOW, -1, last)


def find_winners(tables: Tables, ids: NDArray[np.int32], offsets: NDArray[np.int64], threads: int = 1) -> Winners:
    """Return the winning windows of token ids: text n is ids[offsets[n]:offsets[n + 1]].

    Args:
        tables: Of the model.
        ids: [T].
        offsets: [N + 1].
        threads: Threads that share the texts.

    Raises:
        ValueError: an id is not in the vocabulary, or the model normalises its pooled features, so that no window has
            a part of its own.
    """
    ids, offsets = check_ids(ids, offsets)
    texts = len(offsets) - 1
    features, without, sums = (np.empty((texts, tables.layout.features), np.float32) for _ in range(3))
    start = np.empty(features.shape, np.int32)
    begins, ends = np.empty(texts, np.int64), np.empty(texts, np.int64)
    logits = np.empty((texts, tables.classes))
    code = library().textcnn_winners(
        tables.handle, address(ids), address(offsets), texts, threads, address(features), address(without),
        address(sums), address(start), address(begins), address(ends), address(logits),
    )  # fmt: skip
    check(code)
    return Winners(tables, ids, begins, ends, begins - offsets[:-1], features, without, sums, start, logits)
