"""Splits are stratified, seeded and keep equal texts together."""

from __future__ import annotations

import numpy as np
import pytest

from textcnn.data.splits import folds, hold_out


def test_hold_out_takes_the_share_of_every_class() -> None:
    strata = np.repeat([0, 1, 2], [700, 200, 100])
    held = hold_out(strata, np.arange(1000), 0.1, seed=0)
    assert np.bincount(strata[held]).tolist() == [70, 20, 10]
    assert (hold_out(strata, np.arange(1000), 0.1, seed=0) == held).all()
    assert (hold_out(strata, np.arange(1000), 0.1, seed=1) != held).any()


def test_hold_out_keeps_equal_texts_together() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, size=1000)
    held = hold_out(groups % 3, groups, 0.2, seed=0)
    assert not set(groups[held]) & set(groups[~held])
    assert 150 <= held.sum() <= 200


def test_hold_out_of_many_small_classes() -> None:
    strata = np.repeat(np.arange(50), 4)  # a tenth of each class would be less than one row
    held = hold_out(strata, np.arange(200), 0.1, seed=0)
    assert held.sum() == 20
    assert np.bincount(strata[held]).max() == 1


def test_hold_out_takes_one_row_where_the_share_is_less() -> None:
    assert hold_out(np.array([0, 0, 1, 1]), np.arange(4), 0.1, seed=0).sum() == 1


def test_hold_out_never_takes_the_last_text_of_a_class() -> None:
    strata = np.array([0] * 10 + [1] + [2, 2])
    groups = np.array([*range(10), 10, 11, 11])
    for seed in range(20):
        held = hold_out(strata, groups, 0.5, seed)
        assert held.any()
        assert set(strata[~held]) == {0, 1, 2}
    assert not hold_out(np.arange(5), np.arange(5), 0.5, seed=0).any()


@pytest.mark.parametrize("count", [2, 10])
def test_folds_are_even_and_keep_equal_texts_together(count: int) -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 400, size=1000)
    strata = groups % 4
    fold = folds(strata, groups, count, seed=0)
    assert set(fold) == set(range(count))
    for number in range(count):
        assert not set(groups[fold == number]) & set(groups[fold != number])
    sizes = np.array([[len(set(groups[(fold == n) & (strata == k)])) for k in range(4)] for n in range(count)])
    assert (sizes.max(axis=0) - sizes.min(axis=0) <= 1).all()
    assert (folds(strata, groups, count, seed=0) == fold).all()
    assert (folds(strata, groups, count, seed=1) != fold).any()
