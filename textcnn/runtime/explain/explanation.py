"""The n-grams that make a logit: each with its weight, adding up to the logit exactly.

A logit is the head's bias plus, for each filter, its weight times the activation of its best window. So each filter
contributes through one n-gram, and what filters contribute through the same n-gram is added up. A bag adds one row for
each of its tokens and n-grams.

Shapes: `T` tokens, `F` filters of all widths, `I` widths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..decisions import sigmoid, softmax
from ..tables import Tables
from .bag import Place, add_bag
from .ngrams import merge_ngrams
from .winners import Winners, find_winners

# Start and end of each token of a text, in characters.
Spans = Callable[[str], Sequence[tuple[int, int]]]


class TokenShare(NamedTuple):
    """A token and its part in the weight of an n-gram.

    start, end: characters of the text; text: those characters; weight: its part of the n-gram's weight.
    """

    start: int
    end: int
    text: str
    weight: float


# TokenShare of a tuple, in half the time of TokenShare(...): there are hundreds of them in a text.
_TOKEN_SHARE: Callable[[tuple[int, int, str, float]], TokenShare] = partial(tuple.__new__, TokenShare)


class Contribution(NamedTuple):
    """An n-gram and its part in a logit.

    start, end: characters of the text, from its first token to its last; text: those characters.
    weight: what it adds to the logit.
    without: the logit if its windows were not there, the next best window of each of its filters in their place, and
    without its part of a bag.
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


class Parts(Protocol):
    """Parts from which the n-grams of an explanation are made on request."""

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        """Return the n-grams, the largest weight first."""

    def logits_of_rest(self, deleted: Sequence[tuple[int, int]]) -> tuple[float, ...]:
        """Return the logits of the text, each time without the tokens that lie within some characters."""


@dataclass
class Explanation:
    """The n-grams behind one logit of one text: bias + sum of weights = logit.

    Args:
        text: The text.
        label: The label that is explained.
        logit: Its logit, divided by the temperature.
        probability: Its probability; None for the number of a regression.
        bias: The part of the logit that no text changes.
        approximate: True if the tables are int8 (exact for what they answer, near what the model would), or the weights
            were found by occlusion.
        pooling: "max" where n-grams win filters, "mean" where each has a part in a mean.
        method: "folded", or "occlusion": a weight is then how far the logit falls without the tokens, the bias is the
            logit of an empty text, and they need not add up to the logit.
        route: Banks of a mixture of experts that the text went to, with their gates; empty for other models.
        abstained: True where `predict` gives the text no label.
    """

    text: str
    label: str
    logit: float
    probability: float | None
    bias: float
    approximate: bool
    _windows: Parts = field(repr=False)
    pooling: str = "max"
    method: str = "folded"
    route: tuple[tuple[int, float], ...] = ()
    abstained: bool = False

    @cached_property
    def contributions(self) -> tuple[Contribution, ...]:
        """The n-grams, the largest weight (of either sign) first."""
        return self._windows.contributions(self.logit)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "text": self.text,
            "label": self.label,
            "logit": self.logit,
            "probability": self.probability,
            "bias": self.bias,
            "approximate": self.approximate,
            "method": self.method,
            "abstained": self.abstained,
            "route": [{"expert": expert, "gate": gate} for expert, gate in self.route],
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
        """Logit of the text without the tokens of each n-gram of `contributions`.

        It is predicted anew, so that n-grams which only then come to stand together count too.
        """
        return self._windows.logits_of_rest([(c.start, c.end) for c in self.contributions])

    def characters(self) -> NDArray[np.float64]:
        """Return the weight of each character of the text: that of its tokens, spread evenly over their characters."""
        weights = np.zeros(len(self.text))
        for contribution in self.contributions:
            for token in contribution.tokens:
                weights[token.start : token.end] += token.weight / max(1, token.end - token.start)
        return weights

    def to_html(self, top: int = 12) -> str:
        """Return a fragment of HTML: the text with its tokens coloured, a legend, and the n-grams that weigh most."""
        from .views import html

        return html(self, top)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        from .views import text

        return text(self)

    def __rich__(self) -> Any:
        from rich.text import Text

        from .views import text

        return Text.from_ansi(text(self, color=True))


class WinningWindows(NamedTuple):
    """The winning windows of text n of `winners` and the head's weights [F] of label c, of which n-grams are made."""

    winners: Winners
    n: int
    text: str
    c: int
    weight: NDArray[np.float64]
    spans: Spans

    def spans_of_tokens(self) -> Sequence[tuple[int, int]]:
        """Return the span of each token in the text, without the padding at both ends."""
        own = self.winners
        begin, length = int(own.skipped[self.n]), int(own.ends[self.n] - own.begins[self.n])
        return self.spans(self.text)[begin : begin + length]

    def logits_of_rest(self, deleted: Sequence[tuple[int, int]]) -> tuple[float, ...]:
        """Return the logits of the text, each time without the tokens that lie within some characters."""
        own = self.winners
        places = np.array(self.spans_of_tokens(), dtype=np.int64).reshape(-1, 2)
        ids = own.ids[own.begins[self.n] : own.ends[self.n]]
        begins, ends = places[:, 0], places[:, 1]
        # Special tokens have no characters and stay.
        rests = [ids[~((start <= begins) & (ends <= end) & (begins < ends))] for start, end in deleted]
        offsets = np.concatenate([[0], np.cumsum([len(rest) for rest in rests])]).astype(np.int64)
        logits = own.tables.logits(np.concatenate([ids[:0], *rests]), offsets)
        return tuple(logits[:, self.c].tolist())

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        """Return the n-grams, the largest weight first."""
        tables, spans = self.winners.tables, self.spans_of_tokens()
        contributions = self._of_filters(logit, spans)
        if tables.bag is None:
            return tuple(own for _, own in contributions)
        # A dilated window leaves tokens out, which an n-gram of the bag does not.
        apart = [own for (first, last), own in contributions if tables.dilation > 1 and first < last]
        together = {place: own for place, own in contributions if tables.dilation == 1 or place[0] == place[1]}
        ids = self.winners.ids[self.winners.begins[self.n] : self.winners.ends[self.n]]
        add_bag(together, tables, ids, self.c, logit, self.text, spans)
        return tuple(sorted([*apart, *together.values()], key=lambda own: -abs(own.weight)))

    def _of_filters(self, logit: float, spans: Sequence[tuple[int, int]]) -> list[tuple[Place, Contribution]]:
        """Return the n-grams of the convolutions with their first and last token, the largest weight first."""
        ngrams = merge_ngrams(self.winners, self.n, self.weight)
        if not len(ngrams):
            return []
        text, dilation = self.text, self.winners.tables.dilation
        begins, stops = [begin for begin, _ in spans], [stop for _, stop in spans]
        words = [text[begin:stop] for begin, stop in spans]
        order = np.argsort(-np.abs(ngrams.weights), kind="stable").tolist()
        # Plain numbers of all n-grams at once: taken out one by one they cost as much as the objects.
        ends, weights, without = ngrams.ends.tolist(), ngrams.weights.tolist(), (logit - ngrams.losses).tolist()
        filters, filter_begins = ngrams.filters.tolist(), ngrams.filter_begins.tolist()
        shares, share_begins = ngrams.shares.tolist(), ngrams.share_begins.tolist()
        has_padding = bool(np.isnan(ngrams.shares).any())
        contributions = []
        for g in order:
            first, last = ends[g]
            start, end = begins[first], stops[last]
            at = slice(first, last + 1, dilation)
            parts = zip(begins[at], stops[at], words[at], shares[share_begins[g] : share_begins[g + 1]], strict=True)
            tokens = tuple(map(_TOKEN_SHARE, parts))
            if has_padding:
                # A share that is no number is padding's.
                tokens = tuple(token for token in tokens if token.weight == token.weight)
            own = tuple(filters[filter_begins[g] : filter_begins[g + 1]])
            contribution = Contribution(start, end, text[start:end], weights[g], without[g], tokens, own)
            contributions.append(((first, last), contribution))
        return contributions


def explain_ids(
    tables: Tables,
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    texts: Sequence[str],
    spans: Spans,
    labels: Sequence[str],
    classes: Sequence[int] | None = None,
    multi_label: bool = False,
    threads: int = 1,
    regression: bool = False,
) -> list[Explanation]:
    """Explain one logit of each text; windows are found for all texts at once, n-grams are made on request.

    Args:
        tables: Of the model.
        ids, offsets: Token ids of the texts: text n is ids[offsets[n]:offsets[n + 1]].
        texts: The texts.
        spans: Returns start and end of each token of a text, in characters.
        labels: Name of each class.
        classes: [N] class to explain of each text; None is the one with the largest logit.
        multi_label: True if labels do not exclude each other.
        threads: Threads that share the texts.
        regression: True if the logits are the numbers of a regression.

    Raises:
        ValueError: the model normalises its pooled features.
    """
    winners = find_winners(tables, ids, offsets, threads)
    weights, biases = list(tables.head_weight.astype(np.float64)), tables.head_bias.tolist()
    logits = winners.logits + _bag_logits(winners) if tables.bag is not None else winners.logits
    chosen = logits.argmax(axis=1) if classes is None else np.array(classes, dtype=np.int64)
    probabilities = (sigmoid if multi_label else softmax)(logits)
    rows = np.arange(len(winners))
    # Plain numbers of all texts at once: taken out one by one they cost as much as the windows.
    numbers = zip(chosen.tolist(), logits[rows, chosen].tolist(), probabilities[rows, chosen].tolist(), strict=True)
    return [
        Explanation(
            text, labels[c], logit, None if regression else probability, biases[c], tables.is_int8,
            WinningWindows(winners, n, text, c, weights[c], spans),
        )
        for n, (text, (c, logit, probability)) in enumerate(zip(texts, numbers, strict=True))
    ]  # fmt: skip


def _bag_logits(winners: Winners) -> NDArray[np.float64]:
    """Return the contribution of the bag to the logits: [N, C]."""
    places = zip(winners.begins.tolist(), winners.ends.tolist(), strict=True)
    parts = [winners.tables.bag_features(winners.ids[begin:end])[1].sum(axis=0) for begin, end in places]
    return np.stack(parts) if parts else np.zeros_like(winners.logits)


def label_id(label: str, labels: Sequence[str]) -> int:
    """Return the number of a label.

    Raises:
        ValueError: There is none of that name; the nearest is named.
    """
    if label not in labels:
        import difflib

        nearest = difflib.get_close_matches(label, labels, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"label: got {label!r}; expected one of {', '.join(labels)}{hint}")
    return list(labels).index(label)
