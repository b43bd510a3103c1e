"""Label columns of every kind, and their ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, List, Value
from sklearn.preprocessing import MultiLabelBinarizer

from textcnn.data.errors import DataError
from textcnn.data.labels import (
    Targets,
    choose_labels,
    encode_labels,
    names_of,
    present_labels,
    read_labels,
)


def _ids(values: list[Any], names: list[str] | None = None, wish: list[str] | None = None) -> tuple[list[str], Any]:
    raw = read_labels(pa.chunked_array([pa.array(values)]), names, "the column 'label'")
    rows = np.flatnonzero(~raw.missing)
    labels = choose_labels(present_labels(raw, rows), raw.names, wish)
    targets = encode_labels(raw, labels, "train", given=wish is not None)
    return labels, targets.batch(np.arange(len(values)), len(labels)).tolist()


@pytest.mark.parametrize(
    ("values", "labels", "ids"),
    [
        (["b", "a", None, "b"], ["a", "b"], [1, 0, -1, 1]),
        ([10, 9, 2], ["2", "9", "10"], [2, 1, 0]),
        (["10", "9", "2"], ["2", "9", "10"], [2, 1, 0]),
        ([1.0, 0.0, float("nan"), None], ["0", "1"], [1, 0, -1, -1]),
        ([True, False, True], ["False", "True"], [1, 0, 1]),
        ([-1, 1], ["-1", "1"], [0, 1]),
    ],
)
def test_single_labels(values: list[Any], labels: list[str], ids: list[int]) -> None:
    assert _ids(values) == (labels, ids)


def test_class_label_keeps_its_order_and_minus_one_is_no_label() -> None:
    assert _ids([0, 1, -1, None], names=["z", "a", "never"]) == (["z", "a", "never"], [0, 1, -1, -1])


def test_wish_fixes_the_order_and_names_integers() -> None:
    assert _ids(["b", "a"], wish=["b", "a"]) == (["b", "a"], [0, 1])
    assert _ids([0, 1], wish=["negative", "positive"]) == (["negative", "positive"], [0, 1])
    assert _ids([0, 1], wish=["1", "0"]) == (["1", "0"], [1, 0])
    assert _ids(["a", "a "], wish=["a ", "a"]) == (["a ", "a"], [1, 0])


def test_integers_are_names_of_ids_only_where_the_user_gave_names() -> None:
    raw = read_labels(pa.chunked_array([pa.array([0, 1])]), None, "the column 'label'")
    with pytest.raises(DataError, match="has the label '0'"):
        encode_labels(raw, ["a", "b"], "test", given=False)


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.string())])
def test_lists_of_labels_agree_with_scikit_learn(kind: pa.DataType) -> None:
    values = [["b", "a"], [], ["c"], ["a", "a"], ["b", None]]
    raw = read_labels(pa.chunked_array([pa.array(values, kind)]), None, "the column 'label'")
    labels = choose_labels(present_labels(raw, np.arange(5)), None, None)
    targets = encode_labels(raw, labels, "train", given=False)
    binarizer = MultiLabelBinarizer()
    expected = binarizer.fit_transform([[label for label in row if label] for row in values])
    rows = np.array([4, 0, 3, 1, 2])
    assert labels == list(binarizer.classes_)
    np.testing.assert_array_equal(targets.batch(rows, len(labels)), expected[rows])
    np.testing.assert_array_equal(targets.take(rows).batch(np.arange(5), 3), expected[rows])
    again = Targets.join([targets.take(rows[:2]), targets.take(rows[2:])])
    np.testing.assert_array_equal(again.batch(np.arange(5), 3), expected[rows])
    assert targets.batch(rows, 3).dtype == np.float32


def test_lists_of_integers_null_lists_and_several_chunks() -> None:
    column = pa.chunked_array([pa.array([[10, 2], None]), pa.array([[], [2]], pa.list_(pa.int64()))])
    raw = read_labels(column, None, "the column 'label'")
    assert raw.missing.tolist() == [False, True, False, False]
    labels = choose_labels(present_labels(raw, np.array([0, 2, 3])), None, None)
    targets = encode_labels(raw, labels, "train", given=False)
    assert labels == ["2", "10"]
    assert targets.batch(np.arange(4), 2).tolist() == [[1, 1], [0, 0], [0, 0], [1, 0]]
    assert targets.counts(np.array([0, 3]), 2).tolist() == [2, 1]


def test_strata_of_several_labels_are_the_rarest() -> None:
    targets = Targets(np.array([0, 1, 0, 0]), np.array([0, 2, 3, 4, 4]))
    assert targets.strata(np.arange(4), 2).tolist() == [1, 0, 0, 2]


def test_names_of_features() -> None:
    names = ClassLabel(names=["x", "y"])
    assert names_of(names) == names_of(List(names)) == ["x", "y"]
    assert names_of(Value("int64")) is None
    assert names_of(List(Value("string"))) is None


@pytest.mark.parametrize(
    ("values", "names", "wish", "message"),
    [
        (["a", "a"], None, None, "only the label 'a'"),
        ([None, None], None, None, "no label"),
        (["a", "b"], None, ["a", "a"], "more than once"),
        (["a", "b"], None, ["a", "c"], "label 'b'"),
        (["positve", "negative"], None, ["negative", "positive"], "did you mean 'positive'"),
        ([0, 2], None, ["a", "b"], "label '2'"),
        ([0, 2], ["a", "b"], None, "holds the id 2"),
        ([0.5, 1.0], None, None, "real numbers such as 0.5"),
        ([[1, 0, 0], [0, 1, 0]], None, None, "zeros and ones"),
        ([{"a": 1}], None, None, "of type struct"),
        (["ham", "spam", "ham "], None, None, "the labels 'ham' and 'ham ' differ in white space only"),
    ],
)
def test_what_is_no_label_is_one_clear_line(
    values: list[Any], names: list[str] | None, wish: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _ids(values, names, wish)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 0.5])
def test_real_numbers_and_infinity_are_no_labels(value: float) -> None:
    with pytest.raises(DataError, match=f"holds real numbers such as {value}; expected one label for a text"):
        read_labels(pa.chunked_array([pa.array([1.0, 2.0, value])]), None, "the column 'label'")


def test_levels_may_be_real_numbers() -> None:
    raw = read_labels(pa.chunked_array([pa.array([0.5, 1.0, None, 1.5])]), None, "the column 'stars'", True)
    assert (raw.values, raw.codes.tolist()) == (["0.5", "1", "1.5"], [0, 1, -1, 2])
    # Whole numbers of another split are names of levels there, and no ids of labels.
    whole = read_labels(pa.chunked_array([pa.array([1, 0])]), None, "the column 'stars'")
    others: list[str] = []
    assert encode_labels(whole, ["0.5", "1.5"], "test", given=True, others=others).ids.tolist() == [2, 2]
    assert others == ["1", "0"]


def test_labels_of_rows_that_are_dropped_are_not_refused() -> None:
    raw = read_labels(pa.chunked_array([pa.array(["a", "b", "typo", "a"])]), None, "the column 'label'")
    rows = np.array([0, 1, 3])
    others: list[str] = []
    for taken in (None, others):
        targets = encode_labels(raw, ["a", "b"], "train", given=False, others=taken, rows=rows)
        assert targets.batch(rows, 2).tolist() == [0, 1, 0]
    assert others == []
    with pytest.raises(DataError, match="the train split has the label 'typo'"):
        encode_labels(raw, ["a", "b"], "train", given=False)
