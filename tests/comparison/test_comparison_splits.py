"""Data sets of a comparison: found, divided, drawn."""

from __future__ import annotations

import numpy as np
import pytest

from textcnn.comparison.splits import LabelledTexts, few_labels, find_data_sets, read_splits
from textcnn.data.errors import DataError
from textcnn.settings import CompareSettings, SourceSettings


def test_a_file_without_test_split_is_divided_without_overlap(reviews):
    splits = read_splits("reviews", str(reviews), SourceSettings())
    parts = [splits.train, splits.validation, splits.test]
    texts = [set(part.texts) for part in parts]
    assert sum(map(len, parts)) == 120
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]
    assert 20 <= len(splits.test) <= 28
    assert splits.held_out
    assert splits.note == "test: one of 5 folds of train; validation: held out of train"
    assert len(splits.everything()) == len(splits.train) + len(splits.validation)


def test_splits_of_the_data_are_kept_apart():
    rows = (["good film", "bad film"] * 10, ["pos", "neg"] * 10)
    splits = read_splits("d", {"train": rows, "validation": rows, "test": rows}, SourceSettings())
    assert not splits.held_out
    assert splits.everything() is splits.train
    assert splits.note == ""


def test_a_limit_counts_held_out_rows_too(reviews):
    splits = read_splits("reviews", str(reviews), SourceSettings(), limit=40)
    assert len(splits.train) == 36
    assert len(splits.validation) == 4
    assert "at most 40 rows" in splits.note


def test_some_rows_are_held_out_however_few():
    rows = ([f"{word} film {i}" for i in range(15) for word in ("good", "bad")], ["pos", "neg"] * 15)
    for settings in (SourceSettings(), CompareSettings(data="d")):
        splits = read_splits("d", {"train": rows, "test": rows}, settings)
        assert (len(splits.train), len(splits.validation)) == (27, 3)
    assert read_splits("d", {"train": rows, "test": rows}, SourceSettings(validation_fraction=0.0)).validation is None


def test_few_labels_are_drawn_by_class_and_by_seed(reviews):
    splits = read_splits("reviews", str(reviews), SourceSettings())
    few = few_labels(splits, 3, seed=0)
    assert np.bincount(few.train.targets).tolist() == [3, 3]
    assert few.validation is None
    assert few.test is splits.test
    assert few_labels(splits, 3, seed=0).train.texts == few.train.texts
    assert few_labels(splits, 3, seed=1).train.texts != few.train.texts
    assert few.fingerprint() != splits.fingerprint()
    assert len(few_labels(splits, 1000, seed=0).train) == len(splits.everything())


def test_few_labels_of_texts_with_several():
    lists = [["a", "b"], ["b"], ["a"], ["c"]] * 5
    splits = read_splits("d", {"train": ([f"text {i}" for i in range(20)], lists)}, SourceSettings())
    few = few_labels(splits, 2, seed=0)
    assert (few.train.targets.sum(axis=0) >= 2).all()
    assert few.train.label_lists(splits.labels)[0]


def test_data_sets_of_a_folder(tmp_path, reviews):
    for name in ("films", "plots"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.csv").write_text(reviews.read_text())
    (tmp_path / "empty").mkdir()
    assert list(find_data_sets(tmp_path)) == ["films", "plots", "reviews"]
    assert list(find_data_sets(tmp_path / "films")) == ["films"]
    assert list(find_data_sets(reviews)) == ["reviews"]
    with pytest.raises(DataError, match="holds no data set"):
        find_data_sets(tmp_path / "empty")


def test_rows_are_taken_with_their_targets():
    part = LabelledTexts(["a", "b", "c"], np.array([0, 1, 2]))
    taken = part.take(np.array([2, 0]))
    assert taken.texts == ["c", "a"]
    assert taken.targets.tolist() == [2, 0]
