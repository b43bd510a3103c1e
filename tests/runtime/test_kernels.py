"""Pooled values and logits of the kernels against torch's own convolution."""

from __future__ import annotations

import numpy as np
import pytest
from folded_models import CONFIGS, flat, id_lists, make_model, reference_logits
from numpy.testing import assert_allclose

from textcnn.fold import fold
from textcnn.runtime.layout import largest_level


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
    assert_allclose(fold(model).logits_of_ids(*flat(texts)), wanted, rtol=1e-5, atol=2e-4)


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


def test_int8_sums_cannot_overflow() -> None:
    assert largest_level([3, 4, 5]) == 127
    assert all(largest_level([width]) * width <= 32_767 for width in (1, 258, 259, 1000, 32_767))
    # Every term of one filter is the largest there is, in a window so wide that 127 each would overflow int16.
    model = make_model(kernel_sizes=[400], num_filters=1)
    model.textcnn.convolution.convs[0].weight.data.fill_(1.0)
    model.textcnn.embeddings.channels[0].weight.data[5] = 1.0
    texts = flat([[5] * 1000])
    exact, rounded = fold(model).features_of_ids(*texts), fold(model, int8=True).features_of_ids(*texts)
    assert_allclose(rounded, exact, rtol=0.05)


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
