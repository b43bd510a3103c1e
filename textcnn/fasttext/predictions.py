"""Probabilities as fastText computes them, and its choice of the k best.

fastText adds 1e-5 to a probability before its logarithm and never takes that off again, and reads sigmoids from a
table of 512 values. Thresholds in programs that use it may rest on either, so that both are kept here.

Shapes: `N` texts, `C` labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.classifier import TextClassifier
from ..runtime.decisions import softmax
from ..runtime.fasttext import FoldedFastText
from ..runtime.tokenizer import Utf8Texts

Floats = NDArray[np.float32]
_OFFSET = 1e-5
_TABLE_SIZE, _LARGEST = 512, 8


def sigmoid_of_table(scores: Floats) -> Floats:
    """Return fastText's sigmoids: of the largest of 512 steps from -8 to 8 that a score reaches; 0 and 1 beyond."""
    steps = np.arange(_TABLE_SIZE + 1, dtype=np.float32) * np.float32(2 * _LARGEST / _TABLE_SIZE) - np.float32(_LARGEST)
    table = (1 / (1 + np.exp(-steps))).astype(np.float32)
    at = ((scores + np.float32(_LARGEST)) * np.float32(_TABLE_SIZE) / np.float32(_LARGEST) / 2).clip(0, _TABLE_SIZE)
    values = table[at.astype(np.int64)]
    return np.where(scores < -_LARGEST, np.float32(0), np.where(scores > _LARGEST, np.float32(1), values))


def probabilities(classifier: TextClassifier, texts: list[str] | Utf8Texts) -> tuple[Floats, NDArray[np.bool_]]:
    """Return fastText's probabilities [N, C] before its offset, and which texts have an answer [N].

    A text of no known word, n-gram or `</s>` has none.
    """
    if not isinstance(classifier, FoldedFastText):
        if isinstance(texts, Utf8Texts):
            raise ValueError("got bytes; expected strings")
        found = classifier.predict_proba(texts)
        return found, np.ones(len(found), dtype=bool)
    scores, counts = classifier.scores(texts)
    loss = classifier.settings["loss"]
    if classifier.tree is not None:
        logits = classifier.tree.log_probabilities(scores, _OFFSET) / np.float32(classifier.temperature)
        found = np.exp(logits) - np.float32(_OFFSET)
    elif loss == "softmax":
        found = softmax(scores)
    else:
        found = sigmoid_of_table(scores)
    return found.astype(np.float32), counts > 0


def k_best(values: Floats, k: int, threshold: float) -> tuple[NDArray[np.int64], Floats]:
    """Return the labels of the k largest probabilities [C] that reach a threshold, and them with fastText's offset.

    Raises:
        ValueError: k is neither -1, for all, nor at least 1.
    """
    check_k(k)
    order = np.argsort(-values, kind="stable")
    order = order[values[order] >= np.float32(threshold)]
    chosen = order if k == -1 else order[:k]
    return chosen, values[chosen] + np.float32(_OFFSET)


def check_k(k: Any) -> int:
    """Return k, if it is a number of labels."""
    if isinstance(k, bool) or not isinstance(k, int) or (k < 1 and k != -1):
        raise ValueError(f"k: got {k!r}; expected a whole number of at least 1, or -1 for all labels")
    return k
