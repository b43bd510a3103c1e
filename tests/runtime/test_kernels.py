"""Pooled values and logits of the kernels against torch's own convolution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from folded_models import CONFIGS, VOCAB_SIZE, flat, id_lists, make_model, reference_logits, word_tokenizer
from llvmlite.binding import get_host_cpu_features
from numpy.testing import assert_allclose

from textcnn.fold import fold
from textcnn.quantize import largest_sums, measure_error, quantize
from textcnn.runtime import kernels
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.runtime.layout import Layout
from textcnn.runtime.vector_ops import has_wide_vectors


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_logits_are_those_of_conv1d(name: str) -> None:
    model = make_model(**CONFIGS[name])
    folded = fold(model)
    texts = id_lists()
    got = folded.logits_of_ids(*flat(texts))
    wanted = np.array([reference_logits(model, ids) for ids in texts])
    assert_allclose(got, wanted, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_model_itself_gives_the_same_logits(name: str) -> None:
    import torch

    model = make_model(**CONFIGS[name])
    texts = id_lists()
    padded = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
    for row, ids in enumerate(texts):
        padded[row, : len(ids)] = torch.tensor(ids)
    with torch.inference_mode():
        wanted = model(padded).logits.numpy()
    # Logits of 849 filters are sums of terms of some hundreds, which torch rounds too, by CPU in its own order.
    assert_allclose(fold(model).logits_of_ids(*flat(texts)), wanted, rtol=1e-5, atol=4e-4)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in ("pooled-norm", "pooled-norm-valid")])
def test_int8_features_are_within_half_a_step_a_row(name: str) -> None:
    # Each of a window's W terms is off by at most half a step, and a maximum by no more than its terms.
    # The activations that are not covered by a slope of at most 1 do not exist.
    model = make_model(**CONFIGS[name])
    exact, rounded = fold(model), fold(model, int8=True)
    widths = np.repeat(model.config.kernel_sizes, model.config.filters)
    bound = rounded._tensors["scale"] * widths / 2
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
    rounded = quantize(exact._tensors, exact.config)
    levels = [rounded["table"][:, layout.columns_of(0, j)].astype(int) for j in range(width)]
    largest = np.sum([level.max(axis=0) for level in levels], axis=0)
    smallest = np.sum([level.min(axis=0) for level in levels], axis=0)
    assert (largest <= 127).all()
    assert (smallest >= -128).all()
    # The range is used: a scale ten times as coarse would pass the above.
    assert (np.maximum(largest, -smallest) > 127 - width - 1).all()


def test_int8_sums_beyond_those_of_the_texts_stay_at_the_end_of_the_range() -> None:
    model = make_model(kernel_sizes=[3], num_filters=40)
    exact = fold(model)
    typical = largest_sums(exact._tensors, exact.config, *flat(id_lists())) / 2
    folded = FoldedTextCNN(exact.config, quantize(exact._tensors, exact.config, typical), None)
    wanted = exact.features_of_ids(*flat(id_lists()))
    got = folded.features_of_ids(*flat(id_lists()))
    limit = 127 * folded._tensors["scale"] + exact._tensors["bias"]
    assert (wanted > limit * 1.2).any()
    assert (got <= np.maximum(limit, 0) * 1.001).all()
    # What wraps round comes out at the other end: a large feature would be 0.
    assert (got[wanted > limit * 1.2] > 0.8 * np.broadcast_to(limit, got.shape)[wanted > limit * 1.2]).all()


def test_int8_scale_follows_the_sums_of_enough_texts() -> None:
    model, tokenizer = make_model(), word_tokenizer()
    texts = [f"w{i % 40 + 2} w{i % 7 + 2} w{i % 11 + 2}" for i in range(1000)]
    few, many = (fold(model, tokenizer, int8=True, texts=some) for some in (texts[:10], texts))
    assert (few._tensors["scale"] == fold(model, int8=True)._tensors["scale"]).all()
    assert (many._tensors["scale"] <= few._tensors["scale"]).all()
    assert (many._tensors["scale"] < 0.9 * few._tensors["scale"]).any()
    finer = json.loads(many.metadata["int8_error"])
    coarser = measure_error(fold(model, tokenizer), few, texts)
    assert finer["mean_probability_difference"] < coarser["mean_probability_difference"]


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_texts_that_are_pooled_at_once_have_the_features_of_texts_pushed_in_pieces(name: str, int8: bool) -> None:
    folded = fold(make_model(**CONFIGS[name]), int8=int8)
    rng = np.random.default_rng(1)
    # Around the ends of a stretch of windows, of the longest text that is pooled at once, and of the buffer.
    lengths = [*range(1, 20), *range(58, 75), 127, 128, 129, 200, 2047, 2048, 2049]
    texts = [rng.integers(1, VOCAB_SIZE, length).tolist() for length in lengths]
    got = folded.features_of_ids(*flat(texts))
    row_of_id, table, plan, dilation, stride, scale, bias, *rest = folded._operands
    hole = (len(table) - 1) * table.strides[0]
    state = kernels.new_state(plan, dilation, table)
    _, _, found, maxima, _ = state
    wanted = np.empty_like(got)
    for n, text in enumerate(texts):
        kernels.begin_text(state, plan, hole)
        for begin in range(0, len(text), 50):
            ids = np.array(text[begin : begin + 50], dtype=np.int32)
            kernels.push_tokens(ids, 0, len(ids), row_of_id, table, state, plan, dilation, stride, hole)
        kernels.end_text(table, state, plan, dilation, stride, hole)
        kernels.finish_features(found, maxima, plan, scale, bias, *rest[:4], wanted, n)
    assert (got == wanted).all()


FEATURES_OF_CONFIGS = """
import sys
import numpy as np
from folded_models import CONFIGS, flat, id_lists, make_model
from textcnn.fold import fold
from textcnn.runtime.vector_ops import has_wide_vectors
found = {"wide": np.array(has_wide_vectors())}
for name in ("all-blocks", "all-blocks-wide", "many-filters"):
    for int8 in (False, True):
        found[f"{name} {int8}"] = fold(make_model(**CONFIGS[name]), int8=int8).features_of_ids(*flat(id_lists()))
np.savez(sys.argv[1], **found)
"""


@pytest.mark.skipif(not has_wide_vectors(), reason="this CPU has vectors of 32 bytes only")
def test_vectors_of_32_bytes_give_the_same_features(tmp_path: Path) -> None:
    features = get_host_cpu_features()
    plain = ",".join(part for part in features.flatten().split(",") if "avx512" not in part)
    found = []
    for name, settings in (("wide", {}), ("narrow", {"NUMBA_CPU_FEATURES": plain, "NUMBA_CPU_NAME": "generic"})):
        environment = {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(sys.path)}
        path = tmp_path / f"{name}.npz"
        subprocess.run([sys.executable, "-c", FEATURES_OF_CONFIGS, str(path)], check=True, env=environment)
        with np.load(path) as file:
            found.append(dict(file))
    wide, narrow = found
    assert (wide.pop("wide"), narrow.pop("wide")) == (True, False)
    for name, values in wide.items():
        assert (values == narrow[name]).all()


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
