"""Explanations of a mean of rows: the part of each word, n-gram and subword in a logit, which add up to it.

A logit is the mean of one number for each row that a text adds, so that each row has a part of its own. A label of
hierarchical softmax has the logarithm of its probability for a logit, a sum over the decisions on its path; each
decision is shared among the rows in proportion to their parts in its score, which is their integrated gradient from a
text of no rows (Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365).

Shapes: `G` rows of a text, `K` columns of the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..decisions import sigmoid, softmax
from ..fasttext_words import END_OF_TEXT, Features
from ..tokenizer import Utf8Texts
from .explanation import Contribution, Explanation, TokenShare

if TYPE_CHECKING:
    from ..fasttext import FoldedFastText

Doubles = NDArray[np.float64]


def explain_shares(model: FoldedFastText, text: str, c: int | None = None) -> Explanation:
    """Explain one logit of a text, by default the largest.

    Raises:
        ValueError: The text holds half of a surrogate pair.
    """
    Utf8Texts.of([text])  # refuses half of a surrogate pair, and says where it is
    data = text.encode()
    found = model.words.features(model.bag, data)
    values = model.bag.values(found.features[:, 0].astype(np.int32))
    logits = _logits(model, values.sum(axis=0), len(values))
    c = int(logits.argmax()) if c is None else c
    probabilities = (sigmoid if model.multi_label else softmax)(logits[None])[0]
    shares = _Shares(model, text, data, found, values, c, float(logits[c]))
    bias = shares.bias
    return Explanation(
        text, model.labels[c], float(logits[c]), float(probabilities[c]), bias, model.is_int8, shares, pooling="mean"
    )


def _logits(model: FoldedFastText, total: Doubles, count: int) -> Doubles:
    """Logits [C] of a text with `count` rows whose scores add up to `total` [K], divided by the temperature."""
    scores = total / max(1, count)
    if model.tree is None:
        return scores
    columns = scores[None, : len(model.labels) - 1]
    return model.tree.log_probabilities(columns.astype(np.float32))[0].astype(np.float64) / model.temperature


@dataclass(frozen=True)
class _Shares:
    """The rows of a text, with their values [G, K], of which contributions to the logit of label c are made."""

    model: FoldedFastText
    text: str
    data: bytes
    found: Features
    values: Doubles
    c: int
    logit: float

    @property
    def bias(self) -> float:
        """The logit of a text without rows."""
        return float(_logits(self.model, np.zeros(self.values.shape[1]), 0)[self.c])

    def weights(self) -> Doubles:
        """Return the part of each row in the logit: [G]."""
        count = max(1, len(self.values))
        if self.model.tree is None:
            return self.values[:, self.c] / count
        weights = np.zeros(len(self.values))
        for node, sign in self.model.tree.path(self.c):
            parts = sign * self.values[:, node] / count
            score = float(parts.sum())
            gain = np.log(2) - np.logaddexp(0, -score)
            # Near 0 the decision is half its score, whichever rows it is made of.
            weights += parts * (gain / score if abs(score) > 1e-9 else 0.5)
        return weights / self.model.temperature

    def without(self) -> list[float]:
        """Return the logit without each row: that of the mean of the others."""
        total, count = self.values.sum(axis=0), len(self.values)
        if self.model.tree is None:
            rest = (total[self.c] - self.values[:, self.c]) / max(1, count - 1)
            return list(np.where(count > 1, rest, 0.0).tolist())
        scores = (total - self.values) / max(1, count - 1) * (count > 1)
        logits = self.model.tree.log_probabilities(scores[:, : len(self.model.labels) - 1].astype(np.float32))
        return (logits[:, self.c] / self.model.temperature).tolist()

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        """Return the rows as n-grams, the largest weight first."""
        places = _characters(self.data)
        weights, without = self.weights().tolist(), self.without()
        words, features = self.found.words.tolist(), self.found.features.tolist()
        contributions = []
        for g in np.argsort(-np.abs(weights), kind="stable").tolist() if weights else []:
            _, first, length, begin, end = features[g]
            start, stop = int(places[begin]), int(places[end])
            pieces = [(begin, end)] if length == 0 else [(w[0], w[1]) for w in words[first : first + length]]
            tokens = tuple(self._token(places, *piece, weights[g] / len(pieces)) for piece in pieces)
            shown = self.text[start:stop]
            if pieces[-1][0] == pieces[-1][1]:
                shown = f"{shown} {END_OF_TEXT}".strip()
            contributions.append(Contribution(start, stop, shown, weights[g], without[g], tokens, ()))
        return tuple(contributions)

    def logits_of_rest(self, deleted: Sequence[tuple[int, int]]) -> tuple[float, ...]:
        """Return the logits of the text, each time without the words that some characters belong to."""
        places = _characters(self.data)
        words = [(int(places[begin]), int(places[end])) for begin, end, _ in self.found.words.tolist()]
        rests = []
        for start, end in deleted:
            touched = [(a, b) for a, b in words if a < end and b > start and a < b]
            cut, stop = (min(a for a, _ in touched), max(b for _, b in touched)) if touched else (start, start)
            rests.append(self.text[:cut] + " " + self.text[stop:])
        return tuple(self.model.logits(rests)[:, self.c].tolist())

    def _token(self, places: NDArray[np.int64], begin: int, end: int, weight: float) -> TokenShare:
        start, stop = int(places[begin]), int(places[end])
        return TokenShare(start, stop, self.text[start:stop] if begin < end else END_OF_TEXT, weight)


def _characters(data: bytes) -> NDArray[np.int64]:
    """Number of the character that begins at or after each byte of a text, and at its end."""
    starts = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    return np.concatenate([[0], np.cumsum(starts)]).astype(np.int64)
