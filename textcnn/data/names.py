"""The usual names of columns that hold texts and labels."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Return the names that are known, in the order of `known`, whatever their case."""
    by_lower = {name.lower().strip(): name for name in reversed(names)}
    return [by_lower[name] for name in known if name in by_lower]
