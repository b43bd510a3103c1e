"""The winning windows against windows added up one by one, with every set of instructions; what must be refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import CONFIGS, INSTRUCTIONS, PAD, VOCAB_SIZE, flat, id_lists, make_model, word_tokenizer

from textcnn.core import library
from textcnn.core.library import address
from textcnn.folding.fold import fold
from textcnn.runtime.explain import find_winners
from textcnn.runtime.explain.ngrams import merge_ngrams
from textcnn.runtime.explain.winners import NO_WINDOW, Winners
from textcnn.runtime.tables import Tables

# What a bag adds has no window: test_explain.py tests it.
EXACT = [name for name in CONFIGS if "pooled-norm" not in name and "bag" not in name]
TEXTS = ["", "w3", "w3 w4", "w5 w5 w5 w5", " ".join(f"w{i * 7 % 45 + 2}" for i in range(60)), "[PAD] w3 [PAD] w4"]


def texts_of_ids() -> list[list[int]]:
    """Texts around the ends of stretches of windows, with ties, holes and padding around them."""
    rng = np.random.default_rng(3)
    texts = [text for text in id_lists() if len(text) < 100]
    texts += [rng.integers(1, 4, length).tolist() for length in (63, 64, 65, 66, 67, 68, 127, 128, 129, 300)]
    return [*texts, [7] * 200, [0, 0, *[7] * 70, 0], rng.integers(0, VOCAB_SIZE, 200).tolist()]


def by_window(tables: Tables, ids: list[int], activation: Any) -> tuple[np.ndarray, ...]:
    """Features, without, sums, start, first and last [F] of one text, in the order that the core adds in."""
    real = np.flatnonzero(np.array(ids, dtype=int) != PAD)
    rows = tables.row_of_id[ids[real[0] : real[-1] + 1]] if len(real) else np.zeros(0, np.int32)
    rows = np.where(rows < 0, tables.hole, rows)
    parts = []
    for own in tables.layout.widths:
        span = (own.width - 1) * tables.dilation
        padded = np.concatenate([np.full(own.left, tables.hole), rows, np.full(own.right, tables.hole)])
        starts = np.arange(0, len(padded) - span, tables.stride)
        read = padded[starts[:, None] + tables.dilation * np.arange(own.width)]
        holds = (read != tables.hole).any(axis=1)
        read, starts = read[holds], starts[holds] - own.left
        sums = np.zeros((len(read), own.filters), dtype=np.float32)
        for j in range(own.width):
            sums += tables.table[read[:, j], own.columns(j)]
            sums = np.clip(sums, -128, 127) if tables.is_int8 else sums
        if not len(read):
            zero, none = np.zeros(own.filters, np.float32), np.full(own.filters, -1)
            parts.append((zero, zero, zero - np.inf, none * 0 + NO_WINDOW, none, none))
            continue
        best = sums.argmax(axis=0)  # the first of equal ones
        ranked = np.sort(sums, axis=0)
        scaled = [ranked[-n] * tables.scale[own.features] + tables.bias[own.features] for n in (1, min(2, len(ranked)))]
        features, without = (activation(torch.from_numpy(values)).numpy() for values in scaled)
        places = starts[best][:, None] + tables.dilation * np.arange(own.width)
        inside = (places >= 0) & (places < len(rows))
        first = np.where(inside, places, len(rows)).min(axis=1)
        last = np.where(inside, places, -1).max(axis=1)
        parts.append((features, without * (len(read) > 1), scaled[0], starts[best], first, last))
    return tuple(np.concatenate(own) for own in zip(*parts, strict=True))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("int8", [False, True])
def test_winners_are_those_of_windows_added_up_one_by_one(name: str, int8: bool) -> None:
    model = make_model(**CONFIGS[name])
    tables = fold(model, int8=int8).tables
    texts = texts_of_ids()
    activation = model.textcnn.convolution.activation
    wanted = [by_window(tables, ids, activation) for ids in texts]
    for instructions in INSTRUCTIONS:
        with library.instructions_of(instructions):
            winners = find_winners(tables, *flat(texts), threads=2)
        parts = ("features", "without", "sums", "start", "first", "last")
        for part, values in zip(parts, zip(*wanted, strict=True), strict=True):
            # Values of activations with an exponential differ from torch's in their last digit.
            tolerance = 0 if part in ("start", "first", "last") else 1e-6
            np.testing.assert_allclose(getattr(winners, part), np.array(values), rtol=tolerance, atol=tolerance)
        assert (winners.features == tables.features(*flat(texts))).all()


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_int8_sums_stay_at_the_ends_of_their_range(instructions: str) -> None:
    model = make_model(kernel_sizes=[3], num_filters=40)
    rounded = fold(model, int8=True)
    table = np.random.default_rng(0).integers(-128, 128, rounded.tables.table.shape).astype(np.int8)
    table[-1] = 0
    tables = rounded.replace(table=table).tables
    texts = texts_of_ids()
    wanted = [by_window(tables, ids, model.textcnn.convolution.activation) for ids in texts]
    with library.instructions_of(instructions):
        winners = find_winners(tables, *flat(texts))
    for n, name in enumerate(("features", "without", "sums", "start")):
        np.testing.assert_allclose(getattr(winners, name), np.array([values[n] for values in wanted]), rtol=1e-6)
    assert np.isclose(winners.sums, 127 * tables.scale + tables.bias).any()


@pytest.mark.parametrize("int8", [False, True])
def test_the_lowest_sum_of_all_still_has_a_window(int8: bool) -> None:
    folded = fold(make_model(kernel_sizes=[2, 4], num_filters=3, activation="identity"), int8=int8)
    table = np.full_like(folded.tables.table, -128 if int8 else -np.inf)
    tables = folded.replace(table=table).tables
    winners = find_winners(tables, np.array([5, 6, 7], np.int32), np.array([0, 3]))
    assert winners.start.tolist() == [[-1] * 3 + [-3] * 3]
    assert (winners.first == 0).all()


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("int8", [False, True])
def test_winners_are_those_of_explanations(name: str, int8: bool) -> None:
    folded = fold(make_model(**CONFIGS[name]), word_tokenizer(), int8=int8)
    (winners,) = folded.winners(TEXTS)
    weight = folded.tables.head_weight
    for n, text in enumerate(TEXTS):
        spans = folded.spans(text)[winners.skipped[n] :]
        why = folded.explain(text, "b")
        own = {f: ngram for ngram in why.contributions for f in ngram.filters}
        for f, ngram in own.items():
            assert (ngram.start, ngram.end) == (spans[winners.first[n, f]][0], spans[winners.last[n, f]][1])
        drops = {ngram.filters: why.logit - ngram.without for ngram in why.contributions}
        for filters, drop in drops.items():
            at = list(filters)
            wanted = float((weight[1, at] * (winners.features[n, at] - winners.without[n, at])).sum())
            assert wanted == pytest.approx(drop, rel=1e-4, abs=1e-3)
        for f in np.flatnonzero(winners.first[n] < 0):
            assert f not in own
            assert winners.features[n, f] == 0


def test_batches_are_the_whole() -> None:
    folded = fold(make_model(), word_tokenizer())
    texts = TEXTS[:5] * 300
    parts = list(folded.winners(texts))
    assert len(parts) > 1
    whole = find_winners(folded.tables, *folded.encode(texts))
    np.testing.assert_array_equal(np.concatenate([part.first for part in parts]), whole.first)


def test_copies_open_tables_of_their_own() -> None:
    folded = fold(make_model(), word_tokenizer())
    why = pickle.loads(pickle.dumps(folded.explain(TEXTS[4])))
    assert why.to_dict() == folded.explain(TEXTS[4]).to_dict()
    assert pickle.loads(pickle.dumps(folded.tables)).handle != folded.tables.handle


def test_norms_hide_windows() -> None:
    with pytest.raises(ValueError, match="pooled_norm False"):
        list(fold(make_model(pooled_norm=True), word_tokenizer()).winners(["w3"]))


@pytest.mark.parametrize("bad", [-1, VOCAB_SIZE, 2**31 - 1, -(2**31)])
def test_ids_beyond_the_vocabulary_are_refused(bad: int) -> None:
    tables = fold(make_model()).tables
    with pytest.raises(ValueError, match=rf"got token id {bad}; expected 0 to {VOCAB_SIZE - 1}"):
        find_winners(tables, np.array([3, bad], np.int32), np.array([0, 2]))
    winners = changed(find_winners(tables, np.array([3, 4], np.int32), np.array([0, 2])), ids=[3, bad])
    with pytest.raises(ValueError, match=rf"got token id {bad}"):
        merge_ngrams(winners, 0, np.ones(tables.layout.features))


@pytest.mark.parametrize("offsets", [[1, 2], [0, 2, 1, 2], [0, 3], [0, -1, 2], []])
def test_offsets_that_do_not_belong_to_the_ids_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets: got"):
        find_winners(fold(make_model()).tables, np.array([3, 4], np.int32), np.array(offsets, np.int64))


@pytest.mark.parametrize("start", [2, 2**31 - 1, -5, -(2**31) + 1])
def test_windows_outside_the_text_are_refused(start: int) -> None:
    tables = fold(make_model(kernel_sizes=[3])).tables
    winners = find_winners(tables, np.array([3, 4], np.int32), np.array([0, 2]))
    starts = winners.start.copy()
    starts[0, 1] = start
    features = np.ones_like(winners.features)
    with pytest.raises(ValueError, match=f"got a window at token {start} of 2; expected one that reads a token"):
        merge_ngrams(changed(winners, start=starts, features=features), 0, np.ones(tables.layout.features))


@pytest.mark.parametrize("row", [-1, VOCAB_SIZE + 1, 2**62])
def test_rows_beyond_the_table_cannot_be_tried(row: int) -> None:
    tables = fold(make_model()).tables
    features, columns = tables.layout.features, tables.layout.columns
    base, rest = np.zeros((1, features), np.float32), np.zeros((1, columns), np.float32)
    functions, least = np.ones((1, features), np.float32), np.zeros((1, 1), np.float32)
    replaceable, vocabulary = np.ones(1, np.uint8), np.array([row], np.int64)
    code = library.library().textcnn_least_of_tokens(
        tables.handle, address(vocabulary), 1, 1, address(base), address(rest), address(replaceable),
        address(functions), 1, 0, 1, address(least),
    )  # fmt: skip
    with pytest.raises(ValueError, match=f"vocabulary: got row {row}; expected 0 to {VOCAB_SIZE}"):
        library.check(code)


def changed(winners: Winners, **parts: Any) -> Winners:
    """Winners with other parts, which the core must refuse."""
    fields = {name: getattr(winners, name) for name in Winners.__dataclass_fields__}
    fields |= {name: np.array(values, dtype=fields[name].dtype) for name, values in parts.items()}
    return Winners(**fields)
