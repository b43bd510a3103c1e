"""The network as an ONNX graph: token ids and a mask of any size to logits, equal to torch up to rounding.

The graph is written node by node: it is small, it depends on the configuration only, and no size in it is that of an
example (tracing froze lengths, and took seconds). Operators: https://onnx.ai/onnx/operators/.

Shapes: `B` texts, `T` tokens with padding, `V` vocabulary, `D` vector size, `F` filters, `W` width, `K` windows,
`C` classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import TextCNNConfig
from ..model.ngram_max import window_padding
from .onnx_bag import bag_logits

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


class _Graph:
    """Nodes and weights as they are added; a value is known by its name."""

    def __init__(self, int8: bool) -> None:
        self.int8 = int8
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, name: str, values: Any) -> str:
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def constant(self, values: Any, dtype: Any = np.int64) -> str:
        array = np.asarray(values, dtype=dtype)
        key = (array.shape, array.dtype.str, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def filters(self, name: str, values: NDArray[np.float32]) -> str:
        """A weight whose first axis is that of its outputs, in 8 bits if they are wanted: one scale an output."""
        if not self.int8:
            return self.weight(name, values)
        rounded, scale = round_rows(values)
        operands = self.weight(f"{name}.int8", rounded), self.weight(f"{name}.scale", scale)
        return self.add("DequantizeLinear", *operands, name=name, axis=0)

    def look_up(self, name: str, table: NDArray[np.float32], ids: str) -> str:
        """Rows of a table [V, D], kept in 8 bits if they are wanted: one scale a row."""
        if not self.int8:
            return self.add("Gather", self.weight(name, table), ids, axis=0)
        rounded, scale = round_rows(table)
        rows = self.add("Gather", self.weight(f"{name}.int8", rounded), ids, axis=0)
        scales = self.add("Gather", self.weight(f"{name}.scale", scale[:, None]), ids, axis=0)
        return self.add("Mul", self.add("Cast", rows, to=_FLOAT), scales)

    def layer_norm(self, values: str, name: str, norm: Any) -> str:
        weight = self.weight(f"{name}.weight", _array(norm.weight))
        bias = self.weight(f"{name}.bias", _array(norm.bias))
        return self.add("LayerNormalization", values, weight, bias, axis=-1, epsilon=norm.eps)

    def size(self, values: str, axis: int) -> str:
        """The size of an axis, as a number without axes."""
        return self.add("Squeeze", self.add("Shape", values, start=axis, end=axis + 1))

    def count_up(self, limit: str) -> str:
        return self.add("Range", self.constant(0), limit, self.constant(1))


# onnx.TensorProto.FLOAT and INT64, without importing onnx for them.
_FLOAT, _INT64 = 1, 7


def onnx_graph(model: Any, int8: bool = False) -> Any:
    """An onnx.ModelProto: input_ids [B, T] and attention_mask [B, T] -> logits [B, C], divided by the temperature.

    T may be 0, and pads may stand anywhere, as in the torch model.

    Args:
        model: A TextCNNForSequenceClassification.
        int8: Keep embedding, convolutions and head in 8 bits, with one scale a row; sums stay in float32.
    """
    from onnx import helper

    config: TextCNNConfig = model.config
    graph = _Graph(int8)
    ids, real, length = _start_at_first_token(graph, config.pad_token_id)
    bias = graph.weight("head.bias", _array(model.head.bias) / np.float32(config.temperature))
    logits = bias
    if config.kernel_sizes:
        pooled = _features(graph, model, ids, real, length)
        weight = graph.filters("head.weight", _array(model.head.mean_weight) / np.float32(config.temperature))
        logits = graph.add("Gemm", pooled, weight, bias, transB=1, name="logits" if model.bag is None else None)
    if model.bag is not None:
        graph.add("Add", bag_logits(graph, config, model.bag, ids, real), logits, name="logits")
    sizes = ["batch", "length"]
    inputs = [helper.make_tensor_value_info(name, _INT64, sizes) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("logits", _FLOAT, ["batch", config.num_labels])]
    return helper.make_model(
        helper.make_graph(graph.nodes, "textcnn", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="textcnn",
    )


def _features(graph: _Graph, model: Any, ids: str, real: str, length: str) -> str:
    """Pooled features [B, F] of the convolutions."""
    config: TextCNNConfig = model.config
    vectors = _vectors(graph, model.textcnn.embeddings, ids, real)
    mask = graph.add("Unsqueeze", graph.add("Cast", real, to=_FLOAT), graph.constant([1]))
    features, found = [], []
    for i, convolution in enumerate(model.textcnn.convolution.convs):
        feature, exists = _pooled(graph, config, f"convs.{i}", convolution, vectors, mask, length)
        features.append(feature)
        found.append(exists)
    pooled = graph.add("Concat", *features, axis=1)
    if model.textcnn.pooled_norm is not None:
        normed = graph.layer_norm(pooled, "pooled_norm", model.textcnn.pooled_norm)
        # A text without any window answers with the head's bias: its features stay 0.
        windows = graph.add("Sum", *(graph.add("Cast", exists, to=_FLOAT) for exists in found))
        zero = graph.constant(0, np.float32)
        pooled = graph.add("Where", graph.add("Greater", windows, zero), normed, zero)
    return pooled


def _start_at_first_token(graph: _Graph, pad: int) -> tuple[str, str, str]:
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


def _vectors(graph: _Graph, embeddings: Any, ids: str, real: str) -> str:
    """[B, D, T] vectors, zero at pads and holes."""
    channels = [
        graph.look_up(f"embeddings.{i}", _array(channel.weight), ids) for i, channel in enumerate(embeddings.channels)
    ]
    vectors = channels[0] if len(channels) == 1 else _side_by_side(graph, channels, embeddings.num_members)
    if embeddings.norm is not None:
        vectors = graph.layer_norm(vectors, "embedding_norm", embeddings.norm)
    inside = graph.add("Unsqueeze", real, graph.constant([2]))
    vectors = graph.add("Where", inside, vectors, graph.constant(0, np.float32))
    return graph.add("Transpose", vectors, perm=[0, 2, 1])


def _side_by_side(graph: _Graph, channels: list[str], members: int) -> str:
    """[B, T, M * K * D] of K channels [B, T, M * D]: of each member all channels."""
    apart = graph.constant([0, 0, members, -1])
    merged = graph.add("Concat", *(graph.add("Reshape", channel, apart) for channel in channels), axis=3)
    return graph.add("Reshape", merged, graph.constant([0, 0, -1]))


def _pooled(
    graph: _Graph, config: TextCNNConfig, name: str, convolution: Any, vectors: str, mask: str, length: str
) -> tuple[str, str]:
    """Features [B, F] of one width, and [B, 1] whether a text has a window of that width."""
    width = convolution.kernel_size[0]
    span = (width - 1) * config.dilation
    left, right = window_padding(width, config.dilation, config.padding)
    # Room for one window at least, so that K is never 0; windows beyond the text are masked.
    room = max(0, span - left - right)
    steps: dict[str, Any] = {"strides": [config.stride], "dilations": [config.dilation], "pads": [left, right + room]}
    weight = graph.filters(f"{name}.weight", _array(convolution.weight))
    bias = graph.weight(f"{name}.bias", _array(convolution.bias))
    maps = graph.add("Conv", vectors, weight, bias, group=config.num_members, **steps)
    tokens = graph.add("Conv", mask, graph.constant(np.ones((1, 1, width)), np.float32), **steps)
    starts = graph.add("Mul", graph.count_up(graph.size(maps, 2)), graph.constant(config.stride))
    ends = graph.add("Add", starts, graph.constant(span - left))
    fits = graph.add("Less", ends, graph.add("Add", length, graph.constant(right)))
    fits = graph.add("Unsqueeze", fits, graph.constant([1]))
    counts = graph.add("And", graph.add("Greater", tokens, graph.constant(0, np.float32)), fits)
    candidates = graph.add("Where", counts, maps, graph.constant(-np.inf, np.float32))
    best = graph.add("ReduceMax", candidates, graph.constant([2]), keepdims=0)
    found = graph.add("ReduceMax", graph.add("Cast", counts, to=_FLOAT), graph.constant([2]), keepdims=0)
    exists = graph.add("Greater", found, graph.constant(0, np.float32))
    operator, attributes = _ACTIVATIONS[config.activation]
    feature = graph.add("Where", exists, graph.add(operator, best, **attributes), graph.constant(0, np.float32))
    return feature, exists


def round_rows(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """8-bit values and a scale for each index of the first axis: rounded * scale is nearly `values`.

    Example:
        >>> round_rows(np.array([[1.0, -2.54]], dtype=np.float32))
        (array([[  50, -127]], dtype=int8), array([0.02], dtype=float32))
    """
    largest = np.abs(values).reshape(len(values), -1).max(axis=1, initial=0)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    steps = scale.reshape(-1, *[1] * (values.ndim - 1))
    return np.rint(values / steps).astype(np.int8), scale


def _array(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array
