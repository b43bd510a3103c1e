"""Outputs of a transformer for texts, in batches of texts of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# Texts in a batch: a GPU waits for the host when they are few.
_BATCH = {"cpu": 64, "cuda": 512}


def transformer_outputs(
    model: Any, tokenizer: Any, texts: Sequence[str], max_length: int, halved: bool = False, **options: Any
) -> Iterator[tuple[list[int], Any, Any]]:
    """Yield positions of texts, their encoded batch and the outputs of a transformer, without gradients.

    Args:
        model: A model of transformers, in evaluation.
        tokenizer: Its tokenizer.
        texts: The texts.
        max_length: Tokens of a text that are read.
        halved: Compute in bfloat16.
        options: Further arguments of the model's forward.
    """
    import torch

    device = str(model.device.type)
    size = _BATCH[device]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=halved):
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            batch = tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=max_length, return_tensors="pt"
            ).to(device)
            yield rows, batch, model(**batch, **options)
