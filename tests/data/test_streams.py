"""Streams: the same rows and labels as in memory, in constant memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, IterableDataset, Value
from torch.utils.data import DataLoader

from textcnn.data import DataError, TextDataModule, stream_batches, streams
from textcnn.data.stream_batches import StreamLoader

ROWS = [(f"text number {i}", "abc"[i % 3]) for i in range(2_500)]


@pytest.fixture
def folder(write, tmp_path: Path) -> Path:
    """Two shards of train and a test file."""
    for shard in range(2):
        lines = [f"{text},{label}" for text, label in ROWS[shard::2]]
        write(f"d/train-0000{shard}-of-00002.csv", "text,label", *lines, ",a", "no label,")
    write("d/test.csv", "text,label", *(f"test {i},{'abc'[i % 3]}" for i in range(7)))
    return tmp_path / "d"


def _read(loader: DataLoader[Any], data: TextDataModule) -> list[tuple[str, str]]:
    rows = []
    for batch in loader:
        for ids, label in zip(batch["input_ids"], batch["labels"].tolist(), strict=True):
            text = "".join(chr(i - 2) for i in ids.tolist() if i)
            rows.append((text, data.labels[label]))
    return rows


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_has_the_rows_of_the_files(folder: Path, workers: int) -> None:
    data = TextDataModule(folder, streaming=True, tokenizer="byte", num_workers=workers)
    assert data.labels == ["a", "b", "c"]
    assert data.class_counts == [834, 833, 833]
    assert "dropped from train: 2 rows without a text, 2 without a label" in data.data_report
    train, held = _read(data.train_dataloader(), data), _read(data.val_dataloader(), data)
    assert Counter(train + held) == Counter(ROWS)
    assert 200 < len(held) < 300
    assert sorted(_read(data.test_dataloader(), data)) == [(f"test {i}", "abc"[i % 3]) for i in range(7)]


def test_the_order_of_an_epoch_depends_on_seed_and_epoch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_batches, "BUFFER_ROWS", 300)

    def order(epoch: int | None, seed: int = 0) -> list[tuple[str, str]]:
        data = TextDataModule(folder, streaming=True, tokenizer="byte", seed=seed, validation_fraction=0)
        loader = data.train_dataloader()
        loader.batches.current_epoch = lambda: epoch
        return _read(loader, data)

    assert order(0) == order(None)
    assert order(3) == order(3)
    assert len({tuple(order(epoch)) for epoch in (0, 1, 2)} | {tuple(order(0, seed=1))}) == 4
    assert sorted(order(0)) == sorted(ROWS)
    # the shards have the even and the odd numbers; either may come first
    assert {int(order(epoch)[0][0].split()[-1]) % 2 for epoch in range(6)} == {0, 1}
    data = TextDataModule(folder, streaming=True, tokenizer="byte", validation_fraction=0)
    loader = data.train_dataloader()
    assert [_read(loader, data) for _ in range(2)] == [order(0), order(1)]


def test_memory_is_bounded_by_the_buffer_and_rows_are_mixed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    join = stream_batches._join
    monkeypatch.setattr(
        stream_batches, "_join", lambda pieces: held.append(sum(len(p[0]) for p in pieces)) or join(pieces)
    )
    monkeypatch.setattr(streams, "CHUNK_ROWS", 50)
    data = TextDataModule(folder, streaming=True, tokenizer="byte", batch_size=10)
    loader = data.train_dataloader()
    loader.batches.buffer_rows = 400
    rows = _read(loader, data)
    assert max(held) <= 450
    places = [int(text.split()[-1]) // 2 for text, _ in rows[:400]]  # in their shard
    assert max(places) > 450  # so that the first buffer was not emptied at once
    real = cells = 0
    for batch in loader:
        real, cells = real + int(batch["attention_mask"].sum()), cells + batch["input_ids"].numel()
    assert real / cells > 0.98


def test_held_out_texts_never_come_in_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HELD_OUT_ROWS", 30)
    monkeypatch.setattr(streams, "CHUNK_ROWS", 100)
    repeated = Dataset.from_dict({"text": [text for text, _ in ROWS] * 2, "label": [label for _, label in ROWS] * 2})
    data = TextDataModule(repeated, streaming=True, tokenizer="byte", validation_fraction=0.2)
    train, held = _read(data.train_dataloader(), data), _read(data.val_dataloader(), data)
    assert 30 <= len(held) < 60  # from the first rows only
    assert not set(train) & set(held)
    assert len(train) == 5_000 - 2 * len(held)


def test_class_labels_need_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CHUNK_ROWS", 50)
    reads = Counter[str]()

    def rows(files: list[str]) -> Any:
        for file in files:
            reads[file] += 1
            for text, label in ROWS[:100]:
                yield {"text": text, "label": "abc".index(label)}

    features = Features({"text": Value("string"), "label": ClassLabel(names=["z", "y", "x"])})
    stream = IterableDataset.from_generator(rows, gen_kwargs={"files": ["one", "two"]}, features=features)
    data = TextDataModule(stream, tokenizer="byte", validation_fraction=0)
    assert data.labels == ["z", "y", "x"]
    assert "one pass" not in data.data_report
    assert reads["two"] == 0
    assert data.class_counts == [68, 66, 66]
    assert "one pass over the stream counted 200 train rows" in data.data_report
    assert data.class_counts == [68, 66, 66]
    assert len(_read(data.train_dataloader(), data)) == 200


def test_labels_may_be_given_and_may_name_integers(write) -> None:
    path = write("a.csv", "text,label", *(f"text {i},{i % 2}" for i in range(50)))
    data = TextDataModule(path, streaming=True, labels=["no", "yes"], tokenizer="byte", validation_fraction=0)
    assert data.class_counts == [25, 25]
    assert {label for text, label in _read(data.train_dataloader(), data) if int(text[5:]) % 2} == {"yes"}


def test_lists_of_labels() -> None:
    rows = Dataset.from_dict({"text": list("abcd") * 9, "label": [["x"], ["x", "y"], [], ["y"]] * 9})
    data = TextDataModule(rows, streaming=True, tokenizer="byte", validation_fraction=0)
    assert data.problem_type == "multi_label_classification"
    assert data.class_counts == [18, 18]
    sums = Counter()
    for batch in data.train_dataloader():
        assert batch["labels"].dtype == torch.float32
        for ids, labels in zip(batch["input_ids"][:, 0].tolist(), batch["labels"].tolist(), strict=True):
            sums[chr(ids - 2), *labels] += 1
    assert sums == {("a", 1, 0): 9, ("b", 1, 1): 9, ("c", 0, 0): 9, ("d", 0, 1): 9}


def test_cut_texts_are_counted_as_they_come(folder: Path) -> None:
    data = TextDataModule(folder, streaming=True, tokenizer="byte", max_length=5)
    list(data.test_dataloader())
    assert "cut: 7 of the 7 test texts" in data.data_report


def test_the_tokenizer_learns_from_the_first_train_texts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TOKENIZER_TEXTS", 10)
    data = TextDataModule(folder, streaming=True, tokenizer="char")
    texts = list(data._data.train_texts())
    assert len(texts) == 10
    assert not set(texts) & set(data._data._held[0].to_pylist())


def test_a_loader_without_a_length_is_true(folder: Path) -> None:
    loader = TextDataModule(folder, streaming=True, tokenizer="byte").train_dataloader()
    assert isinstance(loader, StreamLoader)
    assert loader
    assert TextDataModule(_few(), streaming=True, tokenizer="byte", validation_fraction=0).val_dataloader() == []


def _few(texts: Any = ("a", "b"), labels: Any = ("x", "y")) -> Dataset:
    return Dataset.from_dict({"text": list(texts), "label": list(labels)})


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (_few((), ()), {}, "is empty"),
        (_few(labels=("x", "x")), {}, "only the label 'x'"),
        (_few((1, 2)), {}, "holds numbers"),
        (_few(("a", None)), {"strict": True}, "1 of 2 rows .* have no text"),
        (_few(), {"num_folds": 2, "fold": 0}, "cannot be divided into folds"),
        (_few(), {"text_column": "txt"}, "did you mean 'text'"),
        (_few(), {"labels": ["x", "z"]}, "label 'y', which is not among"),
        (_few(), {"validation_fraction": 1e-9}, "no validation split can be held out"),
    ],
)
def test_bad_streams_are_one_clear_line(rows: Dataset, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(TextDataModule(rows, streaming=True, tokenizer="byte", **settings).train_dataloader())
    assert "\n" not in str(caught.value)


def test_a_label_that_train_lacks_is_an_error_under_strict(write, tmp_path: Path) -> None:
    write("d/train.csv", "text,label", *(f"{i},{'ab'[i % 2]}" for i in range(9)), "x,a")
    write("d/dev.csv", "text,label", "x,c")
    with pytest.raises(DataError, match="validation split has the label 'c'"):
        list(TextDataModule(tmp_path / "d", streaming=True, tokenizer="byte", strict=True).val_dataloader())
