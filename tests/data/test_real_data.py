"""Data sets as published, where TEXTCNN_DATA names a folder of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from textcnn.data import TextDataModule


@pytest.mark.parametrize(
    ("name", "settings", "rows", "labels", "problem_type"),
    [
        ("trec", {}, (None, None, 500), 6, "single"),
        ("sst2", {"train_split": "train_phrases"}, (77_213, 872, 1_821), 2, "single"),
        ("goemotions", {}, (43_410, 5_426, 5_427), 28, "multi"),
        ("clinc150", {}, (15_100, 3_100, 5_500), 151, "single"),
        ("tnews", {"tokenizer": "char"}, (53_360, 10_000, None), 15, "single"),
        ("mr", {"num_folds": 10, "fold": 9}, (None, None, 1_066), 2, "single"),
    ],
)
def test_published_sizes(
    data_dir: Path, name: str, settings: dict, rows: tuple[int | None, ...], labels: int, problem_type: str
) -> None:
    data = TextDataModule(data_dir / name, **settings)
    assert data.num_labels == labels
    assert data.problem_type == f"{problem_type}_label_classification"
    splits = {role: len(split.rows) for role, split in data._data.splits.items()}
    for role, count in zip(("train", "validation", "test"), rows, strict=True):
        assert count is None or splits[role] == count
    assert sum(len(batch["labels"]) for batch in data.val_dataloader()) == splits["validation"]
