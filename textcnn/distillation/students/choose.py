"""The student of a budget, for the labels and the texts that it is to be trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...data.replaced import ReplacedTrainData
from ...tokenization import KINDS, tokenizer_json
from .sizes import SMALLEST_VOCABULARY, Budget, StudentSize, smallest_bytes, students, worth
from .speed import random_student, sample, texts_per_second

# A student that fills less of its budget is tried again with more tokens, so many times.
_FILLED, _GROWTHS = 0.93, 2


def choose_student(
    budget: Budget,
    data: ReplacedTrainData,
    texts: Sequence[str],
    typical: Sequence[str],
    architecture: Mapping[str, Any] | None = None,
) -> StudentSize:
    """Return the best student within a budget. Its tokenizer is trained on the way and becomes that of `data`.

    Args:
        budget: Limits on the cost of the student.
        data: The labelled set. Its vocab_size_limit is the largest vocabulary.
        texts: Texts to train a tokenizer on, unless `data` was given one.
        typical: Texts like those to be answered: the speed is measured on some of them.
        architecture: Arguments of Architecture that are not to be chosen.

    Raises:
        ValueError: no student is that small, or that fast on this machine.
    """
    if data.vocab_size_limit < 1:
        raise ValueError(f"vocab_size: got {data.vocab_size_limit}; expected a positive number")
    choice = _Choice(budget, data, texts, typical, architecture or {})
    return choice.largest() if budget.texts_per_second is None else choice.fast_enough(budget.texts_per_second)


class _Choice:
    def __init__(
        self,
        budget: Budget,
        data: ReplacedTrainData,
        texts: Sequence[str],
        typical: Sequence[str],
        architecture: Mapping[str, Any],
    ) -> None:
        self._budget, self._data, self._texts, self._typical = budget, data, texts, sample(typical)
        self._architecture, self._labels = architecture, data.labels
        self._multi_label = data.problem_type.startswith("multi")
        self._tokenizer_is_given = data.tokenizer_source not in KINDS
        self._most_tokens, self._least_tokens = data.vocab_size_limit, 0
        # Of WordPiece's, with their numbers and punctuation; measured once there is a tokenizer.
        self._token_bytes = 16.0
        # Grows while students turn out larger than was thought.
        self._margin = 1.0
        self._tokenizer = ""
        if self._tokenizer_is_given:
            self._measure()
            self._most_tokens = self._least_tokens = data.vocab_size

    def largest(self, shape: dict[str, Any] | None = None) -> StudentSize:
        """Return the best student of the allowed size, or the student of `shape` with the most tokens."""
        growths = 0
        while True:
            wanted = self._fitting(shape)[-1]
            self._train(wanted.vocab_size)
            size = replace(wanted, vocab_size=self._data.vocab_size)
            if size.vocab_size < wanted.vocab_size:
                # There are no more tokens in the texts: what is left of the budget is for filters.
                continue
            if self._budget.bytes is None:
                return size
            filled = size.bytes(self._labels, len(self._tokenizer.encode())) / self._budget.bytes
            if filled > 1:
                self._margin *= 1.02
            elif filled > _FILLED or size.vocab_size == self._most_tokens or growths == _GROWTHS:
                return size
            else:
                growths += 1

    def fast_enough(self, wanted: float) -> StudentSize:
        """Return the best student of the allowed size that labels at least `wanted` texts per second.

        Better students are slower, so the best one is found by bisection; each candidate is timed.
        """
        self._train(max(size.vocab_size for size in self._fitting()))
        better: list[StudentSize] = []
        for size in self._fitting():
            # Those that another one beats in both ways are none to choose.
            while better and better[-1].layout.columns >= size.layout.columns:
                better.pop()
            better.append(size)
        low, high = 0, len(better)
        while low < high:
            middle = (low + high) // 2
            if self._speed(better[middle]) >= wanted:
                low = middle + 1
            else:
                high = middle
        too_large: ValueError | None = None
        for size in reversed(better[:low]):
            timed_with = self._tokenizer
            try:
                found = self.largest(size.architecture())
            except ValueError as error:  # with its own tokenizer this shape has no room, a smaller one may have
                too_large = error
                continue
            # Fewer tokens make longer texts.
            if self._tokenizer == timed_with or self._speed(found) >= wanted:
                return found
        if too_large is not None:
            raise too_large
        most = self._speed(better[0])
        raise ValueError(
            f"budget: got {self._budget.written}; expected at most {most:,.0f} texts/s, what the smallest student "
            "answers on one core of this machine, for texts as long as those of the data; give less"
        )

    def _fitting(self, shape: dict[str, Any] | None = None) -> list[StudentSize]:
        """Return the students of the allowed size, the best last."""
        fixed = {**self._architecture, **(shape or {})}
        tokens = {"most_tokens": self._most_tokens, "least_tokens": self._least_tokens}
        found = students(
            self._budget.bytes,
            self._labels,
            self._margin * self._token_bytes,
            fixed,
            self._data.embedding_dim,
            **tokens,
        )
        if not found and not self._tokenizer:
            # Not before it is known how many tokens the texts have, and of how many letters.
            self._train(min(self._most_tokens, SMALLEST_VOCABULARY))
            return self._fitting(shape)
        if not found:
            least = smallest_bytes(self._labels, self._token_bytes, fixed, self._data.embedding_dim, **tokens)
            kilobytes = math.ceil(least / 1e3)
            raise ValueError(
                f"budget: got {self._budget.written}; expected at least {kilobytes} kB, which the smallest student "
                "takes; give that"
            )
        return sorted(found, key=worth)

    def _train(self, tokens: int) -> None:
        if not self._tokenizer_is_given and (not self._tokenizer or self._data.vocab_size != tokens):
            self._data.train_tokenizer(self._texts, tokens)
            # Texts may have fewer.
            if self._data.vocab_size < tokens:
                self._most_tokens = self._data.vocab_size
        self._measure()

    def _measure(self) -> None:
        self._tokenizer = tokenizer_json(self._data.tokenizer)
        self._token_bytes = len(self._tokenizer.encode()) / self._data.vocab_size

    def _speed(self, size: StudentSize) -> float:
        """Measure the speed of a student with the current tokenizer."""
        timed = replace(size, vocab_size=self._data.vocab_size)
        student = random_student(timed, self._tokenizer, self._labels, self._multi_label, self._architecture)
        return texts_per_second(student, self._typical)
