"""`textcnn info`."""

from __future__ import annotations

from ..settings import InfoSettings
from .options import Verb, print_json, table

VERB = Verb(
    "info",
    InfoSettings,
    "Show what a directory holds: task, labels, sizes, scores, calibration, and the verbs that it can be given to.",
    ["textcnn info runs/reviews"],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import info

    found = info(**call.values)
    if call.json:
        print_json(found.to_dict())
    else:
        print(table(found.lines()))
