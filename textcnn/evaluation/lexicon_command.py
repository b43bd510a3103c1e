"""`textcnn lexicon`: prints what a model has learnt, and takes filters out of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..arguments import VerbParser
from ..artifact import check_artifact
from ..classifier import load
from ..data.errors import DataError, nearest
from ..data.prediction import open_rows, texts_of
from ..runtime.folded import FoldedTextCNN
from ..runtime.storage import write_text
from .labelled import dropped_rows, read_labelled, spread
from .lexicon import Lexicon, check_filters, lexicon, save_scaled, scale_filters
from .scores import ask, scores

DESCRIPTION = """\
Prints the n-grams that speak for each class and those of each filter, over texts such as the model was trained on.
A filter that has learnt what it should not can be dropped or scaled: what that does is measured on the same texts.

  textcnn lexicon runs/reviews --data reviews.csv
  textcnn lexicon runs/reviews --data reviews.csv --filter 12 57
  textcnn lexicon runs/reviews --data reviews.csv --drop 12 57 --scale 3=0.5 --output runs/edited"""

LIMIT = 20_000


def main(verb: str, args: list[str]) -> None:
    """Runs the verb."""
    parser = VerbParser(f"textcnn {verb}", description=DESCRIPTION)
    parser.add_argument("directory", help="the artifact, as `textcnn fit` writes it")
    parser.add_argument("--data", required=True, metavar="DATA", help="texts; with labels, to measure --drop by")
    parser.add_argument("--split", metavar="NAME", help="their split (default: test, or the only one)")
    parser.add_argument("--text_column", metavar="NAME", help="column of the texts (default: found by its name)")
    parser.add_argument("--label_column", metavar="NAME", help="column of the labels (default: found by its name)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="n-grams of each class and filter")
    parser.add_argument(
        "--limit", type=int, default=LIMIT, metavar="N", help=f"texts to read, spread evenly (default: {LIMIT})"
    )
    parser.add_argument("--label", nargs="+", metavar="LABEL", help="classes to print (default: all)")
    parser.add_argument("--filter", nargs="+", type=int, default=[], metavar="N", help="filters to print")
    parser.add_argument("--drop", nargs="+", type=int, default=[], metavar="N", help="filters to take out")
    parser.add_argument("--scale", nargs="+", default=[], metavar="N=S", help="filters to multiply")
    parser.add_argument("--output", metavar="DIR", help="write the model with --drop and --scale there")
    parser.add_argument("--json", metavar="FILE", help="write all of it to a JSON file")
    options = parser.read(args)
    factors = {**dict.fromkeys(options.drop, 0.0), **dict(map(_factor, options.scale))}
    if options.output and not factors:
        raise ValueError("--output: got no filter to change; expected some; give --drop or --scale")
    model = load(check_artifact(options.directory))
    assert isinstance(model, FoldedTextCNN)
    check_filters(model, [*factors, *options.filter])
    for label in options.label or []:
        if label not in model.labels:
            raise ValueError(f"--label: got {label!r}; expected a label of the model{nearest(label, model.labels)}")
    rows = None
    try:
        rows = read_labelled(options.data, model, options.split, options.text_column, options.label_column)
        texts, dropped = rows.texts, rows.dropped
    except DataError:
        if factors or options.label_column:
            raise
        # The lexicon itself needs no labels.
        column = texts_of(open_rows(options.data), options.text_column, None, options.data)
        texts = [text for text in column.to_pylist() if text is not None]
        dropped = dropped_rows(column.null_count)
    chosen = spread(len(texts), options.limit)
    if dropped:
        print(dropped)
    if not factors:
        found = lexicon(model, [texts[i] for i in chosen], options.top)
        _print(found, options.label or model.labels, options.filter)
        if options.json:
            Path(options.json).parent.mkdir(parents=True, exist_ok=True)
            written = {"texts": found.texts, "dead": found.dead, **asdict(found)}
            write_text(Path(options.json), json.dumps(written, indent=1, ensure_ascii=False) + "\n")
        return
    assert rows is not None
    edited = scale_filters(model, factors)
    before, after = ask(model, rows), ask(edited, rows)
    changed = (before.predicted != after.predicted).reshape(len(rows), -1).any(axis=1)
    print(f"{int(changed.sum()):,} of {len(rows):,} texts get another answer")
    old, new = scores(before, resamples=0), scores(after, resamples=0)
    for name, score in old.items():
        print(f"{name:<38}{score.value:.4f} -> {new[name].value:.4f}")
    if options.output:
        print(f"the edited model is in {save_scaled(options.directory, factors, options.output)}")


def _print(found: Lexicon, labels: list[str], filters: list[int]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()

    def show(title: str, ngrams: Any, last: str) -> None:
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        for name, justify in (("n-gram", "left"), ("texts", "right"), (last, "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for entry in ngrams:
            table.add_row(entry.text, f"{entry.texts:,}", f"{entry.weight:+.3f}", style=None)
        console.print(table)
        console.print()

    if not filters:
        for label in labels:
            show(label, found.classes[label], "weight")
        table = Table(title="filters", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        for name, justify in (("filter", "right"), ("width", "right"), ("fires", "right"), ("speaks for", "left"),
                              ("weight", "right"), ("n-grams", "left")):  # fmt: skip
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        strongest = sorted(found.filters, key=lambda one: -one.weight * one.mean * one.fires)[:20]
        for one in strongest:
            shown = ", ".join(entry.text for entry in one.ngrams[:3])
            table.add_row(str(one.number), str(one.width), f"{one.fires:.1%}", one.label, f"{one.weight:+.3f}", shown)
        console.print(table)
        rest = len(found.filters) - len(strongest)
        console.print(f"and {rest} weaker filters; --filter N shows one, --json FILE has all" if rest else "")
    for number in filters:
        one = found.filters[number]
        show(
            f"filter {number}, width {one.width}: fires in {one.fires:.1%} of texts, speaks for {one.label} "
            f"({one.weight:+.3f})", one.ngrams, "value",
        )  # fmt: skip
    dead = found.dead
    said = f": {', '.join(map(str, dead[:20]))}" if dead else ""
    console.print(f"{len(dead)} of {len(found.filters)} filters fire in none of {found.texts:,} texts{said}")


def _factor(item: str) -> tuple[int, float]:
    number, _, factor = item.partition("=")
    try:
        return int(number), float(factor)
    except ValueError:
        raise ValueError(f"--scale: got {item!r}; expected N=S, such as 12=0.5") from None
