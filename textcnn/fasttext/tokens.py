"""Lines of text as fastText reads them: tokens between ASCII white space, labels apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

END_OF_TEXT = "</s>"
_WHITE_SPACE = re.compile("[ \n\r\t\v\f\0]+")
_WHITE_SPACE_OF_BYTES = re.compile(b"[ \n\r\t\v\f\0]+")


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text; each end of a line is the token `</s>`, as in fastText.

    Example:
        >>> tokenize("a lovely film")
        ['a', 'lovely', 'film']
    """
    tokens: list[str] = []
    lines = text.split("\n")
    for line in lines:
        tokens += split_tokens(line)
        tokens.append(END_OF_TEXT)
    return tokens[:-1]


def split_tokens(line: str) -> list[str]:
    """Return the tokens of one line."""
    return [token for token in _WHITE_SPACE.split(line) if token]


def split_byte_tokens(line: bytes) -> list[bytes]:
    """Return the tokens of one line of bytes."""
    return [token for token in _WHITE_SPACE_OF_BYTES.split(line) if token]


def check_line(text: str) -> str:
    """Return a text, if it is one line.

    Raises:
        TypeError: It is no string.
        ValueError: It holds the end of a line.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: got {text!r} ({type(text).__name__}); expected a string or a list of strings")
    if "\n" in text:
        raise ValueError("text: got a '\\n'; expected one line, as fastText's predict does; remove '\\n' from the text")
    return text


def subwords_of(word: str, min_n: int, max_n: int) -> list[str]:
    """Return the character n-grams of "<word>" that fastText hashes, in its order."""
    marked = f"<{word}>"
    return [
        marked[begin : begin + n]
        for begin in range(len(marked))
        for n in range(max(1, min_n), min(max_n, len(marked) - begin) + 1)
        if not (n == 1 and (begin == 0 or begin + 1 == len(marked)))
    ]


def checked_texts(texts: Sequence[str] | str) -> list[str]:
    """Return the lines of one text or of a list of them."""
    return [check_line(text) for text in ([texts] if isinstance(texts, str) else texts)]
