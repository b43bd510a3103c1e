"""`textcnn tune`."""

from __future__ import annotations

import sys

from ..settings import TuneSettings
from .options import Verb, print_json, table

VERB = Verb(
    "tune",
    TuneSettings,
    "Search for the settings of `textcnn train` within a time limit, and save the best run. Settings that are given "
    "are kept. Trials are kept in the output directory, so that a search that was stopped goes on.",
    [
        "textcnn tune reviews.csv --time_limit 30m --output runs/tuned",
        'textcnn tune reviews.csv --metric macro_f1 --budget 3MB --min_speed "400k texts/s"',
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import tune

    found = tune(**call.values)
    if call.json:
        print_json(found.to_dict())
        return
    from ..tuning.picture import importance_lines

    default = "" if found.default is None else f"; {found.default:.4f} with the default settings"
    print(f"{found.trials} trials, {found.finished} of them to the end. Best {found.metric} on validation: "
          f"{found.score:.4f}{default}\n")  # fmt: skip
    print(table([(name, str(value)) for name, value in found.best.items()]))
    if found.importance:
        print("\nwhat mattered:")
        print("\n".join(importance_lines(found.importance)))
    print()
    print(table([(name, f"{value:.4f}") for name, value in found.scores.items()]))
    print(
        f"The model is in {found.output} ({found.size / 1e6:.1f} MB to serve): textcnn.load({found.output!r})",
        file=sys.stderr,
    )
