"""The figures of a benchmark: measured in turns, printed as they come, kept for the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .timing import paired


class Figures(dict[str, dict[str, Any]]):
    """Figures by name; each is printed when it is set. `about` goes beside them into the report."""

    def __init__(self) -> None:
        super().__init__()
        self.about: dict[str, Any] = {}

    def ratio(
        self, key: str, what: str, ours: Callable[[], object], theirs: Callable[[], object], texts: int, rounds: int = 5
    ) -> None:
        """Add the texts per second of both and their ratio, ours over theirs."""
        our_time, their_time = paired(ours, theirs, rounds)
        self.add(key, what, their_time / our_time, "x", texts / our_time, texts / their_time, "texts/s")

    def add(
        self, key: str, what: str, value: float, unit: str, ours: float | None = None, theirs: float | None = None,
        unit_of_both: str = "",
    ) -> None:  # fmt: skip
        """Set one figure: its value and, if there are any, the two measurements that it comes from."""
        self[key] = {"value": value, "unit": unit, "ours": ours, "theirs": theirs, "unit_of_both": unit_of_both,
                     "what": what}  # fmt: skip
        both = "" if ours is None or theirs is None else f"{_short(ours):>9} against {_short(theirs):>9} {unit_of_both}"
        print(f"{key:<28}{_short(value):>8} {unit:<3}  {both}", flush=True)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
