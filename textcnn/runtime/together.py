"""Answers of several classifiers to the same texts; equal tokenizers and equal dictionaries read each text once.

Shapes: `N` texts, `C` classes of one classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .classifier import TextClassifier
from .decisions import Answers, Array
from .fasttext import FoldedFastText
from .fasttext_columns import FastTextColumns, dictionary_of
from .heads import HeadAnswers, HeadsClassifier
from .text_batches import text_batches

# Returns the logits [N, C] of each of some classifiers for a batch of texts.
_LogitsOf = Callable[[list[str]], list[Array]]


class Together:
    """Several classifiers that answer about the same texts.

    Classifiers that answer from token ids and whose tokenizers are equal share the ids: a text is tokenized once for
    all of them. Converted fastText models of one dictionary share the rows of a text: their tables stand side by side.
    The texts are taken in batches whose ids stay in cache.

    Args:
        classifiers: The classifiers, in the order of the answers.

    Example:
        >>> quality, topic = Together([first, second]).answers(["Open a socket."])
    """

    def __init__(self, classifiers: Sequence[TextClassifier | HeadsClassifier]) -> None:
        self.classifiers = list(classifiers)
        ids: dict[str, list[int]] = {}
        dictionaries: dict[str, list[int]] = {}
        for position, classifier in enumerate(self.classifiers):
            if isinstance(classifier, FoldedFastText) and (key := dictionary_of(classifier)) is not None:
                dictionaries.setdefault(key, []).append(position)
            elif classifier.tokens_of is not None:
                ids.setdefault(classifier.tokens_of, []).append(position)
        self._groups: list[tuple[list[int], _LogitsOf]] = []
        for positions in [*dictionaries.values(), *ids.values()]:
            if len(positions) > 1:
                self._groups.append((positions, self._logits_of(positions)))

    def answers(self, texts: Iterable[str]) -> list[Any]:
        """Return the answers of each classifier: Answers, or a dict of them by head.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
        """
        if len(self.classifiers) > 1 and not isinstance(texts, list):
            texts = list(texts)
        answers: dict[int, Answers | HeadAnswers] = {}
        for positions, logits_of in self._groups:
            parts: list[list[Array]] = [[] for _ in positions]
            for batch in text_batches(texts):
                for own, logits in zip(parts, logits_of(batch), strict=True):
                    own.append(logits)
            for position, own in zip(positions, parts, strict=True):
                classifier = self.classifiers[position]
                answers[position] = classifier.answer_of(np.concatenate(own)) if own else classifier.answer([])
        return [
            answers[position] if position in answers else classifier.answer(texts)
            for position, classifier in enumerate(self.classifiers)
        ]

    def _logits_of(self, positions: list[int]) -> _LogitsOf:
        group = [self.classifiers[position] for position in positions]
        fasttext = [classifier for classifier in group if isinstance(classifier, FoldedFastText)]
        if fasttext:
            return FastTextColumns(fasttext).logits

        def of_ids(batch: list[str]) -> list[Array]:
            ids, offsets = group[0].encode(batch)
            return [classifier.logits_of_ids(ids, offsets) for classifier in group]

        return of_ids
