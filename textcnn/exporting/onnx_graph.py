"""The network as an ONNX graph: token ids and a mask of any size to logits, equal to torch up to rounding.

The graph is written node by node: it is small, it depends on the configuration only, and no size in it is that of an
example (tracing froze lengths, and took seconds).

Shapes: `B` texts, `T` tokens with padding, `V` vocabulary, `D` vector size, `F` filters, `W` width, `K` windows,
`C` classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model import TextCNNConfig
from ..model.ngram_max import window_padding
from .onnx_backbones import dilated, pyramid
from .onnx_nodes import FLOAT, INT64, Graph, as_array

OPSET = 18
IR_VERSION = 9
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
    "identity": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "softplus": ("Softplus", {}),
}


def onnx_graph(model: Any, int8: bool = False) -> Any:
    """An onnx.ModelProto: input_ids [B, T] and attention_mask [B, T] -> logits [B, C], divided by the temperature.

    T may be 0, and pads may stand anywhere, as in the torch model.

    Args:
        model: A TextCNNForSequenceClassification.
        int8: Keep embedding, convolutions and head in 8 bits, with one scale a row; sums stay in float32.
    """
    from onnx import helper

    config: TextCNNConfig = model.config
    graph = Graph(int8)
    ids, real, length = _start_at_first_token(graph, config.pad_token_id)
    vectors = _vectors(graph, model.textcnn.embeddings, ids, real)
    mask = graph.add("Unsqueeze", graph.add("Cast", real, to=FLOAT), graph.constant([1]))
    pooled, found = _features(graph, config, model.textcnn.convolution, vectors, mask, length)
    if model.textcnn.pooled_norm is not None:
        normed = graph.layer_norm(pooled, "pooled_norm", model.textcnn.pooled_norm)
        # A text without any window answers with the head's bias: its features stay 0.
        windows = graph.add("Sum", *(graph.add("Cast", exists, to=FLOAT) for exists in found))
        zero = graph.constant(0, np.float32)
        pooled = graph.add("Where", graph.add("Greater", windows, zero), normed, zero)
    weight = graph.filters("head.weight", as_array(model.head.mean_weight) / np.float32(config.temperature))
    bias = graph.weight("head.bias", as_array(model.head.bias) / np.float32(config.temperature))
    graph.add("Gemm", pooled, weight, bias, transB=1, name="logits")
    sizes = ["batch", "length"]
    inputs = [helper.make_tensor_value_info(name, INT64, sizes) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", FLOAT, ["batch", config.num_labels])]
    return helper.make_model(
        helper.make_graph(graph.nodes, "textcnn", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="textcnn",
    )


def _start_at_first_token(graph: Graph, pad: int) -> tuple[str, str, str]:
    """ids and real [B, T], every text moved to the left edge; length [B, 1], from first to last token."""
    # One column of padding more, so that there is a column where T is 0.
    one_more = graph.constant([0, 0, 0, 1])
    ids = graph.add("Pad", "input_ids", one_more, graph.constant(pad))
    real = graph.add("Greater", graph.add("Pad", "attention_mask", one_more, graph.constant(0)), graph.constant(0))
    columns = graph.size(ids, 1)
    place = graph.count_up(columns)
    ends = []
    for operator, otherwise in (("ReduceMin", columns), ("ReduceMax", graph.constant(-1))):
        ends.append(graph.add(operator, graph.add("Where", real, place, otherwise), graph.constant([1]), keepdims=1))
    first, last = ends
    length = graph.add("Add", graph.add("Sub", last, first), graph.constant(1))
    at = graph.add("Min", graph.add("Add", first, place), graph.add("Sub", columns, graph.constant(1)))
    ids = graph.add("GatherElements", ids, at, axis=1)
    real = graph.add("GatherElements", real, at, axis=1)
    return ids, graph.add("And", real, graph.add("Less", place, length)), length


def _vectors(graph: Graph, embeddings: Any, ids: str, real: str) -> str:
    """[B, D, T] vectors, zero at pads and holes."""
    channels = [
        graph.look_up(f"embeddings.{i}", as_array(channel.weight), ids) for i, channel in enumerate(embeddings.channels)
    ]
    vectors = channels[0] if len(channels) == 1 else _side_by_side(graph, channels, embeddings.num_members)
    if embeddings.norm is not None:
        vectors = graph.layer_norm(vectors, "embedding_norm", embeddings.norm)
    inside = graph.add("Unsqueeze", real, graph.constant([2]))
    vectors = graph.add("Where", inside, vectors, graph.constant(0, np.float32))
    return graph.add("Transpose", vectors, perm=[0, 2, 1])


def _side_by_side(graph: Graph, channels: list[str], members: int) -> str:
    """[B, T, M * K * D] of K channels [B, T, M * D]: of each member all channels."""
    apart = graph.constant([0, 0, members, -1])
    merged = graph.add("Concat", *(graph.add("Reshape", channel, apart) for channel in channels), axis=3)
    return graph.add("Reshape", merged, graph.constant([0, 0, -1]))


def _features(
    graph: Graph, config: TextCNNConfig, backbone: Any, vectors: str, mask: str, length: str
) -> tuple[str, list[str]]:
    """Features [B, F], and for each width [B, 1] whether a text has a window of it."""
    if config.backbone != "parallel":
        feature, exists = {"dilated": dilated, "pyramid": pyramid}[config.backbone](graph, backbone, vectors, mask)
        return feature, [exists]
    widths = [
        _pooled(graph, config, f"convs.{i}", convolution, vectors, mask, length)
        for i, convolution in enumerate(backbone.convs)
    ]
    features, found = zip(*widths, strict=True)
    return graph.add("Concat", *features, axis=1), list(found)


def _pooled(
    graph: Graph, config: TextCNNConfig, name: str, convolution: Any, vectors: str, mask: str, length: str
) -> tuple[str, str]:
    """Features [B, F] of one width, and [B, 1] whether a text has a window of that width."""
    width = convolution.kernel_size[0]
    span = (width - 1) * config.dilation
    left, right = window_padding(width, config.dilation, config.padding)
    # Room for one window at least, so that K is never 0; windows beyond the text are masked.
    room = max(0, span - left - right)
    steps: dict[str, Any] = {"strides": [config.stride], "dilations": [config.dilation], "pads": [left, right + room]}
    weight = graph.filters(f"{name}.weight", as_array(convolution.weight))
    bias = graph.weight(f"{name}.bias", as_array(convolution.bias))
    maps = graph.add("Conv", vectors, weight, bias, group=config.num_members, **steps)
    tokens = graph.add("Conv", mask, graph.constant(np.ones((1, 1, width)), np.float32), **steps)
    starts = graph.add("Mul", graph.count_up(graph.size(maps, 2)), graph.constant(config.stride))
    ends = graph.add("Add", starts, graph.constant(span - left))
    fits = graph.add("Less", ends, graph.add("Add", length, graph.constant(right)))
    fits = graph.add("Unsqueeze", fits, graph.constant([1]))
    counts = graph.add("And", graph.add("Greater", tokens, graph.constant(0, np.float32)), fits)
    candidates = graph.add("Where", counts, maps, graph.constant(-np.inf, np.float32))
    best = graph.add("ReduceMax", candidates, graph.constant([2]), keepdims=0)
    found = graph.add("ReduceMax", graph.add("Cast", counts, to=FLOAT), graph.constant([2]), keepdims=0)
    exists = graph.add("Greater", found, graph.constant(0, np.float32))
    operator, attributes = _ACTIVATIONS[config.activation]
    feature = graph.add("Where", exists, graph.add(operator, best, **attributes), graph.constant(0, np.float32))
    return feature, exists
