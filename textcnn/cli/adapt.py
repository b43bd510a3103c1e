"""`textcnn adapt`."""

from __future__ import annotations

import sys

from ..settings import AdaptSettings
from .options import Verb, print_json

VERB = Verb(
    "adapt",
    AdaptSettings,
    "Continue masked-language-model pretraining of a transformer on unlabelled text, before it is fine-tuned on "
    "labels. The result can also write copies of training texts (--masked_lm of `textcnn distill`).",
    ["textcnn adapt sentence-transformers/all-MiniLM-L6-v2 --texts crawl.txt --output runs/adapted"],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from pathlib import Path

    from .. import adapt

    texts = call.settings.texts
    files = [Path(name) for name in ([texts] if isinstance(texts, str) else texts)]
    scores = adapt(**{**call.values, "texts": files})
    if call.json:
        print_json(scores)
    else:
        print("\n".join(f"{name:<16}{value:.4f}" for name, value in scores.items()))
    print(f"The masked language model is in {call.settings.output}", file=sys.stderr)
