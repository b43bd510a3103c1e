"""Rows to predict: all of them, in order, labels or not."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from textcnn.data import DataError, TextDataModule

TRAIN = Dataset.from_dict({"review": [f"text {i}" for i in range(30)], "label": ["a", "b"] * 15})


def _module(path: Any, **settings: Any) -> TextDataModule:
    return TextDataModule(TRAIN, tokenizer="byte", predict_path=path, eval_batch_size=3, **settings)


def _texts(data: TextDataModule) -> list[str]:
    texts = []
    for batch in data.predict_dataloader():
        assert set(batch) == {"input_ids", "attention_mask"}
        texts += ["".join(chr(i - 2) for i in row if i) for row in batch["input_ids"].tolist()]
    return texts


def test_order_is_kept_and_nothing_is_dropped(write) -> None:
    rows = [{"id": i, "review": "x" * n if n else None} for i, n in enumerate([5, 1, 0, 9, 2, 7, 3])]
    data = _module(write("a.jsonl", *rows))
    assert _texts(data) == [row["review"] or "" for row in rows]
    assert data.predict_rows.to_list() == rows


@pytest.mark.parametrize(
    "path",
    [
        Dataset.from_dict({"review": ["one", "two"]}),
        Dataset.from_dict({"text": ["one", "two"], "label": ["never", "seen"]}),
        DatasetDict(anything=Dataset.from_dict({"text": ["one", "two"]})),
        DatasetDict(train=TRAIN, test=Dataset.from_dict({"text": ["one", "two"]})),
    ],
)
def test_what_can_be_predicted(path: Any) -> None:
    assert _texts(_module(path)) == ["one", "two"]


def test_the_column_of_the_train_split_comes_first(write) -> None:
    assert _texts(_module(write("a.csv", "text,review", "no,yes"))) == ["yes"]
    assert _texts(_module(write("b.csv", "text,other", "yes,no"))) == ["yes"]
    assert _texts(_module(write("c.txt", "one", "", "two"))) == ["one", "", "two"]


def test_cells_of_a_csv_file_are_as_written(write) -> None:
    data = _module(write("a.csv", "id,price,text", "007,1.50,one", "8,2,two"))
    assert data.predict_rows["id"][:] == ["007", "8"]
    assert data.predict_rows["price"][:] == ["1.50", "2"]
    # Numbers are no texts, although they are read as they are written.
    assert _texts(_module(write("b.csv", "id,words", "1234567890,one", "2345678901,two"))) == ["one", "two"]


def test_all_null_texts_and_max_length() -> None:
    assert _texts(_module(Dataset.from_dict({"review": [None, None]}))) == ["", ""]
    assert _texts(_module(Dataset.from_dict({"review": ["abc"]}), max_length=2)) == ["ab"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "give predict_path"),
        (DatasetDict(a=TRAIN, b=TRAIN), "has the splits a, b"),
        (Dataset.from_dict({"review": []}), "is empty"),
        (Dataset.from_dict({"review": [1, 2]}), "holds numbers"),
        (TRAIN.to_iterable_dataset(), "is a stream"),
    ],
)
def test_what_cannot_be_predicted_is_one_clear_line(path: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _module(path).predict_dataloader()
    assert "\n" not in str(caught.value)


def test_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder gone\.csv"):
        _module("gone.csv").predict_dataloader()
