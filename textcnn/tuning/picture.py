"""Importance of each setting in a search, for the terminal and as an SVG file.

The importance is the share of the variance of the scores that a setting explains (fANOVA, Hutter et al. 2014,
https://proceedings.mlr.press/v32/hutter14.html), as Optuna computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_WIDTH, _ROW, _LEFT = 560, 30, 190
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2024}.soft{fill:#5d666f}.bar{fill:#146ec8}"
    "@media (prefers-color-scheme:dark){text{fill:#e6e9ec}.soft{fill:#9ba5ae}.bar{fill:#5aa9f5}}"
)


def importance_svg(importance: Mapping[str, float], trials: int) -> str:
    """Return an SVG file with a bar for each setting.

    Args:
        importance: Share by setting.
        trials: Number of trials that it was computed from.
    """
    height = 44 + _ROW * len(importance)
    longest = max([*importance.values(), 1e-9])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img"><title>Importance of the settings</title><style>{_STYLE}</style>',
        f'<text class="soft" x="12" y="22">share of the differences between {trials} trials, in %</text>',
    ]
    for number, (name, share) in enumerate(importance.items()):
        y = 38 + _ROW * number
        width = max(1.0, (_WIDTH - _LEFT - 60) * share / longest)
        parts += [
            f'<text x="{_LEFT - 12}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="bar" x="{_LEFT}" y="{y}" width="{width:.1f}" height="20" rx="3"/>',
            f'<text class="soft" x="{_LEFT + width + 8:.1f}" y="{y + 15}">{100 * share:.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def importance_lines(importance: Mapping[str, float], width: int = 24) -> list[str]:
    """Return a line with a bar for each setting.

    Example:
        >>> importance_lines({"dropout": 1.0}, width=4)
        ['dropout  ████  100 %']
    """
    longest = max([*importance.values(), 1e-9])
    names = max([len(name) for name in importance], default=0)
    return [
        f"{name:<{names}}  {'█' * max(1, round(width * share / longest)):<{width}}  {100 * share:3.0f} %"
        for name, share in importance.items()
    ]
