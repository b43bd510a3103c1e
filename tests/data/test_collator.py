"""The padding and its mask, against transformers' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from textcnn.data import TextCollator, collator
from textcnn.model.extents import FlatTexts

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


def test_one_very_long_text_is_not_padded_to(monkeypatch: Any) -> None:
    """Most of such a batch would be padding; one that is full, or small, is padded as ever."""
    monkeypatch.setattr(collator, "FLAT_FROM", 1000)
    make = TextCollator(pad_token_id=0).flat_or_padded
    lengths = np.array([3, 0, 900, 2, 0, 0])
    batch = make(np.arange(1, 906, dtype=np.int32), lengths)
    assert isinstance(batch["input_ids"], FlatTexts)
    assert batch["attention_mask"] is None
    assert len(batch["input_ids"]) == 6
    assert batch["input_ids"].ids.tolist() == list(range(1, 906))
    assert batch["input_ids"].offsets.tolist() == [0, 3, 3, 903, 905, 905, 905]
    for full in (np.array([900, 900, 800, 880]), np.array([3, 0, 200, 2]), np.array([], dtype=np.int64)):
        assert isinstance(make(np.ones(full.sum(), dtype=np.int32), full)["input_ids"], torch.Tensor)
