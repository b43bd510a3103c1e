"""New texts from old ones: some words replaced by one that has a like vector.

The augmentation of TinyBERT (Jiao 2020, https://aclanthology.org/2020.findings-emnlp.372/) for words, with the
vectors of any checkpoint in place of a masked language model: what the teacher says of the new texts tells a student
more than the vectors do.

Shapes: `N` words of the vocabulary, `D` size of a vector.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_CANDIDATES = 10  # the nearest words, among which one is drawn
_CHUNK = 2048
# Not part of a name with a number in it, such as mp3.
_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?!\w)")
# Thai to Lao, Burmese, Khmer, Chinese and Japanese are written without spaces: a run of letters is no word there.
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def replace_by_neighbours(
    texts: Sequence[str], checkpoint: str, copies: int = 1, share: float = 0.15, seed: int = 0
) -> list[str]:
    """Copies of texts in which a share of the words is replaced by one of the ten whose vectors are nearest.

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
            chosen = rng.random(len(places)) < share
            chosen[rng.integers(len(places))] = True
            drawn = rng.integers(_CANDIDATES, size=len(places))
            replaced = [places[place] for place in np.flatnonzero(chosen).tolist()]
            old = [text[start:end] for start, end in replaced]
            new = []
            for word, number in zip(old, drawn[chosen].tolist(), strict=True):
                candidates = near[word.lower()]
                new.append(written_like(word, candidates[number % len(candidates)]))
            made.append(with_words(text, replaced, new))
    return made


def text_generator(text: str, *seeds: int) -> np.random.Generator:
    """Random numbers of a text, the same whatever texts it stands among."""
    return np.random.default_rng([*seeds, zlib.crc32(text.encode("utf-8", "surrogatepass"))])


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of two letters and more begin and end.

    Example:
        >>> word_spans("An mp3 of Édith.")
        [(0, 2), (7, 9), (10, 15)]
    """
    return [
        (start, end)
        for start, end in (match.span() for match in _WORD.finditer(text))
        # What follows a letter and belongs to it, such as a vowel sign, is no letter.
        if not _is_mark(text[start - 1 : start]) and not _is_mark(text[end : end + 1])
        if not _WITHOUT_SPACES.search(text, start, end)
    ]


def with_words(text: str, spans: Sequence[tuple[int, int]], words: Sequence[str]) -> str:
    """The text with other words in the spans."""
    parts, done = [], 0
    for (start, end), word in zip(spans, words, strict=True):
        parts += [text[done:start], word]
        done = end
    return "".join([*parts, text[done:]])


def _is_mark(character: str) -> bool:
    return character != "" and unicodedata.category(character).startswith("M")


def written_like(replaced: str, word: str) -> str:
    """A lower-case word with the capitals of the one that it replaces: what knows case reads a like text."""
    if replaced.isupper():
        return word.upper()
    return word.capitalize() if replaced[0].isupper() else word


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
    from ..tokenization import load_tokenizer
    from ..vectors import load_vectors
    from ..vectors.notation import token_texts

    tokenizer = load_tokenizer(checkpoint)
    row_of: dict[str, int] = {}
    for token_id, token in sorted(token_texts(tokenizer).items()):
        if token.starts_word and word_spans(token.text) == [(0, len(token.text))]:
            row_of.setdefault(token.text.lower(), token_id)
    vectors = load_vectors(checkpoint, tokenizer).matrix[list(row_of.values())]
    return list(row_of), vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
