"""Explanations to look at: a table in the terminal, a fragment of HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explain import Contribution, Explanation

# For and against, told apart by people who cannot tell red from green, on white and on black.
FOR, AGAINST = (20, 110, 200), (215, 95, 0)
BAR = 24  # characters of the longest bar in the terminal
STYLE = """
.textcnn{font:15px/1.6 system-ui,sans-serif;max-width:48rem;color:inherit}
.textcnn p{margin:.4em 0;white-space:pre-wrap;overflow-wrap:anywhere}
.textcnn .token{border-radius:3px;padding:.1em 0}
.textcnn table{border-collapse:collapse;font-size:14px}
.textcnn td,.textcnn th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}
.textcnn td.number,.textcnn th.number{text-align:right;font-variant-numeric:tabular-nums}
.textcnn .bar{display:inline-block;height:.7em;border-radius:2px}"""


def table(explanation: Explanation, top: int = 12) -> Any:
    """What `rich` prints: the n-grams with their weights as bars."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = _first(explanation, top)
    largest = max((abs(c.weight) for c in shown), default=1.0) or 1.0
    rows = Table(box=None, padding=(0, 2, 0, 0))
    for name, justify in (
        ("n-gram", "left"), ("weight", "right"), ("", "left"), ("logit without", "right"), ("if deleted", "right"),
    ):  # fmt: skip
        rows.add_column(name, justify=justify)  # type: ignore[arg-type]
    for c, deleted in zip(shown, explanation.deleted, strict=False):
        bar = "█" * max(1, round(BAR * abs(c.weight) / largest))
        style = f"rgb({','.join(map(str, FOR if c.weight > 0 else AGAINST))})"
        rows.add_row(
            Text(" ".join(c.text.split())),
            f"{c.weight:+.3f}",
            Text(bar, style=style),
            f"{c.without:.3f}",
            f"{deleted:.3f}",
        )
    return Group(Text(_heading(explanation), style="bold"), rows, Text(_footing(explanation, shown), style="dim"))


def plain(explanation: Explanation, top: int = 12) -> str:
    """Return the n-grams with their weights as lines of text; a bar to the left of the middle is against the label."""
    shown = _first(explanation, top)
    largest = max((abs(c.weight) for c in shown), default=1.0) or 1.0
    names = [" ".join(c.text.split()) for c in shown]
    width = max([len("n-gram"), *map(len, names)])
    half = BAR // 2
    lines = [_heading(explanation), ""]
    if shown:
        middle = f"{'against':>{half}}|{'for':<{half}}"
        lines.append(f"{'n-gram':<{width}}  {'weight':>8}  {middle}  {'logit without':>13}  {'if deleted':>10}")
    for name, c, deleted in zip(names, shown, explanation.deleted, strict=False):
        bar = "#" * max(1, round(half * abs(c.weight) / largest))
        bars = f"{bar if c.weight < 0 else '':>{half}}|{bar if c.weight >= 0 else '':<{half}}"
        lines.append(f"{name:<{width}}  {c.weight:>+8.3f}  {bars}  {c.without:>13.3f}  {deleted:>10.3f}")
    return "\n".join([*lines, "", _footing(explanation, shown)])


def html(explanation: Explanation, top: int = 12) -> str:
    """The text with its characters coloured by their weight, and a table of n-grams; no script, nothing to fetch."""
    heading = escape(_heading(explanation))
    return (
        f'<div class="textcnn"><style>{STYLE}</style><p><b>{heading}</b></p><p>{coloured(explanation)}</p>'
        f"{ngrams(explanation, top)}</div>"
    )


def ngrams(explanation: Explanation, top: int = 12) -> str:
    """The table of n-grams alone, in HTML; STYLE is for it."""
    shown = _first(explanation, top)
    largest = max((abs(c.weight) for c in shown), default=1.0) or 1.0
    rows = "".join(
        f'<tr><td>{escape(" ".join(c.text.split()))}</td><td class="number">{c.weight:+.3f}</td><td>'
        f'<span class="bar" style="width:{9 * abs(c.weight) / largest:.2f}em;background:{_color(c.weight, 1)}">'
        f'</span></td><td class="number">{c.without:.3f}</td><td class="number">{deleted:.3f}</td></tr>'
        for c, deleted in zip(shown, explanation.deleted, strict=False)
    )
    return (
        '<table><tr><th>n-gram</th><th class="number">weight</th><th></th><th class="number">logit without</th>'
        '<th class="number">if deleted</th></tr>'
        f"{rows}</table><p><small>{escape(_footing(explanation, shown))}</small></p>"
    )


def _first(explanation: Explanation, top: int) -> tuple[Contribution, ...]:
    if top < 0:
        raise ValueError(f"top: got {top}; expected a whole number of at least 0")
    return explanation.contributions[:top]


def coloured(explanation: Explanation) -> str:
    """The text with its characters coloured by their weight, in HTML."""
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


def _color(weight: float, alpha: float) -> str:
    red, green, blue = FOR if weight > 0 else AGAINST
    return f"rgba({red},{green},{blue},{alpha:.2f})"


def _heading(explanation: Explanation) -> str:
    probability = f"{explanation.probability:.3f}"
    if probability in ("0.000", "1.000"):  # not quite
        probability = f"{explanation.probability:.6g}"
    return f"{explanation.label}: probability {probability}, logit {explanation.logit:.3f}"


def _footing(explanation: Explanation, shown: tuple[Contribution, ...]) -> str:
    rest = explanation.contributions[len(shown) :]
    others = f" + {sum(c.weight for c in rest):.3f} of {len(rest)} other n-grams" if rest else ""
    kind = "; int8 tables: exact for them, near the model's own" if explanation.approximate else ""
    shown_weight = sum(c.weight for c in shown)
    return f"bias {explanation.bias:.3f} + {shown_weight:.3f} of these{others} = {explanation.logit:.3f}{kind}"
