"""Explanations to look at: a table in plain text, a fragment of HTML and a page of it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explanation import Contribution, Explanation

# For and against, told apart by people who cannot tell red from green, on white and on black.
FOR, AGAINST = (20, 110, 200), (215, 95, 0)
# Characters of the longest bar, and of the longest n-gram that is shown whole, in plain text.
BAR, LONGEST = 12, 32
_COLUMNS = ("n-gram", "weight", "", "logit without", "if deleted")
_NUMBERS = ("weight", "logit without", "if deleted")
_MEANINGS = (
    "",
    "what the n-gram adds to the logit",
    "",
    "the logit with the next best n-gram of each of its filters",
    "the logit of the text without these tokens",
)
_OF_A_MEAN = (*_MEANINGS[:3], "the logit with the mean of the other n-grams", _MEANINGS[4])
STYLE = """
.textcnn{font:15px/1.6 system-ui,sans-serif;max-width:48rem;color:inherit}
.textcnn p{margin:.4em 0;white-space:pre-wrap;overflow-wrap:anywhere}
.textcnn .legend{font-size:13px;white-space:normal}
.textcnn .token{border-radius:3px;padding:.1em 0}
.textcnn .key{border-radius:3px;padding:.1em .4em}
.textcnn table{border-collapse:collapse;font-size:14px;line-height:1.4;width:100%}
.textcnn td,.textcnn th{padding:.15em .6em .15em 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
.textcnn td.number,.textcnn th.number{text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:normal}
.textcnn td.bars{width:22%;padding-left:.4em}
.textcnn td:first-child{min-width:32%;overflow-wrap:break-word}
@media(max-width:30em){.textcnn td.bars{width:12%}.textcnn td,.textcnn th{padding-right:.35em}}
.textcnn .bar{display:block;height:.7em;margin-top:.35em;border-radius:2px}"""


def text(explanation: Explanation, top: int = 12, color: bool = False) -> str:
    """Return the n-grams with their weights as bars: those for the label to the right, those against it to the left.

    Args:
        explanation: To show.
        top: N-grams to show.
        color: True to colour the bars, with the escape codes of terminals.
    """
    shown = _first(explanation, top)
    largest = _largest(shown)
    rows: list[tuple[str, ...]] = [
        (
            _shortened(" ".join(c.text.split())), f"{c.weight:+.3f}", _bar(c.weight, largest), f"{c.without:.3f}",
            f"{deleted:.3f}",
        )
        for c, deleted in zip(shown, explanation.deleted, strict=False)
    ]  # fmt: skip
    if all(c.weight >= 0 for c in shown):
        rows = [(*row[:2], row[2][BAR:], *row[3:]) for row in rows]
    names = _columns(explanation)
    widths = [max(map(_width, column)) for column in zip(names, *rows, strict=True)]
    lines = [_line(names, widths)]
    for c, row in zip(shown, rows, strict=True):
        lines.append(_line(row, widths, (FOR if c.weight > 0 else AGAINST) if color else None))
    return "\n".join([_heading(explanation), *lines, _footing(explanation, shown)])


def html(explanation: Explanation, top: int = 12) -> str:
    """Return the text with its characters coloured by their weight, a legend and a table of n-grams.

    It runs no script and fetches nothing.
    """
    return (
        f'<div class="textcnn"><style>{STYLE}</style><p><b>{escape(_heading(explanation))}</b></p>'
        f'<p class="text">{coloured(explanation)}</p>{legend(explanation)}{ngrams(explanation, top)}</div>'
    )


def page(explanation: Explanation, top: int = 12) -> str:
    """Return the same as a complete page."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>textcnn: an explanation</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>:root{{color-scheme:light dark}}body{{margin:12px}}</style>{html(explanation, top)}</html>"
    )


def legend(explanation: Explanation) -> str:
    """Return the meaning of the colours and of the table's columns, in HTML."""
    label, is_number = escape(explanation.label), explanation.probability is None
    keys = " ".join(
        f'<span class="key" style="background:{_color(sign, 0.5)}">{word} {label}</span>'
        for sign, word in ((1, "higher" if is_number else "for"), (-1, "lower" if is_number else "against"))
    )
    columns = "; ".join(
        f"<i>{name}</i>: {said}"
        for name, said in zip(_columns(explanation), _meanings(explanation), strict=True)
        if said
    )
    whole = "number" if is_number else "logit"
    return f'<p class="legend">{keys} The stronger the colour, the larger the part in the {whole}. {columns}.</p>'


def ngrams(explanation: Explanation, top: int = 12) -> str:
    """Return the table of n-grams alone, in HTML; STYLE is for it."""
    shown = _first(explanation, top)
    largest = _largest(shown)
    # Bars share one axis: at the left, or in the middle where there are n-grams against the label.
    axis = 50 if any(c.weight < 0 for c in shown) else 0
    rows = ""
    for c, deleted in zip(shown, explanation.deleted, strict=False):
        length = (100 - axis) * abs(c.weight) / largest
        begin = axis if c.weight > 0 else axis - length
        bar = f"margin-left:{begin:.1f}%;width:{length:.1f}%;background:{_color(c.weight, 1)}"
        rows += (
            f'<tr><td>{escape(" ".join(c.text.split()))}</td><td class="number">{c.weight:+.3f}</td>'
            f'<td class="bars"><span class="bar" style="{bar}"></span></td><td class="number">{c.without:.3f}</td>'
            f'<td class="number">{deleted:.3f}</td></tr>'
        )
    head = "".join(
        f'<th class="{"number" if column in _NUMBERS else "name"}" title="{said}">{name}</th>'
        for column, name, said in zip(_COLUMNS, _columns(explanation), _meanings(explanation), strict=True)
    )
    footing = escape(_footing(explanation, shown))
    return f"<table><tr>{head}</tr>{rows}</table><p><small>{footing}</small></p>"


def coloured(explanation: Explanation) -> str:
    """Return the text with its characters coloured by their weight, in HTML."""
    weights = explanation.characters()
    largest = float(abs(weights).max(initial=0)) or 1.0
    parts, begin = [], 0
    text = explanation.text
    for end in range(1, len(text) + 1):
        if end < len(text) and weights[end] == weights[begin]:
            continue
        strength = abs(weights[begin]) / largest
        piece = escape(text[begin:end])
        if strength < 0.02:
            parts.append(piece)
        else:
            color = _color(weights[begin], 0.08 + 0.5 * strength)
            title = f"{weights[begin:end].sum():+.3f}"
            parts.append(f'<span class="token" style="background:{color}" title="{title}">{piece}</span>')
        begin = end
    return "".join(parts)


def probability_text(probability: float) -> str:
    """Return a probability in three digits, or in as many as distinguish it from 0 and 1.

    Example:
        >>> probability_text(0.8731), probability_text(0.99996), probability_text(0.00004)
        ('0.873', '0.99996', '0.00004')
    """
    distance = min(probability, 1 - probability)
    if distance <= 0 or distance >= 0.0005:
        return f"{probability:.3f}"
    digits = math.ceil(-math.log10(distance))
    if digits > 9:
        return "< 0.000000001" if probability < 0.5 else "> 0.999999999"
    return f"{probability:.{digits}f}"


def _meanings(explanation: Explanation) -> tuple[str, ...]:
    """Return the meaning of each column."""
    meanings = _OF_A_MEAN if explanation.pooling == "mean" else _MEANINGS
    if explanation.probability is None:
        return tuple(meaning.replace("logit", "number") for meaning in meanings)
    return meanings


def _columns(explanation: Explanation) -> tuple[str, ...]:
    """Return the names of the columns."""
    if explanation.probability is None:
        return tuple(name.replace("logit without", "without") for name in _COLUMNS)
    return _COLUMNS


def _first(explanation: Explanation, top: int) -> tuple[Contribution, ...]:
    if top < 0:
        raise ValueError(f"top: got {top}; expected a whole number of at least 0")
    return explanation.contributions[:top]


def _largest(shown: tuple[Contribution, ...]) -> float:
    return max((abs(c.weight) for c in shown), default=1.0) or 1.0


def _bar(weight: float, largest: float) -> str:
    """A bar of plus signs to the right of the axis, or of minus signs to the left of it."""
    length = max(1, round(BAR * abs(weight) / largest))
    bar = "|" + "+" * length if weight >= 0 else "-" * length + "|"
    return " " * BAR + bar if weight >= 0 else bar.rjust(BAR + 1)


def _line(cells: Sequence[str], widths: Sequence[int], color: tuple[int, int, int] | None = None) -> str:
    padded = []
    for column, cell, width in zip(_COLUMNS, cells, widths, strict=True):
        space = " " * (width - _width(cell))
        if not column and color is not None:
            cell = f"\x1b[38;2;{color[0]};{color[1]};{color[2]}m{cell}\x1b[0m"
        padded.append(space + cell if column in _NUMBERS else cell + space)
    return "  ".join(padded).rstrip()


def _shortened(name: str) -> str:
    """The n-gram for a terminal: characters that steer one replaced, and the end left out where it is long."""
    name = "".join(character if character.isprintable() else "\ufffd" for character in name)
    if _width(name) <= LONGEST:
        return name
    while _width(name) > LONGEST - 3:
        name = name[:-1]
    return name + "..."


def _width(cell: str) -> int:
    """Columns of a terminal that a text takes."""
    marks = sum(unicodedata.combining(character) != 0 for character in cell)
    return len(cell) - marks + sum(unicodedata.east_asian_width(character) in "WF" for character in cell)


def _color(weight: float, alpha: float) -> str:
    red, green, blue = FOR if weight > 0 else AGAINST
    return f"rgba({red},{green},{blue},{alpha:.2f})"


def _heading(explanation: Explanation) -> str:
    route = ", ".join(f"{expert} (gate {gate:.2f})" for expert, gate in explanation.route)
    routed = f"; given the route to expert {route}" if route else ""
    left_out = "; the model gives this text no label" if explanation.abstained else ""
    if explanation.probability is None:
        return f"{explanation.label}: {explanation.logit:.3f}{routed}"
    probability = probability_text(explanation.probability)
    return f"{explanation.label}: probability {probability}, logit {explanation.logit:.3f}{routed}{left_out}"


def _footing(explanation: Explanation, shown: tuple[Contribution, ...]) -> str:
    rest = explanation.contributions[len(shown) :]
    others = f" + {sum(c.weight for c in rest):.3f} of {len(rest)} other n-grams" if rest else ""
    shown_weight = sum(c.weight for c in shown)
    if explanation.method == "occlusion":
        return (
            f"approximate, by occlusion: {shown_weight:.3f} of these{others}; the "
            f"{'number' if explanation.probability is None else 'logit'} is {explanation.logit:.3f}, "
            f"and {explanation.bias:.3f} for an empty text"
        )
    kind = "; int8 tables: exact for them, near the model's own" if explanation.approximate else ""
    return f"bias {explanation.bias:.3f} + {shown_weight:.3f} of these{others} = {explanation.logit:.3f}{kind}"
