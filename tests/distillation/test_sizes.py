"""Budgets as they are written, and sizes of students against files that were saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import textcnn
from textcnn.distillation.students.sizes import (
    PRESETS,
    Budget,
    StudentSize,
    read_budget,
    smallest_bytes,
    students,
    worth,
)

LABELS = ["negative", "positive"]
SERVED = ("folded.safetensors", "tokenizer.json", "config.json")


@pytest.mark.parametrize(
    ("written", "size", "speed"),
    [
        ("1MB", 1e6, None),
        ("500 kB", 5e5, None),
        ("1.5 MiB", 1.5 * 2**20, None),
        ("1000000", 1e6, None),
        ("400000 texts/s", None, 4e5),
        ("400k texts/s", None, 4e5),
        ("400,000 texts/s", None, 4e5),
        ("1.5M texts/s", None, 1.5e6),
        ("3MB,400k texts/s", 3e6, 4e5),
        ("400,000 texts/s, 3 MB", 3e6, 4e5),
    ],
)
def test_budgets(written: str, size: float | None, speed: float | None) -> None:
    assert read_budget(written) == Budget(written, size, speed)


def test_budgets_by_name() -> None:
    assert read_budget("tiny") == PRESETS["tiny"]
    assert read_budget(None) == PRESETS["base"]


@pytest.mark.parametrize(
    "written",
    [
        "huge",
        "1..5MB",
        "",
        "400k",
        "4,00 texts/s",
        "texts/s",
        "0MB",
        "-1MB",
        "1MB,2MB",
        "1MB,fast",
        300_000,
        3e6,
        ["1MB"],
    ],
)
def test_a_budget_that_is_none_is_told_both_forms(written: Any) -> None:
    with pytest.raises(ValueError, match=r"budget: got .*expected tiny, small, base.*1MB.*400000 texts/s.*; give"):
        read_budget(written)


def test_students_get_better_with_the_budget_and_fit_it() -> None:
    best = []
    for limit in (1e5, 3e5, 1e6, 3e6, 1e7, 3e7):
        fitting = students(limit, LABELS, token_bytes=13)
        assert all(size.bytes(LABELS, 13 * size.vocab_size) <= limit for size in fitting)
        best.append(max(fitting, key=worth))
    assert sorted(best, key=worth) == best
    assert best[2].kernel_sizes == (2, 3)
    assert not students(1e4, LABELS, token_bytes=13)
    # With no limit, and with one that all fit, the best is the largest.
    assert max(students(None, LABELS, token_bytes=13), key=worth) == max(students(1e9, LABELS, 13), key=worth)


def test_vectors_make_short_rows_unless_the_filters_are_given() -> None:
    chosen = [size for size in students(3e6, LABELS, 13) if size.factored]
    assert chosen
    assert all(size.layout.columns <= 3 * size.row for size in chosen)
    given = [size for size in students(3e6, LABELS, 13, {"num_filters": 200}) if size.factored]
    assert any(size.layout.columns > 3 * size.row for size in given)


def test_what_is_given_is_not_chosen() -> None:
    def fitting(budget: float | None, **fixed: Any) -> list[StudentSize]:
        return students(budget, LABELS, 13, fixed, most_tokens=2_000)

    wanted = [StudentSize((4,), 24, 2_000)] + [StudentSize((4,), 24, 2_000, 1, n, True) for n in (32, 64, 128)]
    assert fitting(1e6, kernel_sizes=[4], num_filters=24, activation="relu") == wanted
    two_channels = fitting(1e6, kernel_sizes=[2, 3], num_filters=[100, 10], variant="multichannel")
    # Ten filters take the room of sixteen.
    assert two_channels == [StudentSize((2, 3), (100, 10), 2_000)]
    assert two_channels[0].bytes_of_a_token() == 2 * 100 + 3 * 16 + 4
    narrow = fitting(None, kernel_sizes=[2], num_filters=100, num_members=3, embedding_dim=50)
    assert narrow == [StudentSize((2,), 100, 2_000, 3, 50, factored) for factored in (False, True)]
    assert [size.bytes_of_a_token() for size in narrow] == [3 * 200 + 4, 3 * 50 + 4]
    assert narrow[0].layout.features == 300
    assert narrow[1].fixed_bytes(LABELS) == narrow[0].fixed_bytes(LABELS) - 600 + 150 + 2 * 150 * 600
    assert smallest_bytes(LABELS, 13) < smallest_bytes(LABELS, 13, {"num_filters": 200})


@pytest.mark.parametrize("fixed", [{}, {"num_filters": 200, "kernel_sizes": [3, 4, 5]}, {"embedding_dim": 8}])
def test_the_smallest_student_fits_its_own_budget(fixed: dict[str, Any]) -> None:
    least = smallest_bytes(LABELS, 13, fixed)
    assert students(least + 2, LABELS, 13, fixed)
    assert not students(least * 0.9, LABELS, 13, fixed)


def test_a_bag_takes_a_row_for_each_token_and_bucket() -> None:
    plain = StudentSize((2, 3), 32, 5_000)
    bag = StudentSize((2, 3), 32, 5_000, bag="sum", bag_buckets=2_000)
    extra = bag.bytes(LABELS, 0) - plain.bytes(LABELS, 0)
    assert extra >= 7_000 * len(LABELS)
    assert extra < 7_000 * len(LABELS) + 1_000
    # Vectors narrower than the classes are kept as they are.
    labels = [f"class {i}" for i in range(50)]
    narrow = StudentSize((2,), 16, 5_000, bag="mean", bag_buckets=2_000, bag_dim=8)
    assert narrow.bag_row(50) == 8
    assert narrow.bag_row(3) == 3
    assert narrow.architecture()["bag_dim"] == 8
    assert narrow.bytes(labels, 0) > StudentSize((2,), 16, 5_000).bytes(labels, 0) + 8 * 7_000 + 4 * 8 * 50


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 texts with more distinct words than any student here knows, of 60 labels."""
    rng = np.random.default_rng(0)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    vocabulary = ["".join(rng.choice(syllables, 3)) for _ in range(6_000)]
    texts = [" ".join(rng.choice(vocabulary, 12)) for _ in range(1_500)]
    table = pd.DataFrame({"text": texts, "label": [f"class number {i % 60}" for i in range(1_500)]})
    path = tmp_path_factory.mktemp("words") / "words.csv"
    table.to_csv(path, index=False)
    return path


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("limit", "options"),
    [
        (150_000, {}),
        (400_000, {}),
        (400_000, {"tokenizer": "bpe", "num_filters": 48, "kernel_sizes": [3], "embedding_dim": 120}),
        (700_000, {"bag": "sum", "bag_buckets": 2_000}),
        (200_000, {"bag": "mean", "bag_buckets": 3_000, "bag_dim": 16, "kernel_sizes": []}),
        (300_000, {"num_filters": [64, 8], "kernel_sizes": [2, 1], "pooled_norm": True}),
    ],
)
def test_all_that_a_server_needs_fits_the_budget(
    words: Path, tmp_path: Path, limit: int, options: dict[str, Any]
) -> None:
    def even(texts: list[str]) -> np.ndarray:
        return np.full((len(texts), 60), 1 / 60)

    textcnn.distill(
        even, str(words), None, tmp_path, f"{limit // 1000}kB", max_epochs=1, log_every_n_steps=1, progress=False,
        **{"embedding_dim": 32, **options},
    )  # fmt: skip
    taken = sum((tmp_path / name).stat().st_size for name in SERVED)
    assert 0.8 * limit < taken <= limit
