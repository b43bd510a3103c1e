"""`textcnn compare`."""

from __future__ import annotations

import sys

from ..settings import CompareSettings
from .options import Verb, print_json

VERB = Verb(
    "compare",
    CompareSettings,
    "Compare textcnn with other classifiers on your own data: accuracy, macro-F1, calibration, training time, speed, "
    "size, memory. Same splits for all, each with its own recommended settings. What is done is kept, so that a run "
    "that was stopped goes on.",
    [
        "textcnn compare reviews.csv --output runs/comparison",
        "textcnn compare data --per_class 8 64 --encoder all-MiniLM-L6-v2 --vectors all-MiniLM-L6-v2",
        "textcnn compare reviews.csv --variants 'wide: kernel_sizes=[1,2,3,5]' 'small: num_filters=50, int8=true'",
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import compare

    found = compare(**call.values)
    if call.json:
        print_json(found.to_dict())
        return
    from rich.console import Console

    from ..comparison.table import MARK, tables

    shown, wide = tables(found.figures, found.titles, found.ours), Console(width=500)
    # A row that goes on in the next line can be read, one that is cut cannot.
    console = Console(width=max([Console().width, *(wide.measure(table).maximum for table in shown)]))
    for table in shown:
        console.print(table)
    note = f"{MARK} level with the best: the difference may be chance (paired bootstrap, 95 %)"
    console.print(note, highlight=False, soft_wrap=True)
    for labels, sentence in found.advice.items():
        head = f"[bold]With {labels}:[/bold] " if len(found.advice) > 1 else ""
        console.print(f"\n{head}{sentence}", highlight=False, soft_wrap=True)
    print(f"\nThe page is {found.page}", file=sys.stderr)
