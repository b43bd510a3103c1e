"""Paired timing: two functions are timed alternately, so that noise affects both."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

# A measurement lasts at least this long, so that the clock and the first touch of a cache do not count.
SECONDS = 0.2


def per_call(function: Callable[[], object], seconds: float = SECONDS) -> float:
    """Return the mean seconds per call, over calls repeated until `seconds` have passed."""
    calls = 0
    started = time.perf_counter()
    while True:
        function()
        calls += 1
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return elapsed / calls


def paired(ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 5) -> tuple[float, float]:
    """Return the median seconds per call of both, measured in turns after one call each to warm up."""
    ours()
    theirs()
    times = [(per_call(ours), per_call(theirs)) for _ in range(rounds)]
    return median(time for time, _ in times), median(time for _, time in times)
