"""Pooled values and logits of the folded tables against torch's own convolution, with every set of instructions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import (
    CONFIGS,
    CONVOLUTIONS,
    INSTRUCTIONS,
    MEANS,
    VOCAB_SIZE,
    flat,
    id_lists,
    make_model,
    reference_logits,
    word_tokenizer,
)
from numpy.testing import assert_allclose

from textcnn.core import library
from textcnn.folding.fold import fold
from textcnn.folding.quantize import largest_sums, measure_error, quantize
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.runtime.layout import Layout
from textcnn.runtime.tables import Tables

ALL = {**CONFIGS, **MEANS}


@pytest.mark.parametrize("name", ALL)
def test_float32_logits_are_those_of_conv1d(name: str) -> None:
    model = make_model(**ALL[name])
    folded = fold(model)
    texts = id_lists()
    wanted = np.array([reference_logits(model, ids) for ids in texts])
    for instructions in INSTRUCTIONS:
        with library.instructions_of(instructions):
            assert_allclose(folded.logits_of_ids(*flat(texts)), wanted, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("name", ALL)
def test_the_model_itself_gives_the_same_logits(name: str) -> None:
    model = make_model(**ALL[name])
    texts = id_lists()
    padded = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
    for row, ids in enumerate(texts):
        padded[row, : len(ids)] = torch.tensor(ids)
    with torch.inference_mode():
        wanted = model(padded).logits.numpy()
    # Logits of 849 filters are sums of terms of some hundreds, which torch rounds too, by CPU in its own order.
    assert_allclose(fold(model).logits_of_ids(*flat(texts)), wanted, rtol=1e-5, atol=4e-4)


@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if "pooled-norm" not in name])
def test_int8_features_are_within_half_a_step_a_row(name: str) -> None:
    # Each of a window's W terms is off by at most half a step, and a maximum by no more than its terms.
    # The activations that are not covered by a slope of at most 1 do not exist.
    model = make_model(**CONFIGS[name])
    exact, rounded = fold(model), fold(model, int8=True)
    bound = rounded.tables.scale * rounded.tables.layout.width_of_features() / 2
    arguments = flat(id_lists())
    difference = np.abs(exact.features_of_ids(*arguments) - rounded.features_of_ids(*arguments))
    assert (difference <= bound * 1.001 + 1e-5).all()
    assert difference.max() > 0


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 13, 100])
def test_int8_sums_cannot_overflow(width: int) -> None:
    # Every term of one filter is the largest there is at its offset, so that the sum is the largest there can be.
    model = make_model(kernel_sizes=[width], num_filters=3)
    exact = fold(model)
    layout = Layout.of(exact.config, np.dtype(np.int8))
    rounded = quantize(dict(exact.tensors), exact.config)
    levels = [rounded["table"][:, layout.widths[0].columns(j)].astype(int) for j in range(width)]
    largest = np.sum([level.max(axis=0) for level in levels], axis=0)
    smallest = np.sum([level.min(axis=0) for level in levels], axis=0)
    assert (largest <= 127).all()
    assert (smallest >= -128).all()
    # The range is used: a scale ten times as coarse would pass the above.
    assert (np.maximum(largest, -smallest) > 127 - width - 1).all()


@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_int8_sums_beyond_those_of_the_texts_stay_at_the_end_of_the_range(instructions: str) -> None:
    model = make_model(kernel_sizes=[3], num_filters=40)
    exact = fold(model)
    typical = largest_sums(dict(exact.tensors), exact.config, *flat(id_lists())) / 2
    folded = FoldedTextCNN(exact.config, quantize(dict(exact.tensors), exact.config, typical), None)
    wanted = exact.features_of_ids(*flat(id_lists()))
    with library.instructions_of(instructions):
        got = folded.features_of_ids(*flat(id_lists()))
    limit = 127 * folded.tensors["scale"] + exact.tensors["bias"]
    assert (wanted > limit * 1.2).any()
    assert (got <= np.maximum(limit, 0) * 1.001).all()
    # What wraps round comes out at the other end: a large feature would be 0.
    assert (got[wanted > limit * 1.2] > 0.8 * np.broadcast_to(limit, got.shape)[wanted > limit * 1.2]).all()


def test_int8_scale_follows_the_sums_of_enough_texts() -> None:
    model, tokenizer = make_model(), word_tokenizer()
    texts = [f"w{i % 40 + 2} w{i % 7 + 2} w{i % 11 + 2}" for i in range(1000)]
    few, many = (fold(model, tokenizer, int8=True, texts=some) for some in (texts[:10], texts))
    assert (few.tensors["scale"] == fold(model, int8=True).tensors["scale"]).all()
    assert (many.tensors["scale"] <= few.tensors["scale"]).all()
    assert (many.tensors["scale"] < 0.9 * few.tensors["scale"]).any()
    finer = json.loads(many.metadata["int8_error"])
    coarser = measure_error(fold(model, tokenizer), few, texts)
    assert finer["mean_probability_difference"] < coarser["mean_probability_difference"]


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_every_set_of_instructions_gives_the_same_bytes(name: str, int8: bool) -> None:
    folded = fold(make_model(**ALL[name]), int8=int8)
    texts = flat(id_lists())
    with library.instructions_of("plain"):
        features, logits = folded.features_of_ids(*texts), folded.logits_of_ids(*texts)
    for instructions in INSTRUCTIONS:
        with library.instructions_of(instructions):
            assert (folded.features_of_ids(*texts) == features).all()
            assert (folded.logits_of_ids(*texts) == logits).all()


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if "pooled-norm" not in name])
def test_texts_around_the_ends_of_buffers_have_the_features_of_their_best_windows(name: str, int8: bool) -> None:
    model = make_model(**CONFIGS[name])
    folded = fold(model, int8=int8)
    rng = np.random.default_rng(1)
    # Around the ends of a stretch of windows, of the longest text that is pooled at once, and of the buffer.
    lengths = [*range(1, 20), *range(58, 75), 127, 128, 129, 200, 2047, 2048, 2049]
    texts = [rng.integers(1, VOCAB_SIZE, length).tolist() for length in lengths]
    activation = model.textcnn.convolution.activation
    wanted = np.array([features_by_window(folded.tables, text, activation) for text in texts])
    assert_allclose(folded.features_of_ids(*flat(texts)), wanted, rtol=1e-5, atol=2e-5)


def features_by_window(tables: Tables, ids: list[int], activation: Any) -> np.ndarray:
    """Features [F] of one text without padding: every window added up in numpy."""
    rows, values = tables.row_of_id[ids], []
    for own in tables.layout.widths:
        span = (own.width - 1) * tables.dilation
        padded = np.concatenate([np.full(own.left, tables.hole), rows, np.full(own.right, tables.hole)])
        starts = np.arange(0, len(padded) - span, tables.stride)
        read = padded[starts[:, None] + tables.dilation * np.arange(own.width)]
        read = read[(read != tables.hole).any(axis=1)]
        sums = np.zeros((len(read), own.filters), dtype=np.float32)
        for j in range(own.width):
            sums += tables.table[read[:, j], own.columns(j)]
            if tables.is_int8:
                sums = np.clip(sums, -128, 127)
        if not len(read):
            values.append(np.zeros(own.filters, dtype=np.float32))
            continue
        best = torch.from_numpy(sums.max(axis=0) * tables.scale[own.features] + tables.bias[own.features])
        values.append(activation(best).numpy())
    return np.concatenate(values)


def test_an_empty_text_answers_with_the_bias_of_the_head() -> None:
    for changes in CONFIGS.values():
        model = make_model(**changes)
        logits = fold(model).logits_of_ids(*flat([[]]))
        assert_allclose(logits[0], model.head.bias.detach().numpy() / model.config.temperature, rtol=1e-6)


def test_the_batch_does_not_change_an_answer() -> None:
    folded = fold(make_model(pooled_norm=True, padding="same", kernel_sizes=[2, 6]))
    texts = id_lists()
    together = folded.logits_of_ids(*flat(texts))
    alone = np.concatenate([folded.logits_of_ids(*flat([ids])) for ids in texts])
    assert (together == alone).all()
