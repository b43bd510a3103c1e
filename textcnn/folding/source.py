"""The parts of a trained model that tables are made of: its settings, its tokenizer, the digest of its weights."""

from __future__ import annotations

import json
from typing import Any

from numpy.typing import NDArray

from ..runtime.digests import digest_of_tensors


def plain_config(model: Any) -> dict[str, Any]:
    """Return the config.json of a TextCNNForSequenceClassification, as JSON would read it back.

    Raises:
        ValueError: it is no such model.
    """
    for name in ("config", "textcnn", "head"):
        if not hasattr(model, name):
            raise ValueError(
                f"model: got a {type(model).__name__} without .{name}; expected a TextCNNForSequenceClassification"
            )
    plain = model.config.to_dict()
    # What JSON would make of it: the ids of id2label are strings there.
    return dict(json.loads(json.dumps(plain, default=str)))


def tokenizer_json_of(tokenizer: Any) -> str | None:
    """Return the tokenizer.json of a transformers fast tokenizer or a `tokenizers.Tokenizer`; keep text as it is."""
    if tokenizer is None or isinstance(tokenizer, str):
        return tokenizer
    if hasattr(tokenizer, "backend_tokenizer"):
        from ..tokenization import tokenizer_json

        return tokenizer_json(tokenizer)
    if not hasattr(tokenizer, "to_str"):
        raise TypeError(
            f"tokenizer: got a {type(tokenizer).__name__}; expected a fast tokenizer of transformers, a "
            "tokenizers.Tokenizer or the text of a tokenizer.json"
        )
    return str(tokenizer.to_str())


def digest_of_model(model: Any) -> str:
    """Return the digest that model.safetensors has, by which tables are known to belong to it."""
    import torch

    def numbers(tensor: Any) -> NDArray[Any]:
        array: NDArray[Any] = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return array

    return digest_of_tensors({name: numbers(tensor) for name, tensor in model.state_dict().items()})
