"""Small networks that several test files use: one with a tokenizer for reviews, one for token ids."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from textcnn import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.tokenization import train_tokenizer

# Settings of a run that takes a second.
QUICK: dict[str, Any] = {
    "kernel_sizes": [1, 2], "num_filters": 16, "embedding_dim": 16, "vectors": None, "tokenizer": "word",
    "progress": False, "summary": False, "learning_rate": 1e-2, "bag_buckets": 256,
}  # fmt: skip

REVIEWS = ["a lovely film with great acting", "a boring film, awful plot"]


def reviews_model(
    reviews: list[str] = REVIEWS, **axes: Any
) -> tuple[TextCNNForSequenceClassification, PreTrainedTokenizerFast]:
    """Return a network with random weights for two labels, and a tokenizer learnt from reviews."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(reviews * 5, vocab_size=120)
    settings = {
        "embedding_dim": 8, "num_filters": 5, "id2label": {0: "negative", 1: "positive"},
        "problem_type": "single_label_classification", **axes,
    }  # fmt: skip
    config = TextCNNConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **settings)
    return TextCNNForSequenceClassification(config).eval(), tokenizer


def ids_model(**axes: Any) -> TextCNNForSequenceClassification:
    """Return a network for 30 token ids and three labels, with biases and norms away from 0 and 1."""
    torch.manual_seed(0)
    settings = {"vocab_size": 30, "embedding_dim": 6, "num_filters": 4, "id2label": {0: "a", 1: "b", 2: "c"}, **axes}
    model = TextCNNForSequenceClassification(TextCNNConfig(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # they start at 0 and 1, where a mistake would not show
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model
