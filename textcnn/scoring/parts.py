"""Parts of a document that are filtered by themselves: paragraphs or sentences; joined they are the document again."""

from __future__ import annotations

import re
from typing import Literal, get_args

from ..data.errors import nearest

Mode = Literal["DOCUMENT", "PARAGRAPH", "SENTENCE"]
# A line that is not empty, with the empty lines after it.
_PARAGRAPH = re.compile(r"[^\n]*\n(?:\s*\n)*|[^\n]+$")
# The end of a sentence: its mark, what closes after it, and the white space before the next one.
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[。！？])[」』”）]*\s*|\n+")


def check_mode(mode: str) -> Mode:
    """Return a mode, if it is one.

    Raises:
        ValueError: There is no such mode.
    """
    modes = get_args(Mode)
    name = str(mode).upper()
    if name not in modes:
        raise ValueError(f"filter_mode: got {mode!r}; expected one of {', '.join(modes)}{nearest(name, modes)}")
    found: Mode = modes[modes.index(name)]
    return found


def parts_of(text: str, mode: Mode) -> list[str]:
    """Return the parts of a text; joined they are the text.

    Example:
        >>> parts_of("One. Two.\\n\\nThree.", "PARAGRAPH")
        ['One. Two.\\n\\n', 'Three.']
        >>> parts_of("One. Two.\\n\\nThree.", "SENTENCE")
        ['One. ', 'Two.\\n\\n', 'Three.']
    """
    if mode == "DOCUMENT":
        return [text]
    if mode == "PARAGRAPH":
        return _PARAGRAPH.findall(text)
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    return [part for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if (part := text[start:end])]
