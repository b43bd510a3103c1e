"""Answers beside the rows that they are for, in the columns and words that every verb has for them.

Needs numpy only, so that a server can label files with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from ..runtime.heads import HeadAnswers, Heads
from .io.formats import pyarrow
from .io.readers import Row


class AnswerColumns:
    """Writer of predicted_label, probability and probability_<label> into rows; counts the rows that get no label.

    A regression writes prediction in their place, a model with heads these columns for each head, after its name.

    A row without a text is kept, with None in each of these columns. A row that the model abstains from has None for
    its label. A column of the input that has one of these names is replaced.

    Args:
        classifier: Classifier that answers; gives the columns.
        joined: Several labels of a text as one string, for files without lists.
        every_class: True to give the probability of each class.
    """

    def __init__(self, classifier: TextClassifier | Heads, joined: bool = False, every_class: bool = True) -> None:
        self._classifier: Any = classifier
        self._joined, self._every_class = joined, every_class
        nothing = np.zeros((0, len(classifier.labels)), dtype=np.float32), np.zeros(0, dtype=np.int64)
        self._names = list(self.columns(classifier.answer_of(*nothing)))
        self._without_text = self._abstained = 0
        self._replaced: dict[str, None] = {}

    def columns(self, answers: Answers | HeadAnswers) -> dict[str, list[Any]]:
        """Return the columns of answers by name, a value for each."""
        columns: dict[str, list[Any]] = self._classifier.columns(answers, self._joined, self._every_class)
        return columns

    def add(self, rows: Sequence[Row], texts: Sequence[str | None], answers: Answers | HeadAnswers) -> None:
        """Add answers to rows.

        Args:
            rows: The rows, which are changed.
            texts: The text of each, None where there is none.
            answers: Those to the texts that are there, in their order.
        """
        columns = self.columns(answers)
        new = set(columns)
        nothing = (None,) * len(columns)
        values = zip(*columns.values(), strict=True)
        for row, text in zip(rows, texts, strict=True):
            if not new.isdisjoint(row):
                self._replaced.update(dict.fromkeys(name for name in row if name in new))
            row.update(zip(columns, nothing if text is None else next(values), strict=True))
        self._without_text += texts.count(None)
        self._abstained += sum(columns[name].count(None) for name in self._classifier.label_columns)

    def columns_of(self, names: Sequence[str]) -> list[str]:
        """Return the columns of rows that have answers, from those of the rows without."""
        return [*names, *(name for name in self._names if name not in names)]

    def schema(self, of_rows: Any = None) -> Any:
        """Return the arrow schema of rows that have answers, from that of the rows without, as far as it is known."""
        arrow = pyarrow()
        types = dict.fromkeys(self._names, arrow.float64())
        types |= {name: arrow.string() for name in self._names if name.startswith("label_level_")}
        for name, several in self._classifier.label_columns.items():
            types[name] = arrow.list_(arrow.string()) if several and not self._joined else arrow.string()
        others = [field for field in of_rows or () if field.name not in types]
        return arrow.schema([*others, *types.items()], metadata=None if of_rows is None else of_rows.metadata)

    def notes(self) -> list[str]:
        """Return notes for the reader of the output, one line each."""
        notes = []
        if self._replaced:
            names = ", ".join(self._replaced)
            notes.append(f"the input has the columns {names}; the answers replace them; rename them to keep both")
        if self._without_text:
            what = "label" if self._classifier.label_columns else "number"
            notes.append(f"{_rows(self._without_text)} without a text, kept without a {what}")
        if self._abstained:
            notes.append(f"the model abstains from {_rows(self._abstained)}, kept without a label")
        return notes


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
