"""`textcnn pretrain`."""

from __future__ import annotations

import sys

from ..settings import PretrainSettings
from .options import Verb, print_json

VERB = Verb(
    "pretrain",
    PretrainSettings,
    "Train the network on text without labels: on a sentence encoder's vectors of each text (representation) or on "
    "telling texts apart (contrastive). The result turns texts into vectors; `textcnn train --init` starts from it.",
    [
        "textcnn pretrain crawl.txt --encoder sentence-transformers/all-MiniLM-L6-v2 --output runs/pretrained",
        "textcnn train reviews.csv --init runs/pretrained --output runs/reviews",
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from pathlib import Path

    from .. import pretrain

    texts = call.settings.texts
    files = [Path(name) for name in ([texts] if isinstance(texts, str) else texts)]
    scores = pretrain(**{**call.values, "texts": files})
    if call.json:
        print_json(scores)
    else:
        print("\n".join(f"{name:<16}{value:.4f}" for name, value in scores.items()))
    print(f"The model is in {call.settings.output}: textcnn.load({str(call.settings.output)!r})", file=sys.stderr)
