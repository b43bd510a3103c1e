"""Precision and recall over a file of labelled lines, as fastText counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ..runtime.classifier import TextClassifier
from ..runtime.tokenizer import Utf8Texts
from .predictions import check_k, k_best, probabilities
from .tokens import split_byte_tokens

_AT_ONCE = 1024


@dataclass
class Counts:
    """Numbers of labels predicted, predicted correctly, and true."""

    predicted: int = 0
    right: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        """Share of the given labels that are right; NaN without any."""
        return self.right / self.predicted if self.predicted else float("nan")

    @property
    def recall(self) -> float:
        """Share of the labels of the file that were given; NaN without any."""
        return self.right / self.gold if self.gold else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; NaN without any label."""
        return 2 * self.right / (self.predicted + self.gold) if self.predicted + self.gold else float("nan")


@dataclass
class Meter:
    """Counts of a file, of all labels and of each."""

    examples: int = 0
    all: Counts = field(default_factory=Counts)
    by_label: dict[int, Counts] = field(default_factory=dict)

    def add(self, gold: list[int], predicted: Iterable[int]) -> None:
        """Count one line."""
        self.examples += 1
        for label in gold:
            self._of(label).gold += 1
            self.all.gold += 1
        for label in predicted:
            right = label in gold
            for counts in (self.all, self._of(label)):
                counts.predicted += 1
                counts.right += right

    def _of(self, label: int) -> Counts:
        return self.by_label.setdefault(label, Counts())


def score_file(classifier: TextClassifier, tokens: list[bytes], path: str | Path, k: int, threshold: float) -> Meter:
    """Return the counts of a file whose lines hold labels with their prefix. Lines without a known label are left out.

    Args:
        classifier: The model.
        tokens: Its labels, as the file has them.
        path: The file.
        k: Most labels of a line.
        threshold: Least probability of a label.

    Raises:
        FileNotFoundError: There is no such file.
    """
    check_k(k)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}; expected lines such as `{tokens[0].decode('utf-8', 'replace')} a text`"
        )
    ids = {token: index for index, token in enumerate(tokens)}
    meter = Meter()
    for lines in _lines(path):
        gold = [[ids[token] for token in split_byte_tokens(line) if token in ids] for line in lines]
        kept = [n for n, labels in enumerate(gold) if labels]
        if not kept:
            continue
        values, answered = probabilities(classifier, _texts(classifier, [lines[n] for n in kept], ids))
        for n, row, has_answer in zip(kept, values, answered, strict=True):
            if has_answer:
                meter.add(gold[n], k_best(row, k, threshold)[0].tolist())
    return meter


def _lines(path: Path) -> Iterator[list[bytes]]:
    with path.open("rb") as file:
        while lines := list(islice(file, _AT_ONCE)):
            yield [line.removesuffix(b"\n") for line in lines]


def _texts(classifier: TextClassifier, lines: list[bytes], ids: dict[bytes, int]) -> list[str] | Utf8Texts:
    """The texts of lines: as they are for a model of fastText, which skips labels itself."""
    if hasattr(classifier, "words"):
        lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
        return Utf8Texts(b"".join(lines), lengths.cumsum())
    texts = [b" ".join(token for token in split_byte_tokens(line) if token not in ids) for line in lines]
    return [text.decode("utf-8", "replace") for text in texts]
