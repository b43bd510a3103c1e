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

    # A table that is cut is of no use in a file or behind a pipe.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    for table in tables(found.figures, found.titles, found.ours):
        console.print(table)
    console.print(f"{MARK} level with the best: the difference may be chance (paired bootstrap, 95 %)", highlight=False)
    for labels, sentence in found.advice.items():
        head = f"[bold]With {labels}:[/bold] " if len(found.advice) > 1 else ""
        console.print(f"\n{head}{sentence}", highlight=False)
    print(f"\nThe page is {found.page}", file=sys.stderr)
