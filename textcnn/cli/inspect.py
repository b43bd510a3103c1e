"""`textcnn inspect`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..settings import InspectSettings
from .options import Verb, print_json, table

if TYPE_CHECKING:
    from ..evaluation.lexicon import Entry, Lexicon

VERB = Verb(
    "inspect",
    InspectSettings,
    "Print the n-grams behind each class and filter, over texts like the training data. A filter that has learnt a "
    "wrong pattern can be dropped or scaled; the effect is measured on the same texts.",
    [
        "textcnn inspect runs/reviews --data reviews.csv",
        "textcnn inspect runs/reviews --data reviews.csv --filter 12 57",
        "textcnn inspect runs/reviews --data reviews.csv --drop 12 57 --scale 3=0.5 --output runs/edited",
    ],
    json=True,
)
STRONGEST = 20  # filters in the table


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import inspect

    found = inspect(**call.values)
    if found.dropped:
        print(found.dropped, file=sys.stderr)
    if found.output is not None:
        print(f"the edited model is in {found.output}", file=sys.stderr)
    if call.json:
        print_json(found.to_dict())
    elif found.lexicon is not None:
        _print(found.lexicon, call.settings.label or found.labels, call.settings.filter)
    else:
        print(f"{found.changed:,} of {found.texts:,} texts get another answer")
        for name, value in (found.before or {}).items():
            print(f"{name:<38}{value:.4f} -> {(found.after or {})[name]:.4f}")


def _print(found: Lexicon, labels: Sequence[str], filters: Sequence[int]) -> None:
    if not filters:
        for label in labels:
            print(f"{label}\n{_ngrams(found.classes[label], 'weight')}\n")
        strongest = sorted(found.filters, key=lambda one: -one.weight * one.mean * one.fires)[:STRONGEST]
        rows = [("filter", "width", "active", "class", "weight", "n-grams")]
        for one in strongest:
            shown = ", ".join(entry.text for entry in one.ngrams[:3])
            rows.append((str(one.number), str(one.width), f"{one.fires:.1%}", one.label, f"{one.weight:+.3f}", shown))
        print(f"filters\n{table(rows, right=(0, 1, 2, 4))}")
        rest = len(found.filters) - len(strongest)
        print(f"and {rest} weaker filters; --filter N shows one, --json has all\n" if rest else "")
    for number in filters:
        one = found.filters[number]
        print(
            f"filter {number}, width {one.width}: active in {one.fires:.1%} of texts, class {one.label} "
            f"({one.weight:+.3f})\n{_ngrams(one.ngrams, 'value')}\n"
        )
    dead = found.dead
    numbers = f": {', '.join(map(str, dead[:20]))}" if dead else ""
    print(f"{len(dead)} of {len(found.filters)} filters are active in none of {found.texts:,} texts{numbers}")


def _ngrams(entries: Sequence[Entry], last: str) -> str:
    rows = [(entry.text, f"{entry.texts:,}", f"{entry.weight:+.3f}") for entry in entries]
    return table([("n-gram", "texts", last), *rows], right=(1, 2))
