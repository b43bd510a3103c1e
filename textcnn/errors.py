"""Error messages in one line: got X; expected Y; do Z, with the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class DataError(ValueError):
    """Error for data that cannot be used as it is; its message is one line and names the remedy."""


class MissingPackage(ImportError):
    """Error for a package that an integration needs and that is not installed.

    Args:
        what: Name of the library, as its users call it.
        package: Name to install it by.
    """

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} is not installed; pip install {package!r}", name=package)


def closest(name: str, candidates: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the candidate spelt most like a name, or None.

    Example:
        >>> closest("num_filter", ["num_filters", "dropout"])
        'num_filters'
    """
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    match = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[match[0]] if match else None


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return ' (did you mean 'text'?)' for the candidate spelt most like a name, or ''."""
    found = closest(name, candidates)
    return f" (did you mean {found!r}?)" if found is not None else ""


def listed(names: Sequence[object], limit: int = 12) -> str:
    """Return 'a, b, c' with at most `limit` names, then the number of the others."""
    shown = ", ".join(str(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def one_line(error: BaseException, limit: int = 200) -> str:
    """Return the message of an exception, folded to one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
