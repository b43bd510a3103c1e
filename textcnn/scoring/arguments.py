"""Arguments of a scorer, checked; each raises ValueError where a value cannot be used."""

from __future__ import annotations

from typing import Any

from ..errors import listed, nearest


def whole(name: str, value: int) -> int:
    """Return a whole number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}: got {value!r}; expected a whole number of at least 0")
    return value


def probability(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name}: got {value!r}; expected a number from 0 to 1")
    return float(value)


def unknown(name: str, value: Any, known: list[str]) -> ValueError:
    """Return the error for a name that is not known, with the nearest one."""
    return ValueError(f"{name}: got {value!r}; expected one of {listed(known)}{nearest(str(value), known)}")
