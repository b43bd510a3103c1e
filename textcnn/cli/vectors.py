"""`textcnn vectors`."""

from __future__ import annotations

from ..settings import VectorsSettings
from .options import Verb

VERB = Verb(
    "vectors",
    VectorsSettings,
    "Write initial token vectors for --vectors: a transformer's input embeddings beside the mean of its outputs for "
    "each token in unlabelled text. With --words the most frequent words that the transformer splits become tokens.",
    ["textcnn vectors sentence-transformers/all-MiniLM-L6-v2 --texts reviews.csv --output minilm-vectors"],
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import vectors

    made = vectors(**call.values)
    print(f"{call.settings.output}: {made.shape[0]:,} tokens, {made.shape[1]} dimensions")
