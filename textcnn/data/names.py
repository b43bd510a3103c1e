"""The usual names of columns that hold texts and labels, and the marks of csv and tsv files; standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

TEXT_NAMES = (
    "text", "sentence", "content", "review", "question", "document", "title", "body", "comment",
    "tweet", "message", "utterance", "query", "review_body", "description", "headline", "article",
    "post", "abstract", "summary", "input", "prompt",
)  # fmt: skip
LABEL_NAMES = (
    "labels", "label", "category", "categories", "class", "target", "intent", "topic", "topics",
    "sentiment", "emotion", "emotions", "tag", "tags", "genre", "coarse_label", "label_text",
    "stars", "rating", "y",
)  # fmt: skip


def by_name(known: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of `names` that are known, in the order of `known`, whatever their case."""
    by_lower = {name.lower().strip(): name for name in reversed(names)}
    return [by_lower[name] for name in known if name in by_lower]


def delimiter_of(header: str, tabs: bool = False) -> str:
    """What stands between the cells of a file with this first line: a comma, or where it has none, what it has.

    >>> delimiter_of("text;label")
    ';'

    Args:
        header: The first line.
        tabs: Whether it is a tsv file.
    """
    if tabs or "," in header:
        return "\t" if tabs else ","
    return max(",;\t|", key=header.count)


def has_literal_quotes(lines: Iterable[str]) -> bool:
    """Whether a quote in these lines of a tsv file is a character like any other.

    It is when no cell spans lines and one has a quote at its start only: quoted cells cannot look like that.
    """
    tabs: int | None = None
    unclosed = False
    for line in lines:
        if tabs is None:
            tabs = line.count("\t")
        if line and line.count("\t") != tabs:
            return False
        if '"' in line:
            cells = [cell for cell in line.split("\t") if cell.startswith('"')]
            unclosed |= any(len(cell) == 1 or not cell.endswith('"') for cell in cells)
    return unclosed
