"""Texts in batches for the tokenizer and the kernels, and the errors for what is no text and no column of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

# Texts and characters tokenized at a time: enough to make the cost of a call small, few enough to stay in cache.
BATCH_TEXTS = 512
BATCH_CHARACTERS = 1 << 18
BATCHES_OF_THREADS = 8


def check_column(texts: Any, name: str = "texts", error: type[Exception] = TypeError) -> None:
    """Refuse a single text or a table in place of a sequence of texts.

    Iterating over a single text gives characters, and over a table the names of its columns. No text is read, so the
    check takes the same time for any number of them.

    Args:
        texts: The value to check, expected to be an iterable of strings.
        name: Name of the argument, for the message.
        error: Type of the exception to raise.
    """
    kind = type(texts).__name__
    if isinstance(texts, str | bytes):
        raise error(f"{name}: got one {kind}; expected an iterable of strings; write [text]")
    if isinstance(texts, Mapping):
        raise error(f"{name}: got {kind}; expected an iterable of strings; give a single column")
    dimensions = len(getattr(texts, "shape", (0,)))
    if dimensions != 1:
        raise error(f"{name}: got {kind} of {dimensions} dimensions; expected one text a row; give a single column")


def check_threads(threads: int) -> int:
    """Return a number of threads, if it is one.

    Raises:
        ValueError: it is less than 1 or no whole number.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads: got {threads!r}; expected a whole number of at least 1")
    return threads


def text_batches(texts: Iterable[str], threads: int = 1) -> Iterator[list[str]]:
    """Yield lists of at most BATCH_TEXTS texts and, unless one text is longer, BATCH_CHARACTERS; for several threads
    some times as many, so that starting them costs nothing beside."""
    check_column(texts)
    size = 1 if threads == 1 else BATCHES_OF_THREADS
    iterator = iter(texts)
    done = 0
    while batch := list(islice(iterator, size * BATCH_TEXTS)):
        try:
            characters = len("".join(batch))
        except TypeError:
            raise _not_a_string(batch, done) from None
        if characters <= size * BATCH_CHARACTERS or len(batch) == 1:
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
