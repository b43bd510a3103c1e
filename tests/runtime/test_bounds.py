"""No attack beats the bound: every replacement of short texts, random ones and greedy ones of longer texts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import CONFIGS, VOCAB_SIZE, make_model, word_tokenizer

from textcnn.folding.fold import fold
from textcnn.runtime.folded import FoldedTextCNN

EXACT = [name for name in CONFIGS if "pooled-norm" not in name and "regression" not in name]
TOKENS = np.arange(1, VOCAB_SIZE)  # without the padding
RNG = np.random.default_rng(0)


def margins(model: FoldedTextCNN, rows: np.ndarray, label: Any) -> np.ndarray:
    """Margins [N] of the label of texts of one length, given as token ids [N, T]."""
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
    logits = model.logits_of_ids(rows.astype(np.int32).ravel(), offsets).astype(np.float64)
    if model.multi_label:
        wanted = np.array([model.thresholds.get(name, 0.5) for name in model.labels])
        return (np.where(label > 0, 1, -1) * (logits - np.log(wanted / (1 - wanted)))).min(axis=1)
    return logits[:, label] - np.delete(logits, label, axis=1).max(axis=1)


def replaced_at(ids: np.ndarray, positions: tuple[int, ...], tokens: np.ndarray) -> np.ndarray:
    rows = np.tile(ids, (len(tokens), 1))
    rows[:, list(positions)] = tokens
    return rows


def greedy(model: FoldedTextCNN, ids: np.ndarray, label: Any, k: int) -> float:
    """The margin after replacing, k times, the token whose best replacement lowers it most."""
    least = np.inf
    for _ in range(k):
        tried = np.concatenate([replaced_at(ids, (at,), TOKENS[:, None]) for at in range(len(ids))])
        found = margins(model, tried, label)
        ids, least = tried[found.argmin()], min(least, float(found.min()))
    return least


def text_of(ids: np.ndarray) -> str:
    return " ".join("[UNK]" if i == 1 else f"w{i}" for i in ids)


@pytest.mark.parametrize("name", EXACT)
def test_no_attack_beats_the_bound(name: str) -> None:
    model = fold(make_model(**CONFIGS[name]), word_tokenizer())
    for length in (1, 2, 3, 6, 14):
        ids = RNG.integers(1, VOCAB_SIZE, length)
        for k in (1, 2, 3):
            found = model.certify([text_of(ids)], k)
            label, least = found.labels[0], found.least[0]
            assert margins(model, ids[None], label)[0] == pytest.approx(found.margins[0], abs=1e-4, rel=1e-5)
            assert found.certified[0] == (least > 0)
            attacks = [greedy(model, ids, label, min(k, length))]
            random = np.tile(ids, (2000, 1))
            at = RNG.random(random.shape).argsort(axis=1)[:, :k]
            np.put_along_axis(random, at, RNG.choice(TOKENS, at.shape), axis=1)
            attacks.append(float(margins(model, random, label).min()))
            if length == 2 and k == 2:
                every = np.array(list(itertools.product(TOKENS, TOKENS)))
                attacks.append(float(margins(model, every, label).min()))
            assert min(attacks) >= least
            # What a bag loses is bounded apart from what convolutions lose.
            if k == 1 and least < 0 and model.tables.bag is None:
                # Every token at every position was tried, by the attack and by the bound.
                assert least == pytest.approx(attacks[0], abs=2e-2, rel=5e-3)


@pytest.mark.parametrize("name", ["default", "identity", "stride", "tanh"])
def test_one_filter_and_one_token_reach_the_bound(name: str) -> None:
    # With a single filter of width 1, a token has one part in one window: then the bound is what is reached.
    changes = {**CONFIGS[name], "num_filters": 1, "kernel_sizes": [1], "id2label": {0: "a", 1: "b"}}
    model = fold(make_model(**changes), word_tokenizer())
    for length in (1, 4, 9):
        ids = RNG.integers(1, VOCAB_SIZE, length)
        found = model.certify([text_of(ids)], 1)
        worst = greedy(model, ids, found.labels[0], 1)
        assert found.least[0] <= worst
        assert found.least[0] == pytest.approx(min(worst, found.margins[0]), abs=1e-3, rel=1e-3)


@pytest.mark.parametrize("changes", [{"bag": "sum", "bag_ngrams": 3}, {"bag": "mean", "bag_dim": 2}, {"bag": "sqrtn"}])
def test_no_replacement_takes_more_from_a_bag_than_its_bound(changes: dict) -> None:
    # Few buckets, so that n-grams reach the worst row there is.
    original = make_model(**{"kernel_sizes": [], "bag_buckets": 3, **changes})
    with torch.no_grad():
        original.bag.rows.weight.normal_()
    model = fold(original, word_tokenizer())
    for length in (1, 2, 3, 5):
        ids = RNG.integers(1, VOCAB_SIZE, length)
        every = np.tile(ids, (length * len(TOKENS), 1))
        for place in range(length):
            every[place * len(TOKENS) : (place + 1) * len(TOKENS), place] = TOKENS
        found = [model.certify([text_of(ids)], k) for k in (1, 2)]
        worst = float(margins(model, every, found[0].labels[0]).min())
        assert worst >= found[0].least[0]
        assert found[1].least[0] <= found[0].least[0] + 1e-9
        if length == 1:
            # Without n-grams the bound is what is reached.
            assert found[0].least[0] == pytest.approx(min(worst, found[0].margins[0]), abs=1e-3)


def test_more_replaced_tokens_are_never_safer() -> None:
    model = fold(make_model(num_filters=30), word_tokenizer())
    texts = [text_of(RNG.integers(1, VOCAB_SIZE, length)) for length in range(1, 30)]
    least = [model.certify(texts, k).least for k in (1, 2, 3)]
    assert (least[0] >= least[1] - 1e-9).all()
    assert (least[1] >= least[2] - 1e-9).all()


def test_an_empty_text_has_nothing_to_replace() -> None:
    model = fold(make_model(), word_tokenizer())
    found = model.certify(["", "[PAD]"], 3)
    np.testing.assert_allclose(found.least, found.margins, atol=1e-4)
    assert len(model.certify([]).least) == 0


def test_what_has_no_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="int8"):
        fold(make_model(), word_tokenizer(), int8=True).certify(["w3"])
    with pytest.raises(ValueError, match="pooled_norm"):
        fold(make_model(pooled_norm=True), word_tokenizer()).certify(["w3"])
    with pytest.raises(ValueError, match="at least 1"):
        fold(make_model(), word_tokenizer()).certify(["w3"], 0)
