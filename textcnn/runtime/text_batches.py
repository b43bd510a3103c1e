"""Texts in batches for the tokenizer and the kernels, and the error for what is no text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

# Texts and characters tokenized at a time: enough to make the cost of a call small, few enough to stay in cache.
BATCH_TEXTS = 512
BATCH_CHARACTERS = 1 << 18


def text_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of texts of at most BATCH_TEXTS texts and, unless one text is longer, BATCH_CHARACTERS."""
    if isinstance(texts, str | bytes):
        raise TypeError(f"texts: got one {type(texts).__name__}; expected an iterable of strings; write [text]")
    iterator = iter(texts)
    done = 0
    while batch := list(islice(iterator, BATCH_TEXTS)):
        try:
            characters = len("".join(batch))
        except TypeError:
            raise _not_a_string(batch, done) from None
        if characters <= BATCH_CHARACTERS or len(batch) == 1:
            yield batch
        else:
            yield from _split(batch)
        done += len(batch)


def _split(texts: list[str]) -> Iterator[list[str]]:
    begin = characters = 0
    for position, text in enumerate(texts):
        if characters and characters + len(text) > BATCH_CHARACTERS:
            yield texts[begin:position]
            begin, characters = position, 0
        characters += len(text)
    yield texts[begin:]


def _not_a_string(texts: list[Any], before: int) -> TypeError:
    position = next(i for i, text in enumerate(texts) if not isinstance(text, str))
    text = texts[position]
    return TypeError(
        f"texts: got {text!r} ({type(text).__name__}) at position {before + position}; expected a string; "
        "leave out or convert what is no text"
    )
