"""The token vectors that ship with the package, and whether they fit a set of texts.

They are English: the vocabulary of a BERT, its input embeddings and its outputs in open text, reduced and in 8 bits.
The card beside them (english/README.md) has the sources, the licences and the command that made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

AUTO = "auto"
ENGLISH = Path(__file__).parent / "english"
# Texts that decide, and the fraction of their words that has to be known. On the test sets: 0.87 to 0.97 of English
# words are one token of the vocabulary, 0.39 to 0.62 of those of other languages in Latin script.
SAMPLE, LEAST_KNOWN = 2000, 0.75
_WORD = re.compile(r"[^\W\d_]+")


def known_words(texts: Iterable[str]) -> float:
    """Return the fraction of the words of texts that are a token of the shipped vocabulary; 0 without a word.

    Args:
        texts: The first 2,000 are read.

    Example:
        >>> known_words(["A lovely film."]), known_words(["Ein schöner Film"])
        (1.0, 0.333...)
    """
    vocabulary = shipped_tokenizer().get_vocab()
    found = total = 0
    for text in islice(texts, SAMPLE):
        for word in _WORD.findall(text.lower()):
            total += 1
            found += word in vocabulary
    return found / total if total else 0.0


def are_unused(naive_bayes: float, variant: str, kernel_sizes: Sequence[int]) -> bool:
    """Return True where a network starts from other vectors than those of `vectors="auto"`, or has none.

    Example:
        >>> are_unused(naive_bayes=0.5, variant="non-static", kernel_sizes=[3, 4, 5])
        True
    """
    return bool(naive_bayes) or variant == "random" or not list(kernel_sizes)


@cache
def shipped_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer of the shipped vectors."""
    from ..tokenization import load_tokenizer

    return load_tokenizer(str(ENGLISH))
