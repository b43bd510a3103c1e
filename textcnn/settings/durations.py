"""Durations as people write them: 90s, 30m, 2h."""

from __future__ import annotations

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_UNITS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d"}
_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)\s*")


def read_seconds(name: str, duration: str) -> float:
    """Return the seconds of a duration.

    Example:
        >>> read_seconds("time_limit", "1h 30m")
        5400.0

    Raises:
        ValueError: It is no duration above 0.
    """
    written = duration.strip().lower()
    parts = _PART.findall(written) if re.fullmatch(f"(?:{_PART.pattern})+", written) else []
    total = 0.0
    for number, unit in parts:
        unit = unit if unit in _SECONDS else _UNITS.get(unit.removesuffix("s"), "")
        if not unit:
            total = 0.0
            break
        total += float(number) * _SECONDS[unit]
    if not total:
        raise ValueError(f"{name}: got {duration!r}; expected a duration above 0; write 90s, 30m or 2h")
    return total
