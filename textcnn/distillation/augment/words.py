"""The words of texts, and texts with other words in their place: what every copy of a text is made with."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Not part of a name with a number in it, such as mp3.
_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?!\w)")
# Thai to Lao, Burmese, Khmer, Chinese and Japanese are written without spaces: a run of letters is no word there.
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def text_generator(text: str, *seeds: int) -> np.random.Generator:
    """Return the random generator of a text, which does not depend on the other texts."""
    return np.random.default_rng([*seeds, zlib.crc32(text.encode("utf-8", "surrogatepass"))])


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the begin and end of each word of two letters or more.

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
    """Return the text with lower-case `words` in place of those in the spans, capitalised like those they replace."""
    return replace_spans(
        text, spans, [_written_like(text[a:b], word) for (a, b), word in zip(spans, words, strict=True)]
    )


def replace_spans(text: str, spans: Sequence[tuple[int, int]], new: Sequence[str]) -> str:
    """Return the text with the spans replaced by `new`."""
    parts, done = [], 0
    for (start, end), word in zip(spans, new, strict=True):
        parts += [text[done:start], word]
        done = end
    return "".join([*parts, text[done:]])


def _is_mark(character: str) -> bool:
    return character != "" and unicodedata.category(character).startswith("M")


def _written_like(replaced: str, word: str) -> str:
    """A lower-case word with the capitals of the one that it replaces: what knows case reads a like text."""
    if replaced.isupper():
        return word.upper()
    return word.capitalize() if replaced[0].isupper() else word


def choose(count: int, share: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random share of `count` positions, at least one."""
    chosen = rng.random(count) < share
    chosen[rng.integers(count)] = True
    return np.flatnonzero(chosen)


def word_tokens(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, str]]:
    """Return the tokens that are whole words: their ids, in ascending order, and the words in lower case."""
    from ...vectors.notation import token_texts

    return [
        (token_id, token.text.lower())
        for token_id, token in sorted(token_texts(tokenizer).items())
        if token.starts_word and word_spans(token.text) == [(0, len(token.text))]
    ]
