"""New texts from old ones: some words replaced by one that has a like vector.

The augmentation of TinyBERT (Jiao 2020, https://aclanthology.org/2020.findings-emnlp.372/) for words, with the
vectors of any checkpoint in place of a masked language model: what the teacher says of the new texts tells a student
more than the vectors do.

Shapes: `N` words of the vocabulary, `D` size of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .words import choose, text_generator, with_words, word_spans, word_tokens

_CANDIDATES = 10  # the nearest words, among which one is drawn
_CHUNK = 2048


def replace_by_neighbours(
    texts: Sequence[str], checkpoint: str, copies: int = 1, share: float = 0.15, seed: int = 0
) -> list[str]:
    """Return copies of texts with a share of the words replaced by one of the ten with the nearest vectors.

    A new word has the capitals of the one that it replaces.

    Args:
        texts: The texts. One without a word that has a neighbour gives no copy.
        checkpoint: Directory or Hub id of a transformer, or what `textcnn vectors` wrote: words that are one of its
            tokens can be replaced, and replace others.
        copies: Copies of each text.
        share: Share of the words that are replaced, at least one a copy.
        seed: Of what is replaced and drawn.

    Raises:
        FileNotFoundError: there is no such checkpoint.

    Example:
        >>> replace_by_neighbours(["a lovely film"], "sentence-transformers/all-MiniLM-L6-v2")
        ['a lovely movie']
    """
    spans = [word_spans(text) for text in texts]
    words = {text[start:end].lower() for text, own in zip(texts, spans, strict=True) for start, end in own}
    near = _neighbours(words, checkpoint)
    made: list[str] = []
    for text, own in zip(texts, spans, strict=True):
        places = [span for span in own if text[slice(*span)].lower() in near]
        if not places:
            continue
        rng = text_generator(text, seed)
        for _ in range(copies):
            chosen = choose(len(places), share, rng)
            drawn = rng.integers(_CANDIDATES, size=len(places))
            replaced = [places[place] for place in chosen.tolist()]
            new = []
            for (start, end), number in zip(replaced, drawn[chosen].tolist(), strict=True):
                candidates = near[text[start:end].lower()]
                new.append(candidates[number % len(candidates)])
            made.append(with_words(text, replaced, new))
    return made


def _neighbours(wanted: set[str], checkpoint: str) -> dict[str, list[str]]:
    """The nearest words of each wanted word that has a vector, the nearest first."""
    names, vectors = _word_vectors(checkpoint)
    row_of = {name: row for row, name in enumerate(names)}
    present = sorted(wanted & row_of.keys())
    count = min(_CANDIDATES, len(names) - 1)
    if count < 1:
        return {}
    near: dict[str, list[str]] = {}
    for start in range(0, len(present), _CHUNK):
        rows = np.array([row_of[word] for word in present[start : start + _CHUNK]])
        alike = vectors[rows] @ vectors.T
        alike[np.arange(len(rows)), rows] = -np.inf
        best = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        order = np.take_along_axis(-alike, best, axis=1).argsort(axis=1, kind="stable")
        for row, nearest in zip(rows.tolist(), np.take_along_axis(best, order, axis=1).tolist(), strict=True):
            near[names[row]] = [names[other] for other in nearest]
    return near


def _word_vectors(checkpoint: str) -> tuple[list[str], NDArray[np.float32]]:
    """The words [N] that are tokens of a checkpoint, in lower case, and their vectors [N, D], all of length 1."""
    from ...tokenization import load_tokenizer
    from ...vectors import load_vectors

    tokenizer = load_tokenizer(checkpoint)
    row_of: dict[str, int] = {}
    for token_id, word in word_tokens(tokenizer):
        row_of.setdefault(word, token_id)
    vectors = load_vectors(checkpoint, tokenizer).matrix[list(row_of.values())]
    return list(row_of), vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
