"""`textcnn teach`."""

from __future__ import annotations

import sys

from ..settings import TeachSettings
from .options import Verb, print_json

VERB = Verb(
    "teach",
    TeachSettings,
    "Fine-tune a transformer on labelled data and keep the epoch that is best on validation. It labels texts for a "
    "student in `textcnn distill`.",
    ["textcnn teach sentence-transformers/all-MiniLM-L6-v2 --data reviews.csv --output runs/teacher"],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import teach

    scores = teach(**call.values)
    if call.json:
        print_json(scores)
    else:
        print("\n".join(f"{name:<16}{value:.4f}" for name, value in scores.items()))
    print(f"The teacher is in {call.settings.output}", file=sys.stderr)
