"""The padding and its mask, against transformers' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data import TextCollator

ids = st.lists(st.lists(st.integers(1, 40), max_size=9), min_size=1, max_size=6)


@given(ids)
def test_pad_agrees_with_torch(texts: list[list[int]]) -> None:
    batch = TextCollator(pad_token_id=7)([{"input_ids": text} for text in texts])
    rows = [torch.tensor(text, dtype=torch.int64) for text in texts]
    expected = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=7)
    assert torch.equal(batch["input_ids"], expected)
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(text) for text in texts]
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == torch.int64
    assert "labels" not in batch


def test_batches_agree_with_transformers(tokenizer: Any) -> None:
    texts = ["good film", "", "bad bad bad plot"]
    features = [{"input_ids": tokenizer(text)["input_ids"], "labels": i} for i, text in enumerate(texts)]
    batch = TextCollator(tokenizer.pad_token_id)(features)
    expected = tokenizer(texts, padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    assert batch["labels"].tolist() == [0, 1, 2]


def test_labels_of_several_and_empty_texts() -> None:
    features = [{"input_ids": [], "labels": [0, 1]}, {"input_ids": [], "labels": [1, 1]}]
    batch = TextCollator(0)(features)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 0)
    assert batch["labels"].dtype == torch.float32
    assert TextCollator(0).pad(np.zeros(0, np.int32), np.zeros(0, np.int64))["input_ids"].shape == (0, 0)
