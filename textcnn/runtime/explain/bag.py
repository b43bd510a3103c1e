"""The part of a bag in an explanation: each token and n-gram with what its row adds to a logit.

Shapes: `T` tokens of one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..tables import Tables

if TYPE_CHECKING:
    from .explanation import Contribution

# First and last token of an n-gram.
Place = tuple[int, int]


def add_bag(
    contributions: dict[Place, Contribution],
    tables: Tables,
    ids: NDArray[np.int32],
    c: int,
    logit: float,
    text: str,
    spans: Sequence[tuple[int, int]],
) -> None:
    """Add what the bag makes of a text's tokens to the n-grams of the convolutions, where they are the same.

    Args:
        contributions: n-grams of the convolutions, by their first and last token.
        tables: Of the model.
        ids: [T] token ids of the text, without the padding at both ends.
        c: Class that is explained.
        logit: Its logit.
        text: The text.
        spans: [T] first and last character of each token.
    """
    from .explanation import Contribution, TokenShare

    features, values = tables.bag_features(ids)
    numbers = zip(features.firsts.tolist(), features.lengths.tolist(), values[:, c].tolist(), strict=True)
    for first, length, weight in numbers:
        if weight == 0:
            continue
        last = first + length - 1
        start, end = spans[first][0], spans[last][1]
        tokens = tuple(TokenShare(b, e, text[b:e], weight / length) for b, e in spans[first : last + 1])
        before = contributions.get((first, last))
        if before is None:
            contributions[first, last] = Contribution(start, end, text[start:end], weight, logit - weight, tokens, ())
            continue
        shares = zip(before.tokens, tokens, strict=True)
        contributions[first, last] = before._replace(
            weight=before.weight + weight,
            without=before.without - weight,
            tokens=tuple(own._replace(weight=own.weight + other.weight) for own, other in shares),
        )
