"""What a path may be, and which splits are behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from huggingface_hub import constants

from textcnn.data.errors import DataError
from textcnn.data.io.sources import Source, open_source
from textcnn.tokenization import load

ROWS = ("text,label", "one,a", "two,b")


def test_a_file_is_a_train_split(write) -> None:
    source = open_source(str(write("a.csv", *ROWS)))
    assert source.names == ["train"]
    assert source.load("train")[:] == {"text": ["one", "two"], "label": ["a", "b"]}


def test_a_folder_has_a_split_a_file_and_shards_are_joined(write, tmp_path: Path) -> None:
    for name in ("d/train.csv", "d/dev-00000-of-00002.csv", "d/dev-00001-of-00002.csv", "d/train_more.csv"):
        write(name, *ROWS)
    write("d/README.txt", "not data")
    source = open_source(tmp_path / "d")
    assert source.names == ["dev", "train", "train_more"]
    assert source.load("dev")["text"][:] == ["one", "two"] * 2
    assert source.find("validation", None, "train") == "dev"
    assert source.find("test", None, "train") is None


def test_a_folder_with_a_data_folder_or_saved_by_datasets(write, tmp_path: Path) -> None:
    write("d/data/test-00000-of-00001.csv", *ROWS)
    assert open_source(tmp_path / "d").names == ["test"]
    names = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y"])})
    DatasetDict(train=Dataset.from_dict({"text": ["a"], "label": [1]}, features=names)).save_to_disk(tmp_path / "s")
    assert open_source(tmp_path / "s").load("train").features == names


def test_parquet_keeps_the_class_labels(tmp_path: Path) -> None:
    names = Features({"text": Value("string"), "label": ClassLabel(names=["x", "y"])})
    Dataset.from_dict({"text": ["a"], "label": [1]}, features=names).to_parquet(tmp_path / "a.parquet")
    assert open_source(tmp_path / "a.parquet").load("train").features == names


def test_data_in_memory_is_taken_as_it_is(dataset) -> None:
    rows = dataset(["a"], ["x"])
    assert open_source(rows).load("train") is rows
    assert open_source(DatasetDict(train=rows, val=rows)).names == ["train", "val"]
    assert open_source({"train": rows}).load("train") is rows


def test_the_embedded_set_is_read_only_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from textcnn.data import docstrings

    monkeypatch.setattr(docstrings, "load", lambda: pytest.fail("read too early"))
    assert open_source("python-docstrings").names == ["train", "validation", "test"]


def test_hub_names_go_to_datasets(monkeypatch: pytest.MonkeyPatch, dataset) -> None:
    asked: dict[str, Any] = {}

    def load_dataset(*names: Any, **settings: Any) -> DatasetDict:
        asked.update(names=names, settings=settings)
        return DatasetDict(train=dataset(["a"], ["x"]), validation=dataset(["b"], ["x"]))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = open_source("owner/name", "config", "v1.0")
    assert asked == {"names": ("owner/name", "config"), "settings": {"revision": "v1.0", "streaming": False}}
    assert source.load("validation")["text"][:] == ["b"]


def test_a_hub_name_without_a_network_is_one_clear_line() -> None:
    with pytest.raises(DataError, match="'owner/no-such-set' cannot be loaded from the Hub") as caught:
        open_source("owner/no-such-set")
    assert "\n" not in str(caught.value)


def test_without_a_network_only_the_local_cache_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(*_: Any, **__: Any) -> dict[str, Any]:
        asked.append(constants.HF_HUB_OFFLINE)
        return {}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for reachable in (True, False):
        monkeypatch.setattr(load, "hub_is_reachable", lambda answer=reachable: answer)
        open_source("owner/name")
        assert constants.HF_HUB_OFFLINE is False
    assert asked == [False, True]


def test_aliases_never_name_the_train_split() -> None:
    source = Source("x", {"val": lambda: 1, "Test": lambda: 2, "dev": lambda: 3})
    assert source.find("validation", None, taken="val") == "dev"
    assert source.find("test", None, taken="val") == "Test"
    assert source.find("validation", "Test", taken="val") == "Test"


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("reviws.csv", FileNotFoundError, "did you mean 'reviews.csv'"),
        ("./nowhere", FileNotFoundError, "no file or folder"),
        (Path("nowhere"), FileNotFoundError, "no file or folder"),
        ("no such name", FileNotFoundError, "no file or folder"),
        ("", FileNotFoundError, "no file or folder"),
        ("a.xlsx", DataError, "unknown ending"),
        ("empty", DataError, "has no data file"),
        (["a", "b"], DataError, "of type list"),
        ({}, DataError, "of type dict"),
    ],
)
def test_what_is_no_source_is_one_clear_line(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, kind: type[Exception], message: str
) -> None:
    write("reviews.csv", *ROWS)
    write("a.xlsx", "not data")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_a_split_that_is_not_there_names_the_nearest(write) -> None:
    with pytest.raises(DataError, match=r"no split 'trian' \(did you mean 'train'\?\); its splits are train"):
        open_source(write("a.csv", *ROWS)).load("trian")
