"""Which column holds the text and which the label."""

from __future__ import annotations

import pyarrow as pa
import pytest

from textcnn.data.columns import find_label_column, find_text_column
from textcnn.data.errors import DataError

LONG, SHORT = ["some words of a longer text"] * 2, ["x", "y"]


@pytest.mark.parametrize(
    ("columns", "text", "label"),
    [
        ({"label": SHORT, "text": LONG}, "text", "label"),
        ({"Sentence": LONG, "Class": SHORT}, "Sentence", "Class"),
        ({"title": LONG, "text": LONG, "label": SHORT}, "text", "label"),
        ({"idx": [1, 2], "review": LONG, "stars": [1, 2]}, "review", "stars"),
        ({"utt": LONG, "kind": SHORT}, "utt", "kind"),
        ({"kind": SHORT, "utt": LONG}, "utt", "kind"),
        ({"text": LONG, "odd": [1, 2]}, "text", "odd"),
        ({"text": LONG, "label": ["a;b", "a"], "labels": [["a", "b"], ["a"]]}, "text", "labels"),
        ({"text": LONG, "label": SHORT, "labels": SHORT}, "text", "label"),
        ({"text": LONG, "label": SHORT, "label_fine": SHORT}, "text", "label"),
        ({"text": [1, 2], "document": LONG, "label": SHORT}, "document", "label"),
    ],
)
def test_columns_are_found(columns: dict[str, list[object]], text: str, label: str) -> None:
    table = pa.table(columns).to_pydict()
    assert find_text_column(table, None, "the data") == text
    assert find_label_column(table, None, text, "the data") == label


def test_the_columns_of_the_training_data_come_before_usual_names() -> None:
    head = {"text": LONG, "body": LONG, "label": SHORT, "kind": SHORT}
    assert find_text_column(head, None, "the data", trained_on="body") == "body"
    assert find_text_column(head, "text", "the data", trained_on="body") == "text"
    assert find_text_column(head, None, "the data", trained_on="gone") == "text"
    assert find_label_column(head, None, "body", "the data", trained_on="kind") == "kind"
    assert find_label_column(head, None, "body", "the data", trained_on="gone") == "label"


def test_a_column_of_numbers_as_strings_is_chosen_last() -> None:
    assert find_text_column({"id": ["1234567890", None], "words": ["one", "two"]}, None, "the data") == "words"
    assert find_text_column({"code": ["1234567890", "1.5"]}, None, "the data") == "code"
    assert find_text_column({"text": ["1", "2"], "id": ["a", "b"]}, None, "the data") == "text"


def test_columns_that_are_named_win() -> None:
    table = {"text": LONG, "title": LONG, "label": SHORT, "odd": SHORT}
    assert find_text_column(table, "title", "the data") == "title"
    assert find_label_column(table, "odd", "title", "the data") == "odd"


@pytest.mark.parametrize(
    ("columns", "text", "label", "message"),
    [
        ({"text": LONG, "label": SHORT}, "txt", None, r"no column 'txt' \(did you mean 'text'\?\).* text, label;"),
        ({"text": LONG, "label": SHORT}, None, "lable", r"did you mean 'label'\?"),
        ({"text": LONG, "label": SHORT}, "text", "text", "both the text and the label"),
        ({"text": [1, 2], "label": SHORT}, None, None, "holds numbers"),
        ({"text": [["a"], ["b"]], "label": SHORT}, "text", None, "holds lists"),
        ({"one": LONG, "two": LONG}, None, None, "several could be"),
        ({"one": [1, 2]}, None, None, "none is known"),
        ({"text": LONG, "one": SHORT, "two": SHORT}, None, None, "hold the labels"),
        ({"text": LONG}, None, None, "hold the labels"),
    ],
)
def test_columns_that_are_not_there_are_one_clear_line(
    columns: dict[str, list[object]], text: str | None, label: str | None, message: str
) -> None:
    table = pa.table(columns).to_pydict()
    with pytest.raises(DataError, match=message) as caught:
        find_label_column(table, label, find_text_column(table, text, "the data"), "the data")
    assert "\n" not in str(caught.value)
