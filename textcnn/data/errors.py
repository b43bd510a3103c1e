"""DataError: one clear line about the data: got X; expected Y; do Z."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class DataError(ValueError):
    """Error in the data; the message is one line that says what to do."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """' (did you mean 'text'?)' for the candidate spelt most like `name`, or ''."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    match = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.5)
    return f" (did you mean {by_lower[match[0]]!r}?)" if match else ""


def listed(names: Sequence[object], limit: int = 12) -> str:
    """'a, b, c' with at most `limit` names, then how many more there are."""
    shown = ", ".join(str(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def one_line(error: BaseException, limit: int = 200) -> str:
    """Return the message of an exception folded to one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
