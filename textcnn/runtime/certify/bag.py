"""Bounds on what replaced tokens can do to the logits of a bag.

A replaced token changes its own row and those of the n-grams that hold it, each for some other row: a token's for that
of any token, an n-gram's for any that a bucket can have, because nothing is known of the hash of what takes its place.
The number of rows stays, so that a mean is divided by the same number. A row that two replaced tokens change is counted
with each of them, which never is less than what both do together.

Shapes: `T` tokens, `G` features of a text, `K` linear functions of the logits, `C` classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tables import Tables

Floats = NDArray[np.float64]
# Values of the table that are multiplied by the functions at a time.
_CELLS = 1 << 22


@dataclass(frozen=True)
class BagExtremes:
    """The logits [rows, C] that a replaced token, and an n-gram that holds one, can bring.

    Args:
        of_tokens: Distinct rows of the tokens.
        of_ngrams: Distinct rows of the buckets.
    """

    of_tokens: Floats
    of_ngrams: Floats

    @classmethod
    def of(cls, tables: Tables) -> BagExtremes:
        """Return the extremes of a model with a bag.

        Raises:
            ValueError: some buckets have no row.
        """
        bag = tables.bag
        assert bag is not None
        tokens = np.unique(tables.row_of_id)
        if bag.row_of_bucket is None:
            buckets = bag.first_bucket_row + np.arange(bag.buckets, dtype=np.int32)
        else:
            buckets = np.unique(bag.row_of_bucket)
        if (buckets < 0).any():
            raise ValueError(
                "guarantee: got a bag some of whose buckets add no row, so that a mean may be divided by another "
                "number; expected a row for each bucket"
            )
        return cls(bag.values(tokens[tokens >= 0]), bag.values(buckets))


def bag_losses(
    tables: Tables, ids: NDArray[np.int32], directions: Floats, extremes: BagExtremes, k: int
) -> tuple[Floats, Floats]:
    """Return the most that linear functions of the bag's logits lose by k replaced tokens [K], and the sum of the
    absolute values that the functions add [K], by which they may be rounded.

    Args:
        tables: Of a model with a bag.
        ids: Token ids of the text.
        directions: [K, C].
        extremes: Of the tables.
        k: Tokens that are replaced.
    """
    bag = tables.bag
    assert bag is not None
    features, values = tables.bag_features(ids)
    if not len(values):
        return np.zeros(len(directions)), np.zeros(len(directions))
    divisor = bag.divisor(len(values))
    least = [_least(own, directions) / divisor for own in (extremes.of_tokens, extremes.of_ngrams)]
    reached = values @ directions.T
    loss = reached - np.where(features.lengths[:, None] == 1, least[0], least[1])
    # Rounding aside, no row lies below the least of all rows.
    loss = np.maximum(loss, 0)
    per_token = np.zeros((len(ids), len(directions)))
    for offset in range(int(features.lengths.max())):
        own = features.lengths > offset
        np.add.at(per_token, features.firsts[own] + offset, loss[own])
    worst = np.sort(per_token, axis=0)[-k:].sum(axis=0)
    return np.minimum(worst, loss.sum(axis=0)), np.abs(values).sum(axis=0) @ np.abs(directions).T


def _least(rows: Floats, directions: Floats) -> Floats:
    """Return the least value of each linear function [K, C] among rows of logits: [K]; inf without rows."""
    least = np.full(len(directions), np.inf)
    step = max(1, _CELLS // max(1, len(directions)))
    for begin in range(0, len(rows), step):
        least = np.minimum(least, (rows[begin : begin + step] @ directions.T).min(axis=0))
    return least
