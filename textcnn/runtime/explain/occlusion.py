"""Explanations of models that do not fold: how far a logit falls when tokens are hidden. Approximate.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", https://arxiv.org/abs/1311.2901.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..decisions import sigmoid, softmax
from .explanation import Contribution, Explanation, Spans, TokenShare

# Parts of a text that are hidden one after the other: a long text costs this many answers.
LARGEST = 64

# Logits [N, C] of token ids and masks, both lists of N lists.
LogitsOf = Callable[[Sequence[Sequence[int]], Sequence[Sequence[int]]], NDArray[np.float32]]


class Occlusion(NamedTuple):
    """One text of a classifier, and the label whose logit is explained; what `Explanation` asks for its n-grams."""

    text: str
    ids: list[int]
    spans: list[tuple[int, int]]
    label: int
    logits_of: LogitsOf

    def contributions(self, logit: float) -> tuple[Contribution, ...]:
        """Return runs of tokens, the one whose absence changes the logit most first.

        A run is one token, or more where a text has more than LARGEST of them.
        """
        step = -(-len(self.ids) // LARGEST)
        runs = [range(start, min(start + step, len(self.ids))) for start in range(0, len(self.ids), step or 1)]
        runs = [run for run in runs if any(end > begin for begin, end in (self.spans[i] for i in run))]
        if not runs:
            return ()
        masks = [[int(i not in run) for i in range(len(self.ids))] for run in runs]
        without = self.logits_of([self.ids] * len(runs), masks)[:, self.label].tolist()
        found = [self._contribution(run, logit - rest, rest) for run, rest in zip(runs, without, strict=True)]
        return tuple(sorted(found, key=lambda contribution: -abs(contribution.weight)))

    def logits_of_rest(self, deleted: Sequence[tuple[int, int]]) -> tuple[float, ...]:
        """Return the logits of the text, each time without the tokens that lie within some characters."""
        rests = [
            [token for token, (a, b) in zip(self.ids, self.spans, strict=True) if not (start <= a < b <= end)]
            for start, end in deleted
        ]
        if not rests:
            return ()
        return tuple(self.logits_of(rests, [[1] * len(rest) for rest in rests])[:, self.label].tolist())

    def _contribution(self, run: range, weight: float, without: float) -> Contribution:
        spans = [self.spans[i] for i in run if self.spans[i][1] > self.spans[i][0]]
        start, end = spans[0][0], spans[-1][1]
        tokens = tuple(TokenShare(a, b, self.text[a:b], weight / len(spans)) for a, b in spans)
        return Contribution(start, end, self.text[start:end], weight, without, tokens, ())


def explain_by_occlusion(
    text: str,
    ids: Sequence[int],
    spans: Spans,
    logits_of: LogitsOf,
    labels: Sequence[str],
    c: int | None = None,
    multi_label: bool = False,
    regression: bool = False,
) -> Explanation:
    """Explain a logit of one text by the answers to the text with tokens hidden.

    The weights need not add up to the logit: two words that say the same hide one another.

    Args:
        text: The text.
        ids: Its token ids.
        spans: Returns start and end of each token of a text, in characters.
        logits_of: Returns the logits of several lists of ids and masks.
        labels: Name of each class.
        c: Class to explain; None is the one with the largest logit.
        multi_label: True if labels do not exclude each other.
        regression: True if the logits are the numbers of a regression.
    """
    whole = logits_of([list(ids), []], [[1] * len(ids), []])
    c = int(whole[0].argmax()) if c is None else c
    probability = None if regression else float((sigmoid if multi_label else softmax)(whole[:1])[0, c])
    return Explanation(
        text, labels[c], float(whole[0, c]), probability, float(whole[1, c]), True,
        Occlusion(text, list(ids), list(spans(text)), c, logits_of), method="occlusion",
    )  # fmt: skip
