"""TextDataModule: from data in memory and files to splits, sizes and batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from safetensors.numpy import save_file

from textcnn.data import DataError, TextDataModule
from textcnn.tokenization import save_tokenizer

WORDS = np.array(["good", "bad", "film", "plot", "dull", "fine"])


def _rows(count: int, classes: int = 2, seed: int = 0) -> Dataset:
    """Distinct texts of random words; the classes take turns."""
    rng = np.random.default_rng(seed)
    texts = [" ".join([*rng.choice(WORDS, rng.integers(0, 9)), str(i + seed * count)]) for i in range(count)]
    return Dataset.from_dict({"text": texts, "label": [f"c{i % classes}" for i in range(count)]})


def _labelled(labels: list[Any]) -> Dataset:
    return Dataset.from_dict({"text": [f"text {i}" for i in range(len(labels))], "label": labels})


def _texts(data: TextDataModule, role: str) -> list[str]:
    split = data._data.splits[role]
    return np.array(data._data._read[split.table].texts.to_pylist())[split.rows].tolist()


def test_sizes_are_there_after_init() -> None:
    data = TextDataModule(_rows(100, classes=3), tokenizer="char")
    assert data.labels == ["c0", "c1", "c2"]
    assert data.num_labels == 3
    assert data.problem_type == "single_label_classification"
    assert data.pad_token_id == 0
    assert data.vocab_size == len(data.tokenizer) > 10
    assert data.embedding_dim is None
    assert data.initial_vectors() is None
    assert sum(data.class_counts) == 90


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("labels", [["007", "010"], [str(number) for number in range(11)]])
def test_labels_of_a_csv_file_are_called_as_they_are_written(write, labels: list[str], streaming: bool) -> None:
    path = write("train.csv", "text,label", *(f"text {i},{label}" for i in range(9) for label in reversed(labels)))
    data = TextDataModule(str(path), tokenizer="byte", streaming=streaming, validation_fraction=0)
    assert data.labels == labels


@pytest.mark.parametrize("multi_label", [False, True])
def test_tokens_are_counted_by_label(multi_label: bool) -> None:
    rows = _rows(60, classes=3)
    labels = [[label, "all"] if multi_label else [label] for label in rows["label"]]
    data = TextDataModule(
        Dataset.from_dict({"text": rows["text"], "label": labels if multi_label else rows["label"]}), tokenizer="char"
    )
    expected = np.zeros((data.vocab_size, data.num_labels), int)
    texts = dict(zip(rows["text"], labels, strict=True))
    for text in _texts(data, "train"):
        for token in data.tokenizer(text)["input_ids"]:
            expected[token, [data.labels.index(label) for label in texts[text]]] += 1
    np.testing.assert_array_equal(data.token_counts(), expected)


def test_batches_hold_the_texts_and_their_labels() -> None:
    rows = _rows(100)
    data = TextDataModule(DatasetDict(train=rows, validation=rows, test=rows), batch_size=8, tokenizer="char")
    expected = sorted(zip(data.tokenizer(rows["text"][:])["input_ids"], [0, 1] * 50, strict=True))
    for loader, size in (
        (data.train_dataloader(), 8),
        (data.val_dataloader(), 256),
        (data.test_dataloader(), 256),
    ):
        got = []
        for batch in loader:
            assert {key: value.dtype for key, value in batch.items()} == dict.fromkeys(batch, torch.int64)
            assert len(batch["labels"]) <= size
            for ids, mask, label in zip(*(batch[k].tolist() for k in batch), strict=True):
                got.append((ids[: sum(mask)], label))
        assert sorted(got) == expected


def test_multi_label_batches() -> None:
    rows = Dataset.from_dict({"text": list("abcd"), "label": [["x"], ["y", "x"], [], ["z"]]})
    data = TextDataModule(DatasetDict(train=rows, validation=rows), tokenizer="byte")
    assert data.problem_type == "multi_label_classification"
    assert data.labels == ["x", "y", "z"]
    assert data.class_counts == [2, 1, 1]
    batch = next(iter(data.val_dataloader()))
    by_text = dict(zip(batch["input_ids"][:, 0].tolist(), batch["labels"].tolist(), strict=True))
    assert [by_text[key] for key in sorted(by_text)] == [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert batch["labels"].dtype == torch.float32


def test_validation_is_held_out_of_train_where_there_is_none() -> None:
    texts = _rows(200)["text"][:]
    rows = Dataset.from_dict({"text": texts + texts[:50], "label": ["a", "b"] * 125})
    data = TextDataModule(rows, tokenizer="char", validation_fraction=0.2)
    held, kept = _texts(data, "validation"), _texts(data, "train")
    assert len(held) + len(kept) == 250
    assert 40 <= len(held) <= 50
    assert not set(held) & set(kept)
    assert _texts(TextDataModule(rows, tokenizer="char", validation_fraction=0.2), "validation") == held
    assert _texts(TextDataModule(rows, tokenizer="char", validation_fraction=0.2, seed=1), "validation") != held
    assert TextDataModule(rows, validation_fraction=0).val_dataloader() == []
    assert TextDataModule(rows).test_dataloader() == []


def test_folds_cover_the_train_split_once() -> None:
    rows = _rows(100)
    tests = []
    for fold in range(5):
        data = TextDataModule(
            DatasetDict(train=rows, test=_rows(9, seed=1)), num_folds=5, fold=fold, validation_fraction=0.1
        )
        parts = {role: set(_texts(data, role)) for role in ("train", "validation", "test")}
        assert {role: len(part) for role, part in parts.items()} == {"train": 72, "validation": 8, "test": 20}
        assert len(set.union(*parts.values())) == 100
        tests += parts["test"]
    assert sorted(tests) == sorted(rows["text"][:])


def test_the_tokenizer_is_trained_on_train_texts_only() -> None:
    train, other = _rows(50), _rows(50).map(lambda row: {"text": "@ " + row["text"]})
    data = TextDataModule(DatasetDict(train=train, validation=other, test=other), tokenizer="char")
    assert "@" not in data.tokenizer.get_vocab()
    assert "f" in data.tokenizer.get_vocab()
    texts = [chr(0x4E00 + i) * 2 for i in range(100)]
    data = TextDataModule(Dataset.from_dict({"text": texts, "label": ["a", "b"] * 50}), tokenizer="char")
    vocabulary = data.tokenizer.get_vocab()
    assert [text[0] in vocabulary for text in _texts(data, "validation")] == [False] * 10
    assert all(text[0] in vocabulary for text in _texts(data, "train"))


def test_tokenizers_by_name_directory_and_object(tokenizer: Any, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path / "tok")
    rows = _rows(30)
    for given in (tokenizer, str(tmp_path / "tok"), tmp_path / "tok"):
        data = TextDataModule(rows, tokenizer=given)
        assert data.tokenizer.get_vocab() == tokenizer.get_vocab()
    upper = TextDataModule(rows, tokenizer="bpe", vocab_size=300, lowercase=False)
    assert upper.vocab_size <= 300
    assert upper.tokenizer("A")["input_ids"] != upper.tokenizer("a")["input_ids"]
    with pytest.raises(ValueError, match="tokenizer"):
        _ = TextDataModule(rows, tokenizer=3).tokenizer


def test_vectors_bring_their_dimension_and_matrix(write) -> None:
    vectors = write("vectors.txt", *(f"{word} {i} 1.0 -0.5 {i * i}" for i, word in enumerate(WORDS)))
    data = TextDataModule(_rows(50), vectors=str(vectors))
    assert data.embedding_dim == 4
    initial = data.initial_vectors()
    assert initial is not None
    assert initial.matrix.shape == (data.vocab_size, 4)
    assert data.initial_vectors() is initial
    assert initial.description in data.data_report


def test_of_several_vectors_the_first_with_a_tokenizer_lends_it(write, tokenizer: Any, tmp_path: Path) -> None:
    words = str(write("vectors.txt", *(f"{word} {i} 1.0 -0.5 {i * i}" for i, word in enumerate(WORDS))))
    checkpoint = tmp_path / "checkpoint"
    save_tokenizer(tokenizer, checkpoint)
    matrix = np.random.default_rng(0).normal(size=(len(tokenizer), 3)).astype(np.float32)
    save_file({"embeddings": matrix}, checkpoint / "model.safetensors")
    data = TextDataModule(_rows(50), vectors=[words, str(checkpoint)])
    assert data.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert data.embedding_dim == 7
    initial = data.initial_vectors()
    assert initial is not None
    assert initial.matrix.shape == (data.vocab_size, 7)
    assert f"tokenizer: {checkpoint}" in data.data_report
    assert "wordpiece" in TextDataModule(_rows(50), vectors=[words, words]).data_report


def test_cut_and_dropped_rows_are_counted(write) -> None:
    path = write(
        "a.csv", "text,label", *(f"w{i} x y z,{'ab'[i % 2]}" for i in range(20)), ",a", "one two,", "one three,a"
    )
    data = TextDataModule(path, tokenizer="wordpiece", max_length=2, validation_fraction=0)
    assert "dropped from train: 1 rows without a text, 1 without a label" in data.data_report
    assert "cut: 20 of 21 train texts were longer than max_length 2 tokens" in data.data_report
    assert max(batch["input_ids"].shape[1] for batch in data.train_dataloader()) == 2


def test_texts_of_train_in_test_are_counted() -> None:
    splits = DatasetDict(train=_rows(30), validation=_rows(30, seed=1), test=_rows(30).select(range(7)))
    report = TextDataModule(splits, tokenizer="char").data_report
    assert "overlap: 7 test texts also stand in train" in report
    assert "validation texts also" not in report


def test_report_says_what_was_read() -> None:
    report = TextDataModule(_rows(100), num_folds=5, fold=1, tokenizer="char", validation_fraction=0.1).data_report
    for part in ("texts from 'text', labels from 'label' (2 labels)", "train 72, test 20, validation 8", "fold 1 of 5"):
        assert part in report


def test_class_label_order_and_labels_that_never_occur() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["z", "never", "a"])})
    texts = [f"text {i}" for i in range(20)]
    rows = Dataset.from_dict({"text": texts, "label": [0, 2] * 10}, features=features)
    data = TextDataModule(rows, tokenizer="char", validation_fraction=0)
    assert data.labels == ["z", "never", "a"]
    assert data.class_counts == [10, 0, 10]
    assert "no train row has the labels 'never'" in data.data_report


def test_hidden_test_labels_leave_the_split_out() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y"])})
    train = Dataset.from_dict({"text": list("abcd"), "label": [0, 1, 0, 1]}, features=features)
    hidden = Dataset.from_dict({"text": list("ab"), "label": [-1, -1]}, features=features)
    for test in (hidden, hidden.remove_columns("label")):
        data = TextDataModule(DatasetDict(train=train, validation=train, test=test), tokenizer="byte")
        assert data.test_dataloader() == []
        assert "test split has no" in data.data_report


def test_an_epoch_of_all_empty_texts_has_no_columns() -> None:
    rows = Dataset.from_dict({"text": ["", " ", "", " "], "label": ["a", "b", "b", "a"]})
    data = TextDataModule(DatasetDict(train=rows, validation=rows), tokenizer="byte")
    data.tokenizer.backend_tokenizer.normalizer = None
    assert next(iter(data.val_dataloader()))["input_ids"].shape == (4, 1)
    rows = Dataset.from_dict({"text": ["", "", "", ""], "label": ["a", "b", "b", "a"]})
    data = TextDataModule(DatasetDict(train=rows, validation=rows), tokenizer="byte")
    assert next(iter(data.train_dataloader()))["input_ids"].shape == (4, 0)


def test_rows_that_were_selected_or_shuffled() -> None:
    rows = _rows(60)
    chosen = rows.shuffle(seed=1).select(range(20, 50))
    data = TextDataModule(DatasetDict(train=chosen, validation=rows), tokenizer="char")
    assert _texts(data, "train") == chosen["text"][:]


@pytest.mark.parametrize(
    ("splits", "settings", "message"),
    [
        ({"train": _rows(9), "test": _rows(9, classes=3)}, {"strict": True}, r"test split has the label 'c2'"),
        ({"train": _rows(9), "dev": _rows(9, classes=3)}, {"strict": True}, r"validation split has the label 'c2'"),
        ({"train": _rows(9), "test": _labelled(["C0", "C1"])}, {}, r"test split has the label 'C0'.*did you mean 'c0'"),
        ({"train": _rows(9, classes=1)}, {}, "only the label 'c0'"),
        ({"train": _rows(9).select([])}, {}, "is empty"),
        ({"train": _rows(9), "test": _rows(9).select([])}, {}, "test split of the data set is empty"),
        ({"train": _rows(9)}, {"text_column": "txet"}, "did you mean 'text'"),
        ({"train": _rows(9)}, {"text_column": "label", "label_column": "label"}, "both the text and the label"),
        ({"train": _rows(9), "test": _rows(9).remove_columns("text")}, {}, "no column 'text'"),
        ({"train": _rows(9), "test": _rows(9).remove_columns("label")}, {"test_split": "test"}, "no column 'label'"),
        ({"train": _rows(9)}, {"train_split": "tarin"}, "did you mean 'train'"),
        ({"train": _rows(9)}, {"validation_split": "dev"}, "no split 'dev'"),
        ({"train": _rows(9)}, {"labels": ["c0", "C1"]}, r"'c1'.*did you mean 'C1'"),
        ({"train": _rows(2)}, {"validation_fraction": 0.1}, "no validation split can be made"),
        ({"train": _rows(9)}, {"num_folds": 10, "fold": 0}, "cannot make 10 folds"),
    ],
)
def test_bad_data_is_one_clear_line(splits: dict[str, Dataset], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        TextDataModule(DatasetDict(splits), **settings).labels  # noqa: B018
    assert "\n" not in str(caught.value)


def test_class_labels_that_train_lacks_but_test_has() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y", "z"])})
    train = Dataset.from_dict({"text": list("abcd"), "label": [0, 1, 0, 1]}, features=features)
    test = Dataset.from_dict({"text": list("ab"), "label": [0, 2]}, features=features)
    splits = DatasetDict(train=train, validation=train, test=test)
    with pytest.raises(DataError, match="test split has the label 'z', which no train row has"):
        _ = TextDataModule(splits, strict=True).labels
    assert "1 test labels are of classes without a train row: z" in TextDataModule(splits, tokenizer="byte").data_report
    assert TextDataModule(splits, labels=["x", "y", "z"]).num_labels == 3


def test_labels_that_train_lacks_are_counted_and_named() -> None:
    train, test = _labelled(["x", "y"] * 4), _labelled(["x", "z", "y", "q", "z"])
    data = TextDataModule(DatasetDict(train=train, validation=train, test=test), tokenizer="byte")
    assert data.labels == ["x", "y"]
    note = "3 of 5 test rows have labels that train lacks, z, q: they count as wrong; strict refuses them"
    assert note in data.data_report.splitlines()
    batch = next(iter(data.test_dataloader()))
    assert sorted(batch["labels"].tolist()) == [0, 1, 2, 2, 2]
    texts, targets = data.texts_and_targets("test")
    assert (texts, targets.tolist()) == (["text 0", "text 2"], [0, 1])
    several = _labelled([["x", "y"], ["x", "z"], ["z"], []])
    data = TextDataModule(DatasetDict(train=_labelled([["x"], ["y"]] * 3), test=several), validation_fraction=0)
    assert "2 of 4 test rows have labels that train lacks, z: these labels are left out" in data.data_report
    batch = next(iter(data.test_dataloader()))
    assert sorted(batch["labels"].tolist()) == [[0, 0], [0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda rows: pd.DataFrame(rows[:]),
        lambda rows: pd.DataFrame(rows[:]).astype({"label": "category"}),
        lambda rows: polars.DataFrame(rows[:]),
        lambda rows: rows.data.table,
        lambda rows: (rows["text"][:], rows["label"][:]),
        lambda rows: (pd.Series(rows["text"][:]), np.array(rows["label"][:])),
        lambda rows: rows[:],
        lambda rows: rows.to_list(),
    ],
)
def test_frames_lists_and_records_are_data(wrap: Any) -> None:
    rows = _rows(60)
    wanted = TextDataModule(rows, tokenizer="byte", validation_fraction=0.1)
    data = TextDataModule(wrap(rows), tokenizer="byte", validation_fraction=0.1)
    assert data.labels == wanted.labels
    for role in ("train", "validation"):
        assert data.texts_and_targets(role)[0] == wanted.texts_and_targets(role)[0]
    splits = TextDataModule({"train": wrap(rows), "test": wrap(_rows(9, seed=1))}, tokenizer="byte")
    assert splits.texts_and_targets("test")[0] == _rows(9, seed=1)["text"][:]


def test_missing_values_in_memory_are_rows_without_a_text_or_label() -> None:
    texts, labels = ["a", None, "b", "c \udcff", "d"], ["x", "y", np.nan, "y", "x"]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "label": pd.Series(labels, dtype=object)})
    for given in (frame, (texts, labels)):
        data = TextDataModule(given, tokenizer="byte", validation_fraction=0)
        assert data.texts_and_targets("train")[0] == ["a", "c \ufffd", "d"]
    with pytest.raises(DataError, match="got 2 texts and 1 labels"):
        _ = TextDataModule((["a", "b"], ["x"])).labels


def test_labelling_needs_no_training_data(tokenizer: Any) -> None:
    known = {"labels": ["x", "y"], "problem_type": "single_label_classification", "tokenizer": tokenizer}
    data = TextDataModule(None, **known, predict_path=Dataset.from_dict({"text": ["no"], "body": ["good film"]}))
    assert (data.labels, data.num_labels, data.problem_type) == (["x", "y"], 2, "single_label_classification")
    assert data.predict_texts.to_pylist() == ["no"]
    data = TextDataModule(None, **known, predict_path=Dataset.from_dict({"text": ["no"], "body": ["good film"]}))
    data.trained_on = "body"
    assert next(iter(data.predict_dataloader()))["input_ids"].tolist() == [tokenizer("good film")["input_ids"]]
    with pytest.raises(DataError, match="path: got no data"):
        data.train_dataloader()
    with pytest.raises(DataError, match="got multi_label_classification; expected single"):
        _ = TextDataModule(_rows(9), problem_type="multi_label_classification")._data


@pytest.mark.parametrize(("column", "values"), [("text", ["a", None, "b"]), ("label", ["x", "y", None])])
def test_strict_refuses_what_is_dropped_otherwise(column: str, values: list[str | None]) -> None:
    columns = {"text": ["a", "b", "c"], "label": ["x", "y", "y"], column: values}
    rows = Dataset.from_dict({key: value * 9 for key, value in columns.items()})
    assert sum(TextDataModule(rows, validation_fraction=0).class_counts) == 18
    with pytest.raises(DataError, match=rf"9 of 27 rows .* have no {column}"):
        _ = TextDataModule(rows, strict=True).labels


def test_numbers_where_texts_belong(write) -> None:
    with pytest.raises(DataError, match=r"column 'text' of .* holds numbers"):
        _ = TextDataModule(write("a.csv", "text,label", "1,a", "2,b")).labels
    with pytest.raises(DataError, match=r"no row of .* has both"):
        _ = TextDataModule(Dataset.from_dict({"text": [None, None], "label": ["a", "b"]})).labels


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"num_folds": 5}, "expected both or none"),
        ({"fold": 0}, "expected both or none"),
        ({"num_folds": 5, "fold": 5}, "fold from 0 to"),
        ({"num_folds": 1, "fold": 0}, "at least 2 folds"),
        ({"labels": "a,b"}, "labels: got 'a,b'; expected a list of texts"),
        ({"problem_type": "single_label_clasification"}, "did you mean 'single_label_classification'"),
    ],
)
def test_bad_settings_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextDataModule("nothing is read", **settings)


@pytest.mark.parametrize("streaming", [False, True])
def test_under_lightning_a_resumed_run_goes_on_as_if_never_interrupted(fit, streaming: bool) -> None:
    def data() -> TextDataModule:
        return TextDataModule(_rows(60), tokenizer="byte", batch_size=8, streaming=streaming, validation_fraction=0.1)

    whole, _ = fit(data(), 4)
    assert len({str(batches) for batches in whole.values()}) == 4
    _, checkpoint = fit(data(), 2)
    resumed, _ = fit(data(), 4, checkpoint)
    assert resumed == {epoch: whole[epoch] for epoch in (2, 3)}
