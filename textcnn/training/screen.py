"""Rows of the screen at the end of a run: a name and a text each."""

from __future__ import annotations

import shlex

from .curve import Curve, sparkline


def curve_row(curve: Curve | None) -> list[tuple[str, str]]:
    """Return the row of the training curve, if there is one."""
    if curve is None:
        return []
    scores, best = curve.scores, curve.best
    said = f"{curve.metric} {scores[0]:.3f} to {scores[best]:.3f}, best in epoch {best + 1} of {len(scores)}"
    return [("training", f"{sparkline(scores)}  {said}")]


def next_steps(output: str, data: str | None) -> list[tuple[str, str]]:
    """Return the rows of the commands that come next."""
    run, given = shlex.quote(output), "FILE" if data is None else shlex.quote(data)
    return [
        ("next", f"textcnn evaluate {run} --data {given} --report report.html"),
        ("", f'textcnn explain {run} "a text"'),
    ]


def aligned(rows: list[tuple[str, str]]) -> list[str]:
    """Return rows of a name and a text as lines."""
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {text}" for name, text in rows]
