"""Accuracy against throughput as an SVG: a point for each classifier, texts a second on a logarithmic axis.

Colours are variables of the page (--ink, --soft, --line, --accent, --card), so that it follows the theme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760.0, 430.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 24.0, 18.0, 58.0
RADIUS, FONT = 6.0, 13.0
Place = Callable[[float], float]
# Mean width of a letter of a system font, in parts of its size.
_LETTER = 0.54


@dataclass(frozen=True)
class Point:
    """A classifier in the picture.

    Args:
        title: Its name.
        speed: Texts a second.
        accuracy: Accuracy, from 0 to 1.
        ours: It is textcnn.
        level: Its accuracy is level with the best.
        detail: Further figures, shown when the mouse is over the point.
    """

    title: str
    speed: float
    accuracy: float
    ours: bool
    level: bool
    detail: str = ""


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def outside(self) -> float:
        """Return the distance by which it extends beyond the picture."""
        return max(0.0, LEFT - self.left) + max(0.0, self.right - WIDTH + 4) + max(0.0, TOP - self.top) + max(
            0.0, self.bottom - HEIGHT + BOTTOM
        )  # fmt: skip


def draw(points: Sequence[Point], title: str) -> str:
    """Return an <svg> element.

    Args:
        points: The classifiers.
        title: Title for screen readers.

    Raises:
        ValueError: There is no point.
    """
    if not points:
        raise ValueError("picture: got no classifier; expected at least one")
    speeds, accuracies = [point.speed for point in points], [100 * point.accuracy for point in points]
    decades = (math.floor(math.log10(min(speeds)) - 0.05), math.ceil(math.log10(max(speeds)) + 0.05))
    ticks = _ticks(min(accuracies), max(accuracies))

    def x(speed: float) -> float:
        share = (math.log10(speed) - decades[0]) / (decades[1] - decades[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(percent: float) -> float:
        return HEIGHT - BOTTOM - (percent - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg class="picture" role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" '
        f'font-size="{FONT:.0f}" font-family="system-ui, sans-serif">',
        f"<title>{escape(title)}</title>",
        *_axes(decades, ticks, x, y),
    ]
    best = sorted(points, key=lambda point: (-point.speed, -point.accuracy))
    frontier: list[Point] = []
    for point in best:
        if not frontier or point.accuracy > frontier[-1].accuracy:
            frontier.append(point)
    # As a stair: to the left of a classifier nothing faster is known that is as accurate.
    corners = [(x(frontier[0].speed), y(100 * frontier[0].accuracy))]
    for point in frontier[1:]:
        corners += [(x(point.speed), corners[-1][1]), (x(point.speed), y(100 * point.accuracy))]
    steps = " ".join(f"{left:.1f},{top:.1f}" for left, top in corners)
    parts.append(
        f'<polyline points="{steps}" fill="none" style="stroke:var(--soft)" stroke-opacity=".55" stroke-width="1.5" '
        'stroke-dasharray="5 5"/>'
    )
    places = [(x(point.speed), y(100 * point.accuracy)) for point in points]
    for point, (left, top), label in zip(points, places, _labels(points, places), strict=True):
        parts += _mark(point, left, top, label)
    return "\n".join([*parts, "</svg>"])


def _mark(point: Point, left: float, top: float, label: tuple[float, float, str, bool]) -> list[str]:
    color = "var(--accent)" if point.ours else "var(--soft)"
    x, y, anchor, line = label
    fill = color if point.level else "var(--card)"
    weight = ' font-weight="650"' if point.ours else ""
    detail = f"{point.title}: {100 * point.accuracy:.1f} %, {point.speed:,.0f} texts/s"
    parts = ["<g>", f"<title>{escape(detail + (f', {point.detail}' if point.detail else ''))}</title>"]
    if line:
        parts.append(
            f'<line x1="{left:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{y - FONT / 3:.1f}" style="stroke:var(--faint)"/>'
        )
    parts += [
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{RADIUS}" style="fill:{fill};stroke:{color}" stroke-width="2.4"/>',
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight} '
        f'style="fill:{"var(--accent)" if point.ours else "var(--ink)"};paint-order:stroke;stroke:var(--card);'
        f'stroke-width:4px;stroke-linejoin:round">{escape(point.title)}</text>',
        "</g>",
    ]
    return parts


def _axes(decades: tuple[int, int], ticks: Sequence[float], place_x: Place, place_y: Place) -> list[str]:
    bottom, parts = HEIGHT - BOTTOM, []
    for tick in ticks:
        top = place_y(tick)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top:.1f}" y2="{top:.1f}" style="stroke:var(--line)"/>',
            f'<text x="{LEFT - 8}" y="{top + FONT / 3:.1f}" text-anchor="end" style="fill:var(--soft)">{tick:g}</text>',
        ]
    for power in range(decades[0], decades[1] + 1):
        left = place_x(10.0**power)
        parts += [
            f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{TOP}" y2="{bottom}" style="stroke:var(--line)"/>',
            f'<text x="{left:.1f}" y="{bottom + 20}" text-anchor="middle" style="fill:var(--soft)">'
            f"{_count(10.0**power)}</text>",
        ]
        if power < decades[1]:
            for step in range(2, 10):
                at = place_x(step * 10.0**power)
                parts.append(
                    f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 4}" style="stroke:var(--faint)"/>'
                )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts += [
        f'<text x="{middle:.1f}" y="{HEIGHT - 12}" text-anchor="middle" style="fill:var(--soft)">'
        "texts per second on one core (logarithmic) →</text>",
        f'<text transform="translate(14 {(TOP + bottom) / 2:.1f}) rotate(-90)" text-anchor="middle" '
        'style="fill:var(--soft)">accuracy in % →</text>',
    ]
    return parts


def _labels(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> list[tuple[float, float, str, bool]]:
    """Return x, y, anchor of each label, and True where a line leads to it: the place that overlaps least."""
    circles = [_Box(x - RADIUS - 2, y - RADIUS - 2, x + RADIUS + 2, y + RADIUS + 2) for x, y in places]
    placed: list[_Box] = []
    found: dict[int, tuple[float, float, str, bool]] = {}
    # Ours first: they are what a reader looks for.
    for number in sorted(range(len(points)), key=lambda n: not points[n].ours):
        (x, y), point = places[number], points[number]
        width = _LETTER * FONT * len(point.title) * (1.08 if point.ours else 1.0)
        options: list[tuple[float, float, str, int]] = []
        for distance in (0, 16, 30, 46, 64):
            gap = RADIUS + 6 + 0.4 * distance
            for dy in (0.0, -distance, distance) if distance else (0.0,):
                options += [
                    (x + gap, y + FONT / 3 + dy, "start", distance),
                    (x - gap, y + FONT / 3 + dy, "end", distance),
                ]
            options += [
                (x, y - RADIUS - 6 - distance, "middle", distance),
                (x, y + RADIUS + FONT + 3 + distance, "middle", distance),
            ]

        def cost(option: tuple[float, float, str, int], width: float = width, number: int = number) -> float:
            box = _box(option, width)
            others = [circle for n, circle in enumerate(circles) if n != number]
            return (
                sum(box.overlap(other) for other in [*placed, *others]) + 60 * box.outside() + 0.6 * option[3]
                + (0.4 if option[2] != "start" else 0.0)
            )  # fmt: skip

        best = min(options, key=cost)
        placed.append(_box(best, width))
        found[number] = (best[0], best[1], best[2], best[3] > 0)
    return [found[number] for number in range(len(points))]


def _box(option: tuple[float, float, str, int], width: float) -> _Box:
    x, y, anchor, _ = option
    left = {"start": x, "end": x - width, "middle": x - width / 2}[anchor]
    return _Box(left - 2, y - FONT, left + width + 2, y + 4)


def _ticks(low: float, high: float) -> list[float]:
    """Return four to eight round numbers around a range."""
    span = max(high - low, 0.5)
    low, high = low - 0.08 * span, min(100.0, high + 0.1 * span)
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if span * 1.2 / step <= 7)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(max(0, number) * step, 6) for number in range(max(0, first), last + 1)]


def _count(value: float) -> str:
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:g}{unit}"
    return f"{value:g}"
