"""Why a text got its answer: the n-grams that made a logit, adding up to it exactly.

A logit is the head's bias plus, for each filter, its weight times the activation of its best window. So each filter
contributes through one n-gram, and what filters contribute through the same n-gram is added up.

Shapes: `T` tokens, `F` filters of all widths, `I` widths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .layout import margins

if TYPE_CHECKING:
    from .folded import FoldedTextCNN


@dataclass(frozen=True)
class TokenShare:
    """A token's part in the weight of an n-gram.

    start, end: characters of the text; text: those characters; weight: its part of the n-gram's weight.
    """

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True)
class Contribution:
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
        return self._windows.contributions(self.text, self.logit)

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
    """The winning windows of a text and what each filter adds to the logit; n-grams are made when asked for."""

    weights: NDArray[np.float64]  # [F] what each filter adds
    without: NDArray[np.float64]  # [F] what it would add without its winning window
    first: NDArray[np.int64]  # [F] first and last token of the winning window, -1 where there is none
    last: NDArray[np.int64]
    shares: Any  # filter -> (positions of its tokens, their shares of its weight)
    spans: Any  # () -> character spans of the tokens

    def contributions(self, text: str, logit: float) -> tuple[Contribution, ...]:
        spans = self.spans()
        groups: dict[tuple[int, int], list[int]] = {}
        contributing = (self.first >= 0) & ((self.weights != 0) | (self.without != 0))
        for f in np.flatnonzero(contributing).tolist():
            groups.setdefault((int(self.first[f]), int(self.last[f])), []).append(f)
        found = []
        for (first, last), filters in groups.items():
            tokens: dict[int, float] = {}
            for f in filters:
                for position, share in zip(*self.shares(f), strict=True):
                    tokens[int(position)] = tokens.get(int(position), 0.0) + float(share)
            start, end = spans[first][0], spans[last][1]
            weight = float(self.weights[filters].sum())
            found.append(
                Contribution(
                    start=start,
                    end=end,
                    text=text[start:end],
                    weight=weight,
                    without=logit - weight + float(self.without[filters].sum()),
                    tokens=tuple(
                        TokenShare(spans[position][0], spans[position][1], text[slice(*spans[position])], share)
                        for position, share in sorted(tokens.items())
                    ),
                    filters=tuple(filters),
                )
            )
        return tuple(sorted(found, key=lambda contribution: -abs(contribution.weight)))


def explain(model: FoldedTextCNN, text: str, label: str | None = None) -> Explanation:
    """Explains one logit of one text; see `FoldedTextCNN.explain`."""
    from .kernels import ACTIVATIONS
    from .winners import activate, find_winners

    if model.config.get("pooled_norm"):
        raise ValueError(
            "explain: this model normalises its pooled features, so that no n-gram has a part of its own; expected "
            "pooled_norm False; train without it to have exact explanations"
        )
    ids, _ = model.encode([text])
    tensors, layout, config = model._tensors, model._layout, model.config
    table = tensors["table"]
    dilation, stride = int(config.get("dilation", 1)), int(config.get("stride", 1))
    padding = config.get("padding", "wide")
    hole = len(table) - 1
    around = [margins(width, dilation, padding) for width in config["kernel_sizes"]]
    left, right = (max(side) for side in zip(*around, strict=True))
    rows = tensors["row_of_id"][ids].astype(np.int64)
    # A text runs from its first to its last token; padding between them is the zero vector.
    tokens = np.flatnonzero(rows >= 0)
    kept = np.arange(tokens[0], tokens[-1] + 1) if len(tokens) else tokens
    inner = np.where(rows[kept] >= 0, rows[kept], hole)
    rows = np.concatenate([np.full(left, hole), inner, np.full(right, hole)]).astype(np.int64)
    count = layout.features
    best, second = np.empty(count, np.float32), np.empty(count, np.float32)
    start, windows = np.empty(count, np.int64), np.empty(len(layout.plan), np.int64)
    find_winners(rows, table, layout.plan, dilation, stride, hole, best, second, start, windows)

    activation = ACTIVATIONS.index(config.get("activation", "relu"))
    scale, bias = tensors["scale"], tensors["bias"]
    won = start >= 0
    values = np.where(won, best * scale + bias, 0).astype(np.float32)
    next_values = np.where(np.isfinite(second), second * scale + bias, 0).astype(np.float32)
    features, next_features = activate(values, activation), activate(next_values, activation)
    features[~won] = 0
    next_features[~np.isfinite(second)] = 0
    weight, head_bias = model._operands[-2].astype(np.float64), model._operands[-1].astype(np.float64)
    logits = weight @ features + head_bias
    c = int(logits.argmax()) if label is None else _label_id(model, label)
    probability = 1 / (1 + np.exp(-logits[c])) if model.multi_label else 1 / np.exp(logits - logits[c]).sum()

    width_of = np.repeat(config["kernel_sizes"], [int(n) for n in layout.plan[:, 5]])
    # From the first to the last token that a window reads: what hangs over the ends is no token.
    reach = start - left + (width_of - 1) * dilation
    before, after = np.maximum(0, left - start), np.maximum(0, reach - len(kept) + 1)
    first = np.where(won, start - left + -(-before // dilation) * dilation, -1)
    last = np.where(won, reach - -(-after // dilation) * dilation, -1)

    def shares(f: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        width_index = int(np.searchsorted(np.cumsum(layout.plan[:, 5]), f, side="right"))
        width, slice_start = int(width_of[f]), f - int(layout.plan[width_index, 6])
        positions = start[f] + dilation * np.arange(width)
        columns = [layout.columns_of(width_index, j).start + slice_start for j in range(width)]
        terms = table[rows[positions], columns].astype(np.float64) * scale[f]
        real = rows[positions] != hole
        total = weight[c, f] * features[f]
        # The filter's own bias is no token's: each has an equal part of it.
        parts = terms[real] + (values[f] - terms[real].sum()) / real.sum()
        whole = parts.sum()
        parts = parts * (total / whole) if whole else np.full(len(parts), total / len(parts))
        return positions[real] - left, parts

    def spans() -> list[tuple[int, int]]:
        encoding = model._tokenizer.reference.encode(text)
        return [encoding.offsets[int(position)] for position in kept]

    found = _Windows(
        weights=weight[c] * features,
        without=weight[c] * next_features,
        first=first,
        last=last,
        shares=shares,
        spans=spans,
    )
    return Explanation(
        text=text,
        label=model.labels[c],
        logit=float(logits[c]),
        probability=float(probability),
        bias=float(head_bias[c]),
        approximate=model.is_int8,
        _windows=found,
    )


def _label_id(model: FoldedTextCNN, label: str) -> int:
    if label not in model.labels:
        import difflib

        nearest = difflib.get_close_matches(label, model.labels, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"label: got {label!r}; expected one of {', '.join(model.labels)}{hint}")
    return model.labels.index(label)
