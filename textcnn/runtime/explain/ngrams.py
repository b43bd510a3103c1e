"""The n-grams of one text and label: what filters contribute through the same tokens, added up and shared among them.

Shapes: `F` filters of all widths, `G` n-grams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.library import address, check, contiguous, library
from .winners import Winners


@dataclass(frozen=True)
class Ngrams:
    """The n-grams of a text, in its order.

    Args:
        ends: [G, 2] first and last token.
        weights: [G] what each adds to the logit.
        losses: [G] how much less that is with the next best window of each filter.
        filters, filter_begins: Filters of n-gram g: filters[filter_begins[g]:filter_begins[g + 1]].
        shares, share_begins: Parts of n-gram g's weight of its tokens, a dilation apart; they add up to it, and are NaN
            where the token is padding.
    """

    ends: NDArray[np.int64]
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]
    filters: NDArray[np.int64]
    filter_begins: NDArray[np.int64]
    shares: NDArray[np.float64]
    share_begins: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.weights)


def merge_ngrams(winners: Winners, n: int, weight: NDArray[np.float64]) -> Ngrams:
    """Return the n-grams of text n, for a label whose weights in the head are `weight` [F]."""
    tables = winners.tables
    features = tables.layout.features
    widest = max((own.width for own in tables.layout.widths), default=0)
    ids = winners.ids[winners.begins[n] : winners.ends[n]]
    weight = contiguous(weight, np.float64)
    ends, weights, losses = np.empty((features, 2), np.int64), np.empty(features), np.empty(features)
    filters, filter_begins = np.empty(features, np.int64), np.empty(features + 1, np.int64)
    shares, share_begins = np.empty(features * widest), np.empty(features + 1, np.int64)
    count = library().textcnn_ngrams(
        tables.handle, address(ids), len(ids), address(winners.features[n]), address(winners.without[n]),
        address(winners.sums[n]), address(winners.start[n]), address(weight), address(ends), address(weights),
        address(losses), address(filters), address(filter_begins), address(shares), address(share_begins),
    )  # fmt: skip
    count = check(count)
    return Ngrams(
        ends[:count], weights[:count], losses[:count], filters[: filter_begins[count]], filter_begins[: count + 1],
        shares[: share_begins[count]], share_begins[: count + 1],
    )  # fmt: skip
