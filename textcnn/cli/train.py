"""`textcnn train`."""

from __future__ import annotations

import sys

from ..settings import TrainSettings
from .options import Verb, print_json, table

VERB = Verb(
    "train",
    TrainSettings,
    "Train a TextCNN on labelled data, keep its best epoch and save it as a directory that every other verb opens.",
    ["textcnn train reviews.csv --vectors glove.6B.300d.txt --max_epochs 5 --output runs/reviews"],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import info, train

    train(**call.values)
    from lightning.pytorch.utilities import rank_zero_only

    if getattr(rank_zero_only, "rank", 0):  # the first process of a distributed run prints
        return
    trained = info(call.settings.output)
    if call.json:
        print_json(trained.to_dict())
        return
    print(table([(name, f"{value:.4f}") for name, value in trained.scores.items()]))
    print(f"The model is in {call.settings.output}: textcnn.load({str(call.settings.output)!r})", file=sys.stderr)
