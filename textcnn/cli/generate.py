"""`textcnn generate`."""

from __future__ import annotations

from ..settings import GenerateSettings
from .options import Verb, print_json

VERB = Verb(
    "generate",
    GenerateSettings,
    "Write texts with a masked diffusion model (textcnn pretrain --objective diffusion): of a label, or around the "
    "words of a text whose gaps are [MASK].",
    [
        "textcnn generate runs/diffusion --label positive --count 1000 --output written.jsonl",
        'textcnn generate runs/diffusion --text "a [MASK] [MASK] film"',
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import generate

    rows = generate(**call.values)
    if call.json:
        print_json(rows)
    elif call.settings.output is None:
        print("\n".join("\t".join([*([row["label"]] if "label" in row else []), row["text"]]) for row in rows))
    else:
        print(f"{len(rows):,} texts: {call.settings.output}")
