"""Which student a budget gets, by size and by speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textcnn.data.replaced import ReplacedTrainData
from textcnn.distillation.students import choose
from textcnn.distillation.students.choose import choose_student
from textcnn.distillation.students.sizes import Budget, StudentSize, read_budget, worth
from textcnn.distillation.students.speed import TEXTS, random_student, sample
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.tokenization import load_tokenizer, tokenizer_json, vocabulary_size


def chosen(budget: str, path: Path, architecture: dict[str, Any] | None = None, **options: Any) -> StudentSize:
    data = ReplacedTrainData(str(path), **{"tokenizer": "wordpiece", **options})
    texts, _ = data.texts_and_targets("train")
    wanted = read_budget(budget)
    assert isinstance(wanted, Budget)
    size = choose_student(wanted, data, texts, texts, architecture)
    assert data.vocab_size == size.vocab_size
    return size


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for the clock: a million texts a second, divided by the columns of the table; the columns timed."""
    timed: list[int] = []

    def texts_per_second(student: FoldedTextCNN, texts: list[str]) -> float:
        assert student.predict(texts[:2]).shape == (2,)
        timed.append(student.table_shape[1])
        return 1e6 / student.table_shape[1]

    monkeypatch.setattr(choose, "texts_per_second", texts_per_second)
    return timed


def test_texts_with_few_tokens_get_more_filters(reviews: Path) -> None:
    small, large = chosen("100kB", reviews), chosen("300kB", reviews)
    assert small.vocab_size == large.vocab_size < 200
    assert worth(small) < worth(large)


def test_a_tokenizer_that_was_given_stays(reviews: Path, transformer: str) -> None:
    own = vocabulary_size(load_tokenizer(transformer))
    assert chosen("100kB", reviews, tokenizer=transformer).vocab_size == own
    with pytest.raises(ValueError, match=r"budget: got 4kB; expected at least \d+ kB, which the smallest student"):
        chosen("4kB", reviews, tokenizer=transformer)


def test_the_smallest_budget_that_is_named_can_be_met(reviews: Path) -> None:
    with pytest.raises(ValueError, match="expected at least") as error:
        chosen("1kB", reviews)
    least = str(error.value).split("at least ")[1].split(",")[0]
    size = chosen(least, reviews)
    assert (size.kernel_sizes, size.num_filters) == ((2,), 16)


def test_the_best_student_that_is_fast_enough(reviews: Path, speeds: list[int]) -> None:
    size = chosen("2500 texts/s", reviews)
    assert 1e6 / size.layout.columns >= 2500
    # None that is fast enough is better.
    better = [s for s in (StudentSize((2, 3), 80, 80), StudentSize((2,), 200, 80)) if worth(s) > worth(size)]
    assert better == []
    assert size.layout.columns in speeds
    assert len(speeds) < 7
    assert worth(chosen("1000 texts/s", reviews)) > worth(size) > worth(chosen("9k texts/s", reviews))


def test_a_speed_that_nobody_has(reviews: Path, speeds: list[int]) -> None:
    with pytest.raises(ValueError, match=r"budget: got 99k texts/s; expected at most 31,250 texts/s, .* this machine"):
        chosen("99k texts/s", reviews)


def test_size_and_speed(reviews: Path, speeds: list[int]) -> None:
    by_size, by_speed = chosen("60kB", reviews), chosen("2500 texts/s", reviews)
    assert chosen("60kB, 10 texts/s", reviews) == by_size
    assert chosen("90MB, 2500 texts/s", reviews) == by_speed


def test_what_is_given_is_kept_and_what_is_timed_is_real(reviews: Path) -> None:
    size = chosen("10 texts/s", reviews, {"kernel_sizes": [4], "pooled_norm": True, "activation": "tanh"})
    assert (size.kernel_sizes, size.num_filters) == ((4,), 200)
    with pytest.raises(ValueError, match=r"budget: got 900M texts/s; expected at most [\d,]+ texts/s"):
        chosen("900M texts/s", reviews, {"num_filters": 16})


def test_random_tables_answer_like_any_other(reviews: Path) -> None:
    data = ReplacedTrainData(str(reviews), tokenizer="wordpiece")
    size = StudentSize((2, 3), 16, data.vocab_size)
    student = random_student(size, tokenizer_json(data.tokenizer), ["a", "b", "c"], True, {"dilation": 2})
    assert student.is_int8
    assert student.table_shape == (data.vocab_size + 1, size.layout.columns)
    assert student.predict_proba(["a lovely film", ""]).shape == (2, 3)


def test_the_sample_is_the_same_each_time() -> None:
    texts = [str(i) for i in range(TEXTS + 5)]
    assert sample(texts) == sample(texts)
    assert len(set(sample(texts))) == TEXTS
    assert sample(texts[:9]) == texts[:9]
