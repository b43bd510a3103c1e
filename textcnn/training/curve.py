"""The training curve of a run, from its log: a line for the terminal, and an SVG for the model card."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

SCORES = ("val_mean_score", "val_quadratic_kappa", "val_micro_f1", "val_average_precision", "val_r2")
_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT = 640, 250
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#5d666f}.grid{stroke:#dfe3e6}.score{stroke:#146ec8}.loss{stroke:#d75f00}"
    ".score-text{fill:#146ec8}.loss-text{fill:#c25600}polyline{fill:none;stroke-width:2.2;stroke-linejoin:round}"
    ".dot{fill:#146ec8}@media (prefers-color-scheme:dark){text{fill:#9ba5ae}.grid{stroke:#2c3338}"
    ".score{stroke:#5aa9f5}.loss{stroke:#ff9447}.score-text{fill:#5aa9f5}.loss-text{fill:#ff9447}.dot{fill:#5aa9f5}}"
)


@dataclass(frozen=True)
class Curve:
    """Validation score and loss of each epoch.

    Args:
        metric: Name of the score that chooses the best epoch.
        scores: Score of each validation.
        losses: Validation loss of each.
    """

    metric: str
    scores: list[float]
    losses: list[float]

    @property
    def best(self) -> int:
        """Position of the best score, the first of equals."""
        return max(range(len(self.scores)), key=lambda n: (self.scores[n], -n))


def read_curve(directory: str | Path) -> Curve | None:
    """Return the curve of the run in a directory, or None where nothing was validated or logged."""
    files = sorted(
        Path(directory).glob("logs/version_*/metrics.csv"), key=lambda path: int(path.parent.name.rpartition("_")[2])
    )
    by_step: dict[int, dict[str, str]] = {}
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("val_loss") and row.get("step"):
                    by_step[int(row["step"])] = row
    rows = [by_step[step] for step in sorted(by_step)]
    metric = next((name for name in SCORES if rows and all(row.get(name) for row in rows)), None)
    if metric is None:
        return None
    return Curve(metric, [float(row[metric]) for row in rows], [float(row["val_loss"]) for row in rows])


def sparkline(values: Sequence[float]) -> str:
    """Return one block character for each value, of the height of the value.

    Example:
        >>> sparkline([0.0, 0.5, 1.0])
        '▁▄█'
    """
    low, high = min(values), max(values)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[int(steps * (value - low) / (high - low)) if high > low else steps] for value in values)


def curve_svg(curve: Curve) -> str:
    """Return an SVG file of score and loss by epoch, in colours for light and dark pages."""
    left, right, top, bottom = 48, 52, 30, _HEIGHT - 34
    count = len(curve.scores)

    def x(epoch: int) -> float:
        return left + (_WIDTH - left - right) * (epoch / (count - 1) if count > 1 else 0.5)

    def scaled(values: Sequence[float]) -> tuple[list[float], float, float]:
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or 0.05
        low, high = low - room, high + room
        return [bottom - (bottom - top) * (value - low) / (high - low) for value in values], low, high

    scores, low, high = scaled(curve.scores)
    losses, least, most = scaled(curve.losses)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img">',
        f"<title>Training curve: {escape(curve.metric)} and val_loss by epoch</title><style>{_STYLE}</style>",
        f'<text class="score-text" x="{left}" y="18">{escape(curve.metric)}</text>',
        f'<text class="loss-text" x="{_WIDTH - right}" y="18" text-anchor="end">val_loss</text>',
    ]
    for step in range(4):
        share = step / 3
        y = bottom - (bottom - top) * share
        parts += [
            f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text class="score-text" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{low + share * (high - low):.3f}</text>",
            f'<text class="loss-text" x="{_WIDTH - right + 6}" y="{y + 4:.1f}">'
            f"{least + share * (most - least):.3f}</text>",
        ]
    every = max(1, round(count / 10))
    parts += [
        f'<text x="{x(epoch):.1f}" y="{bottom + 17}" text-anchor="middle">{epoch + 1}</text>'
        for epoch in range(0, count, every)
    ]
    parts.append(f'<text x="{(left + _WIDTH - right) / 2}" y="{_HEIGHT - 3}" text-anchor="middle">epoch</text>')
    for kind, values in (("loss", losses), ("score", scores)):
        points = " ".join(f"{x(epoch):.1f},{y:.1f}" for epoch, y in enumerate(values))
        parts.append(f'<polyline class="{kind}" points="{points}"/>')
    parts.append(f'<circle class="dot" cx="{x(curve.best):.1f}" cy="{scores[curve.best]:.1f}" r="4.5"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"
