"""Summary of a run of several label columns on one screen: score and linear baseline of each head."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .curve import Curve
from .screen import aligned, curve_row, next_steps


@dataclass(frozen=True)
class HeadScore:
    """Score of one head: its name, and the fields of RunSummary.

    Of a head of numbers the score is R2, without an interval.
    """

    head: str
    accuracy: float
    low: float | None
    high: float | None
    texts: int
    baseline: float | None
    baseline_note: str


@dataclass(frozen=True)
class HeadsSummary:
    """Facts about a finished run of several label columns.

    Args:
        role: Split that the scores are of: test, or validation without a test split.
        heads: Scores of the heads that have labels in it.
        curve: Training curve, or None.
        output: Directory of the run.
        data: Labelled data, as it was given, or None for data in memory.
    """

    role: str
    heads: list[HeadScore]
    curve: Curve | None
    output: str
    data: str | None

    def lines(self) -> list[str]:
        """Return the lines of the screen."""
        rows = []
        for one in self.heads:
            beside = f"{one.baseline:.3f}" if one.baseline is not None else f"skipped: {one.baseline_note}"
            interval = "R2" if one.low is None else f"95 % interval {one.low:.3f} to {one.high:.3f}"
            rows.append((f"{self.role} {one.head}", f"{one.accuracy:.3f}  {interval}, {one.texts:,} texts; "
                         f"linear baseline {beside}"))  # fmt: skip
        (first, evaluate), (second, explain) = next_steps(self.output, self.data)
        head = shlex.quote(self.heads[0].head) if self.heads else "NAME"
        steps = [(first, evaluate.removesuffix(" --report report.html")), (second, f"{explain} --head {head}")]
        return aligned([*rows, *curve_row(self.curve), *steps])
