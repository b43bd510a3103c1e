"""Why a text got its answer: the n-grams that made a logit, adding up to it exactly.

A logit is the head's bias plus, for each filter, its weight times the activation of its best window. So each filter
contributes through one n-gram, and what filters contribute through the same n-gram is added up.

Shapes: `T` tokens, `F` filters of all widths, `I` widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .decisions import sigmoid, softmax
from .winning import Winners, winners_in_chunks

if TYPE_CHECKING:
    from .folded import FoldedTextCNN


class TokenShare(NamedTuple):
    """A token's part in the weight of an n-gram.

    start, end: characters of the text; text: those characters; weight: its part of the n-gram's weight.
    """

    start: int
    end: int
    text: str
    weight: float


class Contribution(NamedTuple):
    """What one n-gram adds to a logit.

    start, end: characters of the text, from its first token to its last; text: those characters.
    weight: what it adds to the logit.
    without: the logit if its windows were not there: the next best window of each of its filters in their place.
    tokens: its tokens, whose weights add up to the weight.
    filters: numbers of the filters that it won, as in the features.
    """

    start: int
    end: int
    text: str
    weight: float
    without: float
    tokens: tuple[TokenShare, ...]
    filters: tuple[int, ...]


@dataclass
class Explanation:
    """The n-grams behind one logit of one text: bias + sum of weights = logit.

    Args:
        text: The text.
        label: The label that is explained.
        logit: Its logit, divided by the temperature.
        probability: Its probability.
        bias: The part of the logit that no text changes.
        approximate: Whether the tables are int8: exact for what they answer, near what the model would.
    """

    text: str
    label: str
    logit: float
    probability: float
    bias: float
    approximate: bool
    _windows: _Windows = field(repr=False)

    @cached_property
    def contributions(self) -> tuple[Contribution, ...]:
        """The n-grams, the largest weight (of either sign) first."""
        return self._windows.contributions(self.logit)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "text": self.text,
            "label": self.label,
            "logit": self.logit,
            "probability": self.probability,
            "bias": self.bias,
            "approximate": self.approximate,
            "contributions": [
                {
                    "start": c.start,
                    "end": c.end,
                    "text": c.text,
                    "weight": c.weight,
                    "without": c.without,
                    "tokens": [{"start": t.start, "end": t.end, "text": t.text, "weight": t.weight} for t in c.tokens],
                    "filters": list(c.filters),
                }
                for c in self.contributions
            ],
        }

    def characters(self) -> NDArray[np.float64]:
        """Weight of each character of the text: that of its tokens, spread evenly over their characters."""
        weights = np.zeros(len(self.text))
        for contribution in self.contributions:
            for token in contribution.tokens:
                weights[token.start : token.end] += token.weight / max(1, token.end - token.start)
        return weights

    def to_html(self, top: int = 12) -> str:
        """A fragment of HTML: the text with its tokens coloured, and the n-grams that weigh most."""
        from .explain_views import html

        return html(self, top)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __rich__(self) -> Any:
        from .explain_views import table

        return table(self)


@dataclass(frozen=True)
class _Windows:
    """The winning windows of text n of `won`, and the head's weights [F] of the label; n-grams are made when asked."""

    model: FoldedTextCNN
    won: Winners
    n: int
    text: str
    weight: NDArray[np.float64]

    def spans(self) -> list[tuple[int, int]]:
        """Where each token lies in the text."""
        begin, length = int(self.won.skipped[self.n]), int(np.diff(self.won.offsets[self.n : self.n + 2])[0])
        offsets = self.model._tokenizer.reference.encode(self.text).offsets
        return list(offsets[begin : begin + length])

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        won, n, text = self.won, self.n, self.text
        first, last = won.first[n], won.last[n]
        weights, losers = self.weight * won.features[n], self.weight * won.without[n]
        contributing = np.flatnonzero((first >= 0) & ((weights != 0) | (losers != 0)))
        if not len(contributing):
            return ()
        spans, (positions, parts) = self.spans(), _shares(self.model, won, n, self.weight)
        tokens = len(spans)
        windows, ngram = np.unique(first[contributing] * tokens + last[contributing], return_inverse=True)
        weight = np.bincount(ngram, weights=weights[contributing])
        without = logit - weight + np.bincount(ngram, weights=losers[contributing])
        real = positions[contributing] >= 0
        pairs, of_pair = np.unique((ngram[:, None] * tokens + positions[contributing])[real], return_inverse=True)
        share = np.bincount(of_pair, weights=parts[contributing][real])
        pair_begins = np.searchsorted(pairs, np.arange(len(windows) + 1) * tokens)
        by_ngram = np.argsort(ngram, kind="stable")
        filter_begins = np.searchsorted(ngram[by_ngram], np.arange(len(windows) + 1))
        filters = contributing[by_ngram].tolist()
        places, shares = (pairs % tokens).tolist(), share.tolist()
        found = []
        for g in np.argsort(-np.abs(weight), kind="stable").tolist():
            begin, end_token = divmod(int(windows[g]), tokens)
            own = slice(pair_begins[g], pair_begins[g + 1])
            start, end = spans[begin][0], spans[end_token][1]
            found.append(
                Contribution(
                    start=start,
                    end=end,
                    text=text[start:end],
                    weight=float(weight[g]),
                    without=float(without[g]),
                    tokens=tuple(
                        TokenShare(spans[place][0], spans[place][1], text[slice(*spans[place])], share)
                        for place, share in zip(places[own], shares[own], strict=True)
                    ),
                    filters=tuple(filters[filter_begins[g] : filter_begins[g + 1]]),
                )
            )
        return tuple(found)


def explain(model: FoldedTextCNN, text: str, label: str | None = None) -> Explanation:
    """Explains one logit of one text; see `FoldedTextCNN.explain`."""
    return explain_batch(model, [text], label)[0]


def explain_batch(model: FoldedTextCNN, texts: Sequence[str], label: str | None = None) -> list[Explanation]:
    """Explains one logit of each text; the windows are found for all at once, n-grams are made when asked for."""
    wanted = None if label is None else _label_id(model, label)
    weight, bias = (operand.astype(np.float64) for operand in model._operands[-2:])
    found = []
    for begin, won in winners_in_chunks(model, texts):
        logits = won.features @ weight.T + bias
        labels = logits.argmax(axis=1) if wanted is None else np.full(len(won), wanted)
        probabilities = (sigmoid if model.multi_label else softmax)(logits)
        for n, c in enumerate(labels.tolist()):
            found.append(
                Explanation(
                    text=texts[begin + n],
                    label=model.labels[c],
                    logit=float(logits[n, c]),
                    probability=float(probabilities[n, c]),
                    bias=float(bias[c]),
                    approximate=model.is_int8,
                    _windows=_Windows(model, won, n, texts[begin + n], weight[c]),
                )
            )
    return found


def _shares(
    model: FoldedTextCNN, won: Winners, n: int, weight: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The tokens of each filter's window and their parts of its weight: [F, W] each, -1 and 0 where there is none."""
    tensors, layout = model._tensors, model._layout
    table, hole = tensors["table"], len(tensors["table"]) - 1
    dilation, widths = int(model.config.get("dilation", 1)), model.config["kernel_sizes"]
    ids = won.ids[won.offsets[n] : won.offsets[n + 1]]
    rows = tensors["row_of_id"][ids].astype(np.int64)
    rows = np.append(np.where(rows >= 0, rows, hole), hole)
    tokens = np.full((layout.features, max(widths)), -1, dtype=np.int64)
    parts = np.zeros(tokens.shape)
    for i, width in enumerate(widths):
        at, count = int(layout.plan[i, 6]), int(layout.plan[i, 5])
        own = slice(at, at + count)
        places = won.start[n, own, None] + dilation * np.arange(width)
        places = np.where((places >= 0) & (places < len(ids)), places, len(ids))
        real = rows[places] != hole
        columns = np.array([layout.columns_of(i, j).start for j in range(width)]) + np.arange(count)[:, None]
        terms = table[rows[places], columns] * tensors["scale"][own, None].astype(np.float64) * real
        # The filter's own bias is no token's: each has an equal part of it.
        number = np.maximum(1, real.sum(axis=1))
        before = np.where(won.first[n, own] >= 0, won.sums[n, own], 0).astype(np.float64)
        shared = (terms + ((before - terms.sum(axis=1)) / number)[:, None]) * real
        whole = shared.sum(axis=1)
        total = weight[own] * won.features[n, own]
        factor = np.divide(total, whole, out=np.zeros(count), where=whole != 0)
        even = np.where(whole == 0, total / number, 0)
        parts[own, :width] = shared * factor[:, None] + even[:, None] * real
        tokens[own, :width] = np.where(real, places, -1)
    return tokens, parts


def _label_id(model: FoldedTextCNN, label: str) -> int:
    if label not in model.labels:
        import difflib

        nearest = difflib.get_close_matches(label, model.labels, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"label: got {label!r}; expected one of {', '.join(model.labels)}{hint}")
    return model.labels.index(label)
