"""The page of a comparison: one HTML file, readable offline, in a light and a dark theme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.storage import write_text
from .advice import readable_bytes, readable_seconds
from .picture import Point, draw
from .summary import Overall, Row
from .table import labels_text

if TYPE_CHECKING:
    from .compare import Comparison

THEME = """
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1c2024;--soft:#5d666f;--faint:#b6bdc4;--line:#e6e9eb;
--accent:#146ec8;--tint:#146ec814;--good:#1a7f4b}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--card:#1c2125;--ink:#e6e9ec;--soft:#9ba5ae;--faint:#57616a;
--line:#2c3338;--accent:#5aa9f5;--tint:#5aa9f51c;--good:#5fc992}}
"""
_LAYOUT = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1.4rem 1rem 4rem}
h1{font-size:1.55rem;line-height:1.2;margin:.2rem 0}
h2{font-size:1.15rem;margin:0 0 .6rem}
p{margin:.4rem 0;overflow-wrap:anywhere}
.soft{color:var(--soft)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.2rem;margin:1rem 0;
min-width:0}
.advice{border-left:4px solid var(--accent);font-size:1.12rem}
.advice b{color:var(--accent)}
.picture{display:block;width:100%;min-width:35rem;max-width:60rem;height:auto;margin:.2rem auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th{font-weight:600;color:var(--soft);text-align:right;vertical-align:bottom;padding:.3rem .55rem}
td{text-align:right;padding:.38rem .55rem;font-variant-numeric:tabular-nums;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:.4rem}
td:first-child{white-space:normal;min-width:8.5rem}
tbody tr{border-top:1px solid var(--line)}
tr.ours{background:var(--tint)}
tr.ours td:first-child,th.ours{color:var(--accent);font-weight:650}
.level{font-weight:700;color:var(--good)}
.first{text-decoration:underline;text-underline-offset:3px}
.spread{color:var(--soft);font-weight:400;font-size:.85em}
ul{margin:.3rem 0;padding-left:1.2rem}
li{margin:.15rem 0;overflow-wrap:anywhere}
@media (max-width:40rem){.card{padding:.8rem}td,th{padding:.3rem .4rem}}
"""
STYLE = THEME + _LAYOUT

MEANINGS = (
    ("accuracy", "test texts with the right label (all right labels, where a text may have several); ± is the standard "
     "deviation over seeds. Green: level with the best, as the 95 % interval of a paired bootstrap of the test texts "
     "holds 0. Underlined: the highest."),
    ("macro-F1", "mean F1 of the classes"),
    ("ECE", "expected calibration error in points; – where scores are no probabilities"),
    ("training", "time of training with the choice of settings, by the clock"),
    ("texts/s", "texts labelled per second by one thread, by the time of the process"),
    ("size", "bytes on disk that a server needs"),
    ("memory", "largest resident memory of a process that opens the classifier and labels texts"),
    ("first label", "time from the start of a process to its first label"),
)  # fmt: skip


def write_page(path: Path, found: Comparison) -> Path:
    """Write the page of a comparison and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page(found))
    return path


def write_picture(path: Path, found: Comparison) -> None:
    """Write accuracy against throughput as a picture of its own, of the first number of labels that was compared."""
    per_class = next(iter(found.figures.groups()))
    overall = [one for one in found.figures.overall if one.per_class == per_class]
    svg = _drawn(found, overall, labels_text(per_class))
    head, rest = svg.split(">", 1)
    # Its own ground, as the page around it may have another theme than its reader.
    ground = f'<style>{THEME}</style><rect width="100%" height="100%" rx="10" style="fill:var(--card)"/>'
    write_text(path, f'{head} xmlns="http://www.w3.org/2000/svg">{ground}{rest}\n')


def page(found: Comparison) -> str:
    """Return the page of a comparison."""
    names = [data["name"] for data in found.data_sets]
    what = names[0] if len(names) == 1 else f"{len(names)} data sets"
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Which classifier for {escape(what)}?</title>\n<style>{STYLE}</style>\n<main>",
        f"<h1>Which classifier for {escape(what)}?</h1>",
        f'<p class="soft">{_rows_text(found)}</p>',
    ]
    for per_class in found.figures.groups():
        labels = labels_text(per_class)
        overall = [one for one in found.figures.overall if one.per_class == per_class]
        rows = found.figures.of(per_class)
        head = f"<b>With {escape(labels)}.</b> " if len(found.advice) > 1 else ""
        parts += [
            f'<section class="card advice"><p>{head}{escape(found.advice[labels])}</p></section>',
            _picture(found, overall, labels),
            *_tables(found, rows, overall, labels),
        ]
    parts += [_notes(found), "</main>\n</html>\n"]
    return "\n".join(parts)


def _rows_text(found: Comparison) -> str:
    if len(found.data_sets) > 1:
        total = sum(data["train"] for data in found.data_sets)
        return f"{total:,} texts to train on; the same splits for every classifier."
    data = found.data_sets[0]
    note = f" ({escape(data['note'])})" if data["note"] else ""
    return (
        f"{data['classes']} classes; {data['train']:,} texts to train on, {data['validation']:,} to choose settings "
        f"on, {data['test']:,} to test on{note}; the same for every classifier."
    )


def _drawn(found: Comparison, overall: Sequence[Overall], labels: str) -> str:
    points = [
        Point(
            found.titles[one.candidate], one.texts_per_second, one.accuracy, one.candidate in found.ours, one.level,
            readable_bytes(one.size),
        )
        for one in overall
    ]  # fmt: skip
    return draw(points, f"Accuracy against texts per second, {labels}")


def _picture(found: Comparison, overall: Sequence[Overall], labels: str) -> str:
    several = len(found.data_sets) > 1
    caption = "Means over data sets. " if several else ""
    return (
        f'<section class="card"><h2>Accuracy against throughput, {escape(labels)}</h2>'
        f'<div class="scroll">{_drawn(found, overall, labels)}</div>'
        f'<p class="soft">{caption}Up and to the right is better. Filled: level with the best. The dashed line joins '
        "the classifiers that no other one beats in both.</p></section>"
    )


def _tables(found: Comparison, rows: Sequence[Row], overall: Sequence[Overall], labels: str) -> list[str]:
    if len(found.data_sets) == 1:
        return [_card(f"Every figure, {labels}", _one_data_set(found, rows))]
    return [
        _card(f"Accuracy on each data set, {labels}", _accuracies(found, rows, overall)),
        _card(f"Averages, {labels}", _averages(found, overall)),
    ]


def _one_data_set(found: Comparison, rows: Sequence[Row]) -> str:
    top = max(row.means["accuracy"] or 0.0 for row in rows)
    lines = []
    for row in sorted(rows, key=lambda row: -(row.means["accuracy"] or 0.0)):
        means = row.means
        lines.append(
            (row.candidate in found.ours,
             [escape(found.titles[row.candidate]),
              _accuracy(row, top),
              _spread(row, "macro_f1"),
              _error(means["calibration_error"]),
              readable_seconds(means["train_seconds"] or 0),
              f"{means['texts_per_second'] or 0:,.0f}",
              readable_bytes(means["size"] or 0),
              readable_bytes(means["memory"] or 0),
              readable_seconds(means["first_label"] or 0)])
        )  # fmt: skip
    return _table(["classifier", *(name for name, _ in MEANINGS)], lines)


def _averages(found: Comparison, overall: Sequence[Overall]) -> str:
    top = max(one.accuracy for one in overall)
    lines = []
    for one in sorted(overall, key=lambda one: one.rank):
        classes = " ".join(["level" if one.level else "", "first" if one.accuracy == top else ""])
        compared = f"{one.wins} / {one.draws} / {one.losses}" if one.wins + one.draws + one.losses else ""
        lines.append(
            (one.candidate in found.ours,
             [escape(found.titles[one.candidate]), f"{one.rank:.2f}", f"{one.macro_f1_rank:.2f}",
              f'<span class="{classes}">{100 * one.accuracy:.1f}</span>', f"{100 * one.macro_f1:.1f}",
              _error(one.calibration_error), compared, readable_seconds(one.train_seconds),
              f"{one.texts_per_second:,.0f}", readable_bytes(one.size), readable_bytes(one.memory),
              readable_seconds(one.first_label)])
        )  # fmt: skip
    first = escape(found.titles[found.ours[0]])
    columns = ["classifier", "rank", "F1 rank", "accuracy", "macro-F1", "ECE", f"{first} wins / level / loses",
               "training", "texts/s", "size", "memory", "first label"]  # fmt: skip
    return _table(columns, lines)


def _accuracies(found: Comparison, rows: Sequence[Row], overall: Sequence[Overall]) -> str:
    order = [one.candidate for one in sorted(overall, key=lambda one: one.rank)]
    by_place = {(row.data, row.candidate): row for row in rows}
    lines = []
    for data in dict.fromkeys(row.data for row in rows):
        here = [by_place.get((data, name)) for name in order]
        top = max(row.means["accuracy"] or 0.0 for row in here if row is not None)
        lines.append((False, [escape(data), *("" if row is None else _accuracy(row, top) for row in here)]))
    heads = [f"<th{_ours(name in found.ours)}>{escape(found.titles[name])}</th>" for name in order]
    body = "".join(_line(*line) for line in lines)
    return f"<table><thead><tr><th>data set</th>{''.join(heads)}</tr></thead><tbody>{body}</tbody></table>"


def _table(columns: Iterable[str], lines: Iterable[tuple[bool, Sequence[str]]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(_line(*line) for line in lines)}</tbody></table>"


def _line(ours: bool, cells: Sequence[str]) -> str:
    return f"<tr{_ours(ours)}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _ours(ours: bool) -> str:
    return ' class="ours"' if ours else ""


def _card(headline: str, content: str) -> str:
    return f'<section class="card"><h2>{escape(headline)}</h2><div class="scroll">{content}</div></section>'


def _accuracy(row: Row, top: float) -> str:
    classes = " ".join(["level" if row.level else "", "first" if row.means["accuracy"] == top else ""])
    number, _, spread = _spread(row, "accuracy").partition("<")
    return f'<span class="{classes}">{number}</span>' + (f"<{spread}" if spread else "")


def _spread(row: Row, name: str) -> str:
    mean = f"{100 * (row.means[name] or 0):.1f}"
    return f'{mean}<span class="spread"> ± {100 * row.spread[name]:.1f}</span>' if row.seeds > 1 else mean


def _error(error: float | None) -> str:
    return "–" if error is None else f"{100 * error:.1f}"


def _notes(found: Comparison) -> str:
    items = [f"<li><b>{name}</b>: {escape(meaning)}</li>" for name, meaning in MEANINGS]
    if len(found.data_sets) > 1:
        items += [
            "<li><b>rank</b>, <b>F1 rank</b>: mean rank by accuracy and by macro-F1 over the data sets, 1 for the best"
            "</li>",
            "<li><b>wins / level / loses</b>: data sets on which the first textcnn is better, level, or worse, by the "
            "paired bootstrap; size, speed, memory and times are geometric means</li>",
        ]
        items += [
            f"<li>{escape(data['name'])}: {data['classes']} classes; {data['train']:,} train, {data['validation']:,} "
            f"validation, {data['test']:,} test{'; ' + escape(data['note']) if data['note'] else ''}</li>"
            for data in found.data_sets
        ]
    parts = [f'<section class="card"><h2>How it was measured</h2><ul>{"".join(items)}</ul></section>']
    left_out = [f"<li>{escape(title)}: {escape(reason)}</li>" for title, reason in found.missing.items()]
    left_out += [f"<li>{escape(place)}: failed: {escape(reason)}</li>" for place, reason in found.failed.items()]
    if found.unfinished:
        left_out.append(f"<li>{found.unfinished} fits, by the time limit; run the command again to go on</li>")
    if left_out:
        parts.append(f'<section class="card"><h2>Left out</h2><ul>{"".join(left_out)}</ul></section>')
    return "\n".join(parts)
