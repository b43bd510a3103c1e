"""What every classifier of this package answers, whichever engine computes its logits.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Texts answered at a time, so that an iterator of any length needs no more memory than this many texts.
CHUNK = 4096


class TextClassifier:
    """Labels and probabilities of texts; a subclass computes the logits of a list of them.

    Args:
        config: The artifact's config.json (id2label, problem_type, thresholds).
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        names = {int(index): str(name) for index, name in config["id2label"].items()}
        self.labels: list[str] = [names[index] for index in range(len(names))]
        self.multi_label: bool = config.get("problem_type") == "multi_label_classification"
        thresholds = config.get("thresholds") or {}
        self.thresholds: Array = np.array([thresholds.get(name, 0.5) for name in self.labels], dtype=np.float32)
        self._names = np.array(self.labels)

    def _logits(self, texts: list[str]) -> Array:
        """Logits [N, C], divided by the temperature."""
        raise NotImplementedError

    def explain(self, text: str, label: str | None = None) -> Any:
        """The n-grams of a text that made a logit: an `Explanation`."""
        raise NotImplementedError

    def logits(self, texts: Iterable[str]) -> Array:
        """Logits of any iterable of strings, divided by the temperature: [N, C] float32.

        Raises:
            TypeError: `texts` is one string, or holds something that is no string.
        """
        parts = [self._logits(chunk) for chunk in _chunks(texts)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)), dtype=np.float32)

    def predict_proba(self, texts: Iterable[str]) -> Array:
        """Probabilities of any iterable of strings, classes in the order of `labels`: [N, C] float32.

        Raises:
            TypeError: `texts` is one string, or holds something that is no string.
        """
        logits = self.logits(texts)
        return sigmoid(logits) if self.multi_label else softmax(logits)

    def predict(self, texts: Iterable[str]) -> Any:
        """The label of each text: an array of N strings, or N lists of strings when multi-label.

        A multi-label text has the labels whose probability reaches their threshold, the most probable first.

        Example:
            >>> classifier.predict(["free entry, call now"])
            array(['spam'], dtype='<U4')

        Raises:
            TypeError: `texts` is one string, or holds something that is no string.
        """
        if self.multi_label:
            return self.decide(self.predict_proba(texts))
        return self._names[self.logits(texts).argmax(axis=1)]

    def decide(self, probabilities: Array) -> Any:
        """The labels that probabilities [N, C] stand for, as `predict` returns them."""
        if not self.multi_label:
            return self._names[probabilities.argmax(axis=1)]
        return [
            [self.labels[i] for i in np.argsort(-row, kind="stable") if row[i] >= self.thresholds[i]]
            for row in probabilities
        ]

    def columns(self, probabilities: Array, joined: bool = False, every_class: bool = True) -> dict[str, list[Any]]:
        """What stands beside a row that was scored: predicted_label, probability, and one column a class.

        Args:
            probabilities: [N, C], as `predict_proba` returns them.
            joined: Several labels of a text as one string, with ";" between them, for files without lists.
            every_class: Whether to give the probability of each class, as probability_<label>.
        """
        labels = self.decide(probabilities)
        columns: dict[str, list[Any]] = {
            "predicted_label": [";".join(row) for row in labels] if joined and self.multi_label else list(labels),
            # The largest, which in single-label problems is that of the label.
            "probability": probabilities.max(axis=1).tolist(),
        }
        if not self.multi_label:
            columns["predicted_label"] = labels.tolist()
        if every_class:
            for i, label in enumerate(self.labels):
                columns[f"probability_{label}"] = probabilities[:, i].tolist()
        return columns

    def predict_top_k(self, texts: Iterable[str], k: int = 3) -> list[list[tuple[str, float]]]:
        """The k most probable labels of each text with their probabilities, the most probable first.

        Raises:
            ValueError: k is less than 1.
        """
        if k < 1:
            raise ValueError(f"k: got {k}; expected a whole number of at least 1")
        probabilities = self.predict_proba(texts)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        return [[(self.labels[i], float(row[i])) for i in best] for row, best in zip(probabilities, order, strict=True)]


def _chunks(texts: Iterable[str]) -> Iterable[list[str]]:
    if isinstance(texts, str | bytes):
        raise TypeError(f"texts: got one {type(texts).__name__}; expected an iterable of strings; write [text]")
    start = 0
    iterator = iter(texts)
    while chunk := list(islice(iterator, CHUNK)):
        for position, text in enumerate(chunk):
            if not isinstance(text, str):
                raise TypeError(
                    f"texts: got {text!r} ({type(text).__name__}) at position {start + position}; expected a string"
                )
        start += len(chunk)
        yield chunk


def softmax(logits: Array) -> Array:
    """Probabilities [N, C] of logits whose labels exclude each other."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def sigmoid(logits: Array) -> Array:
    """Probabilities [N, C] of logits whose labels do not exclude each other."""
    # The two forms of one function, each where its exponential cannot overflow.
    exponentials = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, exponentials) / (1 + exponentials)
