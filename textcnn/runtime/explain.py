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
                    "deleted": deleted,
                    "tokens": [{"start": t.start, "end": t.end, "text": t.text, "weight": t.weight} for t in c.tokens],
                    "filters": list(c.filters),
                }
                for c, deleted in zip(self.contributions, self.deleted, strict=True)
            ],
        }

    @cached_property
    def deleted(self) -> tuple[float, ...]:
        """For each n-gram of `contributions`, the logit of the text without its tokens: predicted anew, so that n-grams
        which only then come to stand together count too."""
        return self._windows.logits_of_rest([(c.start, c.end) for c in self.contributions], self.label)

    def characters(self) -> NDArray[np.float64]:
        """Weight of each character of the text: that of its tokens, spread evenly over their characters."""
        weights = np.zeros(len(self.text))
        for contribution in self.contributions:
            for token in contribution.tokens:
                weights[token.start : token.end] += token.weight / max(1, token.end - token.start)
        return weights

    def to_text(self, top: int = 12) -> str:
        """Return the n-grams that weigh most as a table of plain text; bars to the left are against the label."""
        from .explain_views import plain

        return plain(self, top)

    def __str__(self) -> str:
        return self.to_text()

    def to_html(self, top: int = 12) -> str:
        """A fragment of HTML: the text with its tokens coloured, and the n-grams that weigh most."""
        from .explain_views import html

        return html(self, top)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __rich__(self) -> Any:
        from .explain_views import table

        return table(self)


class _Windows(NamedTuple):
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

    def logits_of_rest(self, deleted: Sequence[tuple[int, int]], label: str) -> tuple[float, ...]:
        """Logits of the text, each time without the tokens that lie within some characters."""
        spans = np.array(self.spans(), dtype=np.int64).reshape(-1, 2)
        ids = self.won.ids[self.won.offsets[self.n] : self.won.offsets[self.n + 1]]
        begins, ends = spans[:, 0], spans[:, 1]
        # Special tokens have no characters and stay.
        kept = [ids[~((start <= begins) & (ends <= end) & (begins < ends))] for start, end in deleted]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in kept])]).astype(np.int64)
        flat = np.concatenate([ids[:0], *kept]).astype(np.int32)
        logits = self.model.logits_of_ids(flat, offsets)
        return tuple(logits[:, self.model.labels.index(label)].tolist())

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        from .ngrams import merge_ngrams

        won, n, text, tensors = self.won, self.n, self.text, self.model._tensors
        hole, dilation = len(tensors["table"]) - 1, int(self.model.config.get("dilation", 1))
        rows = tensors["row_of_id"][won.ids[won.offsets[n] : won.offsets[n + 1]]].astype(np.int64)
        ends, weights, losses, *parts = merge_ngrams(
            np.where(rows >= 0, rows, hole), tensors["table"], self.model._layout.plan, dilation, hole,
            tensors["scale"], won.features[n], won.without[n], won.sums[n], won.start[n], won.first[n], won.last[n],
            self.weight,
        )  # fmt: skip
        if not len(ends):
            return ()
        spans, order = self.spans(), np.argsort(-np.abs(weights), kind="stable").tolist()
        filters, filter_begins, shares, share_begins = (part.tolist() for part in parts)
        ends, weights, without = ends.tolist(), weights.tolist(), (logit - losses).tolist()
        found = []
        for g in order:
            first, last = ends[g]
            start, end = spans[first][0], spans[last][1]
            own = shares[share_begins[g] : share_begins[g + 1]]
            places = spans[first : last + 1 : dilation]
            found.append(
                Contribution(
                    start,
                    end,
                    text[start:end],
                    weights[g],
                    without[g],
                    # A share that is no number is padding's.
                    tuple(
                        TokenShare(begin, stop, text[begin:stop], share)
                        for (begin, stop), share in zip(places, own, strict=True)
                        if share == share
                    ),
                    tuple(filters[filter_begins[g] : filter_begins[g + 1]]),
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
    weights, biases = list(weight), bias.tolist()
    found = []
    for begin, won in winners_in_chunks(model, texts):
        logits = won.features @ weight.T + bias
        labels = logits.argmax(axis=1) if wanted is None else np.full(len(won), wanted)
        probabilities = (sigmoid if model.multi_label else softmax)(logits)
        rows = np.arange(len(won))
        # Plain numbers of all texts at once: taken out one by one they cost as much as the windows.
        chosen = zip(labels.tolist(), logits[rows, labels].tolist(), probabilities[rows, labels].tolist(), strict=True)
        for n, (c, logit, probability) in enumerate(chosen):
            text = texts[begin + n]
            windows = _Windows(model, won, n, text, weights[c])
            found.append(Explanation(text, model.labels[c], logit, probability, biases[c], model.is_int8, windows))
    return found


def _label_id(model: FoldedTextCNN, label: str) -> int:
    if label not in model.labels:
        import difflib

        nearest = difflib.get_close_matches(label, model.labels, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"label: got {label!r}; expected one of {', '.join(model.labels)}{hint}")
    return model.labels.index(label)
