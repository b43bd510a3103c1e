"""Explanations of models whose filters have several features: n-grams of each feature, added up.

Shapes: `N` texts, `F` filters of all widths, `P` features of a filter, `C` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..decisions import sigmoid, softmax
from .explanation import Contribution, Explanation, Spans, TokenShare, WinningWindows
from .window_maps import window_maps
from .winners import find_winners

if TYPE_CHECKING:
    from ..pooled import MeansTextCNN, SegmentsTextCNN


@dataclass
class SumOfParts:
    """Contributions from several places, and the logits of the text without some tokens.

    Args:
        text: The text.
        ids: Its token ids.
        spans: Start and end of each token, in characters.
        label: Number of the label.
        logits_of_ids: Logits [N, C] of ids and offsets.
        parts: Functions of the logit that return contributions.
    """

    text: str
    ids: NDArray[np.int32]
    spans: Sequence[tuple[int, int]]
    label: int
    logits_of_ids: Callable[[NDArray[np.int32], NDArray[np.int64]], NDArray[np.float32]]
    parts: list[Callable[[float], Iterable[Contribution]]] = field(default_factory=list)

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        """Return the n-grams, those of the same tokens added up, the largest weight first."""
        found: dict[tuple[Any, ...], Contribution] = {}
        for part in self.parts:
            for own in part(logit):
                key = (own.start, own.end, *((token.start, token.end) for token in own.tokens))
                found[key] = _sum(found[key], own, logit) if key in found else own
        return tuple(sorted(found.values(), key=lambda contribution: -abs(contribution.weight)))

    def logits_of_rest(self, deleted: Sequence[tuple[int, int]]) -> tuple[float, ...]:
        """Return the logits of the text, each time without the tokens that lie within some characters."""
        places = np.array(self.spans, dtype=np.int64).reshape(-1, 2)
        begins, ends = places[:, 0], places[:, 1]
        rests = [self.ids[~((start <= begins) & (ends <= end) & (begins < ends))] for start, end in deleted]
        offsets = np.concatenate([[0], np.cumsum([len(rest) for rest in rests])]).astype(np.int64)
        logits = self.logits_of_ids(np.concatenate([self.ids[:0], *rests]), offsets)
        return tuple(logits[:, self.label].tolist())


def explain_pooled(
    model: SegmentsTextCNN | MeansTextCNN,
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    texts: Sequence[str],
    classes: Sequence[int] | None,
) -> list[Explanation]:
    """Explain one logit of each text: those of the classes [N] or, for None, the largest."""
    tables, segments = model.tables, model.config["pooling"] == "segments"
    cut_ids, cut = model.texts_and_parts(ids, offsets)
    winners = find_winners(tables, cut_ids, cut, model.threads)
    count, filters = len(texts), tables.layout.features
    parts = int(model.config["pooling_segments"]) if segments else 0
    weight, bias = (values.astype(np.float64) for values in model.head)
    features = model.features_of_ids(ids, offsets).astype(np.float64)
    logits = features @ weight.T + bias
    probabilities = (sigmoid if model.multi_label else softmax)(logits)
    explanations = []
    for n, text in enumerate(texts):
        c = int(logits[n].argmax()) if classes is None else classes[n]
        own_ids = ids[offsets[n] : offsets[n + 1]]
        spans = list(model.spans(text))
        made = SumOfParts(text, own_ids, spans, c, model.logits_of_ids)
        rows = [n, *range(count + n * parts, count + (n + 1) * parts)]
        for block, row in enumerate(rows):
            # A part begins some tokens after its text.
            shift = int(cut[row] - cut[n]) - (len(ids) if block else 0)
            own = np.ascontiguousarray(weight[c, block * filters : (block + 1) * filters])
            windows = WinningWindows(winners, row, text, c, own, _shifted(spans, shift))
            made.parts.append(numbered(windows.contributions, block * filters))
        if not segments:
            made.parts.append(_means(model, own_ids, text, spans, weight[c, filters:]))
        probability = None if model.regression else float(probabilities[n, c])
        explanations.append(
            Explanation(
                text, model.labels[c], float(logits[n, c]), probability, float(bias[c]), tables.is_int8,
                made,
            )
        )  # fmt: skip
    return explanations


def _shifted(spans: list[tuple[int, int]], shift: int) -> Spans:
    return lambda _: spans[shift:]


def numbered(
    contributions: Callable[[float], tuple[Contribution, ...]], first: int
) -> Callable[[float], Iterable[Contribution]]:
    """Return contributions whose filters are numbered from `first`, as the features are."""
    return lambda logit: [
        own._replace(filters=tuple(first + number for number in own.filters)) for own in contributions(logit)
    ]


def _means(
    model: MeansTextCNN | SegmentsTextCNN,
    ids: NDArray[np.int32],
    text: str,
    spans: list[tuple[int, int]],
    weight: NDArray[np.float64],
) -> Callable[[float], Iterable[Contribution]]:
    """Contributions of the means: of each window, what it adds to them, spread evenly over its tokens."""

    def contributions(logit: float) -> Iterable[Contribution]:
        tables = model.tables
        first = int((tables.row_of_id[ids] >= 0).argmax()) if len(ids) else 0
        for own in tables.layout.widths:
            maps = window_maps(tables, own, ids, np.array([0, len(ids)]))
            weights = maps.values.astype(np.float64) @ weight[own.features] / max(1, len(maps.text))
            filters = tuple(range(tables.layout.features + own.feature, tables.layout.features + own.features.stop))
            for positions, value in zip(maps.position, weights.tolist(), strict=True):
                tokens = [spans[first + position] for position in positions.tolist() if position >= 0]
                shares = tuple(TokenShare(a, b, text[a:b], value / len(tokens)) for a, b in tokens)
                start, end = tokens[0][0], tokens[-1][1]
                yield Contribution(start, end, text[start:end], value, logit - value, shares, filters)

    return contributions


def _sum(one: Contribution, other: Contribution, logit: float) -> Contribution:
    tokens = tuple(
        token._replace(weight=token.weight + more.weight) for token, more in zip(one.tokens, other.tokens, strict=True)
    )
    return one._replace(
        weight=one.weight + other.weight,
        without=one.without + other.without - logit,
        tokens=tokens,
        filters=one.filters + other.filters,
    )
