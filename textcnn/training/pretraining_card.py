"""The model card of a network that was pretrained on text without labels."""

from __future__ import annotations

import json
from typing import Any

from ..artifact import TrainingRecord

_USES = {
    "TextCNNForTextEncoding": (
        "sentence-similarity",
        "A text encoder",
        """import textcnn

encoder = textcnn.load("path/to/this/directory")
encoder.encode(["a text", "another"])
encoder.similarity(["a text"], ["another", "a third"])""",
    ),
    "TextCNNForMaskedLM": (
        "fill-mask",
        "A masked language model",
        """import textcnn

textcnn.generate("path/to/this/directory", text="a [MASK] film", count=3)""",
    ),
}


def pretraining_card(model: Any, record: TrainingRecord, objective: str) -> str:
    """Return the README.md of a pretrained network, with the metadata the Hub reads.

    Args:
        model: The network.
        record: Facts about the run.
        objective: The objective of the training.
    """
    from huggingface_hub import ModelCardData

    task, title, use = _USES[type(model).__name__]
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag=task,
        tags=["textcnn", objective],
        base_model=record.base_model,
    ).to_yaml()
    config = model.config
    network = f"convolutions of widths {', '.join(map(str, config.kernel_sizes))}"
    if config.backbone != "parallel":
        network = f"the backbone {config.backbone}, {config.num_blocks} blocks of {config.num_filters} channels,"
    size = f" {config.encoding_dim} dimensions." if config.encoding_dim else ""
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(record.scores.items()))
    parameters = json.dumps(record.parameters, indent=2, ensure_ascii=False, default=str)
    parts = [
        f"---\n{metadata}\n---",
        f"# {title}, pretrained by {objective}",
        f"A TextCNN with {network} over token embeddings "
        f"([Kim 2014](https://arxiv.org/abs/1408.5882)), {model.num_parameters():,} parameters.{size}",
        f"## Scores on held-out texts\n\n| metric | value |\n|---|---|\n{rows}",
        f"## Data\n\n```\n{record.data}\n{record.data_report}\n```",
        f"## Use\n\n```python\n{use}\n```",
        "A classifier that starts from it:\n\n```sh\ntextcnn train DATA --init path/to/this/directory\n```",
        f"## Parameters\n\n```json\n{parameters}\n```",
    ]
    return "\n\n".join(parts) + "\n"
