"""Train texts that are replaced, with named fields in their batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from textcnn.data import DataError
from textcnn.data.replaced import ReplacedTrainData


def batch_of(data: ReplacedTrainData) -> dict[str, list[object]]:
    (batch,) = list(data.train_dataloader())
    batch["texts"] = [data.tokenizer.decode(ids[ids > 0]) for ids in batch["input_ids"]]
    return {name: value if isinstance(value, list) else value.tolist() for name, value in batch.items()}


def test_replacing_twice_trains_on_the_new_texts(reviews: Path) -> None:
    data = ReplacedTrainData(str(reviews), tokenizer="word", min_frequency=1)
    data.replace_train(["a film", "a plot"], labels=np.array([0, 1]))
    assert sorted(batch_of(data)["texts"]) == ["a film", "a plot"]
    # After the texts were encoded, and with the same number of them.
    data.replace_train(["a plot a film", "film"], labels=np.array([1, 0]))
    batch = batch_of(data)
    pairs = dict(zip(batch["texts"], batch["labels"], strict=True))
    assert pairs == {"a plot a film": 1, "film": 0}


def test_fields_have_their_names(reviews: Path) -> None:
    data = ReplacedTrainData(str(reviews), tokenizer="word", min_frequency=1)
    fields = {
        "labels": np.array([1, -1]), "weights": np.array([0.5, 2.0]), "teacher_logits": np.array([[1.0, 2], [3, 4]]),
        "teacher_features": np.array([[5.0, 6, 7], [8, 9, 10]]),
    }  # fmt: skip
    data.replace_train(["a film", "plot"], **fields)
    batch = batch_of(data)
    order = [["a film", "plot"].index(text) for text in batch["texts"]]
    for name, values in fields.items():
        assert batch[name] == values[order].tolist()
    assert set(next(iter(data.val_dataloader()))) == {"input_ids", "attention_mask", "labels"}
    with pytest.raises(DataError, match=r"got the field 'label'; .* \(did you mean 'labels'\?\)"):
        data.replace_train(["a"], label=np.array([1]))
    with pytest.raises(DataError, match="weights: got 2 values for 1 texts"):
        data.replace_train(["a"], weights=np.array([1.0, 2.0]))
