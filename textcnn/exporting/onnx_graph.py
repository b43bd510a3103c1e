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
from .onnx_bag import bag_logits
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
    """Return an onnx.ModelProto of a model.

    It maps input_ids [B, T] and attention_mask [B, T] to logits [B, C], divided by the temperature.

    T may be 0, and pads may stand anywhere, as in the torch model.

    Args:
        model: A TextCNNForSequenceClassification.
        int8: Keep embedding, convolutions and head in 8 bits, with one scale a row; sums stay in float32.
    """
    from onnx import helper

    config: TextCNNConfig = model.config
    graph = Graph(int8)
    ids, real = _with_one_column(graph, config.pad_token_id)
    ids, real, length = _start_at_first_token(graph, ids, real)
    bias = graph.weight("head.bias", as_array(model.head.bias) / np.float32(config.temperature))
    logits = bias
    if config.kernel_sizes:
        pooled = _encoded(graph, model, ids, real, length)
        weight = graph.filters("head.weight", as_array(model.head.mean_weight) / np.float32(config.temperature))
        logits = graph.add("Gemm", pooled, weight, bias, transB=1, name="logits" if model.bag is None else None)
    if model.bag is not None:
        graph.add("Add", bag_logits(graph, config, model.bag, ids, real), logits, name="logits")
    sizes = ["batch", "length"]
    inputs = [helper.make_tensor_value_info(name, INT64, sizes) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", FLOAT, ["batch", config.num_logits])]
    return helper.make_model(
        helper.make_graph(graph.nodes, "textcnn", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="textcnn",
    )


def _encoded(graph: Graph, model: Any, ids: str, real: str, length: str) -> str:
    """Return the pooled features [B, F] of the backbone, with the pooled norm."""
    config: TextCNNConfig = model.config
    if config.pooling == "segments":
        ids, real, length = _with_segments(graph, ids, real, length, config.pooling_segments)
    vectors = _vectors(graph, model.textcnn.embeddings, ids, real)
    mask = graph.add("Unsqueeze", graph.add("Cast", real, to=FLOAT), graph.constant([1]))
    pooled, found = _features(graph, config, model.textcnn.convolution, vectors, mask, length)
    if config.pooling == "segments":
        # [(1 + S) B, F], block after block -> [B, (1 + S) F].
        blocks = graph.add("Reshape", pooled, graph.constant([config.pooled_blocks, -1, sum(config.filters)]))
        flipped = graph.add("Transpose", blocks, perm=[1, 0, 2])
        pooled = graph.add("Reshape", flipped, graph.constant([-1, config.hidden_size]))
    if model.textcnn.pooled_norm is not None:
        normed = graph.layer_norm(pooled, "pooled_norm", model.textcnn.pooled_norm)
        # A text without any window answers with the head's bias: its features stay 0.
        windows = graph.add("Sum", *(graph.add("Cast", exists, to=FLOAT) for exists in found))
        zero = graph.constant(0, np.float32)
        pooled = graph.add("Where", graph.add("Greater", windows, zero), normed, zero)
    return pooled


def _with_one_column(graph: Graph, pad: int) -> tuple[str, str]:
    """The inputs as ids and real [B, T + 1]."""
    # One column of padding more, so that there is a column where T is 0.
    one_more = graph.constant([0, 0, 0, 1])
    ids = graph.add("Pad", "input_ids", one_more, graph.constant(pad))
    mask = graph.add("Pad", "attention_mask", one_more, graph.constant(0))
    # A text may spell the padding token out; tables know it as padding only.
    is_token = graph.add("Not", graph.add("Equal", ids, graph.constant(pad)))
    return ids, graph.add("And", is_token, graph.add("Greater", mask, graph.constant(0)))


def _start_at_first_token(graph: Graph, ids: str, real: str) -> tuple[str, str, str]:
    """ids and real [B, T], every text moved to the left edge; length [B, 1], from first to last token."""
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


def _with_segments(graph: Graph, ids: str, real: str, length: str, segments: int) -> tuple[str, str, str]:
    """Texts, and below them their parts, each moved to the left edge: [(1 + S) B, T] twice, [(1 + S) B, 1]."""
    place = graph.count_up(graph.size(ids, 1))
    rows = [(ids, real, length)]
    for part in range(segments):
        # floor(t S / L) is the part of position t: i L <= t S < (i + 1) L.
        scaled = graph.add("Mul", place, graph.constant(segments))
        begun = graph.add("Not", graph.add("Less", scaled, graph.add("Mul", length, graph.constant(part))))
        inside = graph.add("And", begun, graph.add("Less", scaled, graph.add("Mul", length, graph.constant(part + 1))))
        rows.append(_start_at_first_token(graph, ids, graph.add("And", real, inside)))
    ids, real, length = (graph.add("Concat", *parts, axis=0) for parts in zip(*rows, strict=True))
    return ids, real, length


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
    if config.num_experts > 1:
        return _experts(graph, config, backbone, vectors, mask, length)
    return _bank(graph, config, backbone, vectors, mask, length, "")


def _experts(
    graph: Graph, config: TextCNNConfig, backbone: Any, vectors: str, mask: str, length: str
) -> tuple[str, list[str]]:
    """Features [B, X F] of all banks, times their gates. Every bank is computed for every text."""
    banks, axis = config.num_experts, graph.constant([2])
    count = graph.add("Max", graph.add("ReduceSum", mask, axis, keepdims=0), graph.constant(1, np.float32))
    mean = graph.add("Div", graph.add("ReduceSum", vectors, axis, keepdims=0), count)
    weight = graph.weight("router.weight", as_array(backbone.router.weight))
    logits = graph.add("Gemm", mean, weight, graph.weight("router.bias", as_array(backbone.router.bias)), transB=1)
    probabilities = graph.add("Softmax", logits, axis=1)
    best, order = graph.add_two("TopK", probabilities, graph.constant([config.experts_per_text]), axis=1)
    gates = graph.add(
        "ScatterElements", graph.add("Mul", probabilities, graph.constant(0, np.float32)), order, best, axis=1
    )
    features, found = [], []
    for number, bank in enumerate(backbone.banks):
        feature, exists = _bank(graph, config, bank, vectors, mask, length, f"banks.{number}.")
        gate = graph.add("Gather", gates, graph.constant([number]), axis=1)
        features.append(graph.add("Mul", feature, gate))
        found += exists
    return graph.add("Concat", *features, axis=1), found[: len(found) // banks]


def _bank(
    graph: Graph, config: TextCNNConfig, backbone: Any, vectors: str, mask: str, length: str, prefix: str
) -> tuple[str, list[str]]:
    if config.backbone != "parallel":
        feature, exists = {"dilated": dilated, "pyramid": pyramid}[config.backbone](graph, backbone, vectors, mask)
        return feature, [exists]
    widths = [
        _pooled(graph, config, f"{prefix}convs.{i}", convolution, vectors, mask, length)
        for i, convolution in enumerate(backbone.convs)
    ]
    maxima, means, found = zip(*widths, strict=True)
    features = [*maxima, *means] if config.pooling == "max_mean" else maxima
    return graph.add("Concat", *features, axis=1), list(found)


def _pooled(
    graph: Graph, config: TextCNNConfig, name: str, convolution: Any, vectors: str, mask: str, length: str
) -> tuple[str, str, str]:
    """Maxima [B, F] of one width, their means [B, F] if those are wanted, and [B, 1] whether a text has a window."""
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
    zero = graph.constant(0, np.float32)
    feature = graph.add("Where", exists, graph.add(operator, best, **attributes), zero)
    if config.pooling != "max_mean":
        return feature, "", exists
    axis = graph.constant([2])
    active = graph.add("Where", counts, graph.add(operator, maps, **attributes), zero)
    windows = graph.add("ReduceSum", graph.add("Cast", counts, to=FLOAT), axis, keepdims=0)
    windows = graph.add("Max", windows, graph.constant(1, np.float32))
    return feature, graph.add("Div", graph.add("ReduceSum", active, axis, keepdims=0), windows), exists
