"""The ONNX graph in ONNX Runtime against the torch model of the same weights, at every size and axis."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from folded_models import CONFIGS, VOCAB_SIZE, make_model

from textcnn.exporting.onnx_graph import onnx_graph
from textcnn.exporting.onnx_nodes import round_rows

POOLINGS = [
    {"pooling": "segments"},
    {"pooling": "segments", "pooling_segments": 7, "padding": "valid", "dilation": 2},
    {"pooling": "segments", "padding": "same", "stride": 3, "num_members": 2},
    {"pooling": "max_mean"},
    {"pooling": "max_mean", "padding": "same", "stride": 3, "activation": "softplus", "num_members": 2},
]
DEEP = [
    {"backbone": "pyramid"},
    {"backbone": "pyramid", "squeeze_excitation": True, "num_blocks": 2, "temperature": 2.5},
    {"backbone": "dilated"},
    {"backbone": "dilated", "squeeze_excitation": True, "pooled_norm": True, "embedding_norm": True},
]
LENGTHS = (0, 1, 3, 40, 2000)


def session(model, int8: bool = False):
    graph = onnx_graph(model, int8)
    onnx.checker.check_model(graph, full_check=True)
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def masks(length: int) -> dict[str, np.ndarray]:
    """Where real tokens are in three texts: everywhere, and with pads at the right, at the left, inside, everywhere."""
    rng = np.random.default_rng(length)
    full = np.ones((3, length), dtype=np.int64)
    lengths = np.array([[length], [length // 2], [0]])
    right = (np.arange(length) < lengths).astype(np.int64)
    return {"none": full, "right": right, "left": right[:, ::-1].copy(), "inside": rng.integers(0, 2, full.shape)}


def difference(model, run, ids, mask) -> float:
    with torch.no_grad():
        wanted = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()
    (got,) = run.run(["logits"], {"input_ids": ids, "attention_mask": mask})
    assert got.shape == wanted.shape
    return float(np.abs(got - wanted).max(initial=0))


@pytest.mark.parametrize("axes", [*CONFIGS.values(), *POOLINGS], ids=[*CONFIGS, *map(str, POOLINGS)])
def test_logits_equal_torch(axes):
    model = make_model(**axes)
    with torch.no_grad():
        # Weights of the size that training leaves, so that the bound says something of logits as they are.
        for layer in (model.head, *model.textcnn.convolution.convs):
            layer.weight.div_(layer.weight[0].numel() ** 0.5)
        if model.bag is not None:
            model.bag.rows.weight.div_(10)
    run = session(model)
    rng = np.random.default_rng(0)
    for length in LENGTHS:
        ids = rng.integers(1, VOCAB_SIZE, (3, length))
        for where, mask in masks(length).items():
            assert difference(model, run, ids, mask) < 1e-5, (length, where)


@pytest.mark.parametrize("axes", DEEP, ids=str)
@pytest.mark.parametrize("int8", [False, True])
def test_logits_of_deep_backbones_equal_torch(axes, int8):
    model = make_model(num_filters=8, **axes)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.div_(parameter[0].numel() ** 0.5)
                if int8:  # as what is stored in 8 bits
                    rounded, scale = round_rows(parameter.numpy())
                    parameter.copy_(torch.from_numpy(rounded * scale.reshape(-1, *[1] * (parameter.ndim - 1))))
    run = session(model, int8)
    rng = np.random.default_rng(0)
    for length in (0, 1, 2, 3, 5, 40, 301):
        ids = rng.integers(1, VOCAB_SIZE, (3, length))
        for where, mask in masks(length).items():
            assert difference(model, run, ids, mask) < 2e-5, (length, where)


def test_sizes_are_free():
    run = session(make_model())
    assert [(value.name, value.shape) for value in run.get_inputs()] == [
        ("input_ids", ["batch", "length"]),
        ("attention_mask", ["batch", "length"]),
    ]
    assert [(value.name, value.shape) for value in run.get_outputs()] == [("logits", ["batch", 3])]
    for shape in ((0, 0), (0, 7), (1, 1), (5, 0), (17, 9)):
        ones = np.ones(shape, dtype=np.int64)
        assert run.run(None, {"input_ids": ones, "attention_mask": ones})[0].shape == (shape[0], 3)


def test_equal_widths_are_distinct_convolutions():
    model = make_model(kernel_sizes=[3, 3])
    ids = np.arange(1, 13)[None]
    assert difference(model, session(model), ids, np.ones_like(ids)) < 1e-5


@pytest.mark.parametrize("name", ["default", "multichannel", "embedding-norm", "pooled-norm", "dilation", "stride"])
def test_int8_is_near(name):
    model = make_model(**CONFIGS[name])
    ids = np.random.default_rng(1).integers(1, VOCAB_SIZE, (20, 30))
    with torch.no_grad():
        spread = model(torch.from_numpy(ids)).logits.std().item()
    off = difference(model, session(model, int8=True), ids, np.ones_like(ids))
    assert 0 < off < 0.1 * spread


def test_int8_weights_are_int8():
    graph = onnx_graph(make_model(variant="multichannel"), int8=True)
    kinds = {weight.name: weight.data_type for weight in graph.graph.initializer}
    for name in ("embeddings.0", "embeddings.1", "convs.0.weight", "head.weight"):
        assert kinds[f"{name}.int8"] == onnx.TensorProto.INT8
        assert name not in kinds


def test_round_rows_is_within_half_a_step():
    values = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    values[2] = 0
    rounded, scale = round_rows(values)
    assert np.abs(rounded).reshape(6, -1).max(axis=1).tolist() == [127, 127, 0, 127, 127, 127]
    assert (np.abs(rounded * scale[:, None, None] - values) <= scale[:, None, None] * 0.5001).all()
