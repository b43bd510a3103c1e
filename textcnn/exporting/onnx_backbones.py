"""The deep backbones as nodes of an ONNX graph; layers have the names and the order of `textcnn.model`.

Shapes: `B` texts, `T` positions, `D` vector size, `F` channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .onnx_nodes import FLOAT, Graph, as_array


def dilated(graph: Graph, backbone: Any, vectors: str, mask: str) -> tuple[str, str]:
    """Add a `DilatedConv`: vectors [B, D, T], mask [B, 1, T] -> features [B, F], whether a text has a token [B, 1]."""
    inside = graph.add("Transpose", mask, perm=[0, 2, 1])
    states = _linear(graph, "backbone.input", backbone.input, graph.add("Transpose", vectors, perm=[0, 2, 1]))
    states = graph.add("Mul", states, inside)
    for i, block in enumerate(backbone.blocks):
        name = f"backbone.blocks.{i}"
        inputs = graph.add("Mul", graph.layer_norm(states, f"{name}.norm", block.norm), inside)
        both = _conv(graph, f"{name}.conv", block.conv, inputs)
        values, gates = graph.halves(both, block.output.in_features)
        update = _linear(graph, f"{name}.output", block.output, graph.add("Mul", values, graph.add("Sigmoid", gates)))
        if block.excitation is not None:
            update = _excited(graph, f"{name}.excitation", block.excitation, update, inside)
        states = graph.add("Mul", graph.add("Add", states, update), inside)
    return _masked_max(graph, graph.layer_norm(states, "backbone.norm", backbone.norm), inside)


def pyramid(graph: Graph, backbone: Any, vectors: str, mask: str) -> tuple[str, str]:
    """Add a `PyramidConv`: vectors [B, D, T], mask [B, 1, T] -> features [B, F], whether a text has a token [B, 1]."""
    inside = graph.add("Transpose", mask, perm=[0, 2, 1])
    values = _conv(graph, "backbone.region", backbone.region, graph.add("Transpose", vectors, perm=[0, 2, 1]))
    values = graph.add("Mul", values, inside)
    for i, block in enumerate(backbone.blocks):
        if i:
            values, inside = _halved(graph, values, inside)
        update = values
        for k, conv in enumerate(block.convs):
            update = _conv(graph, f"backbone.blocks.{i}.convs.{k}", conv, graph.add("Relu", update))
            update = graph.add("Mul", update, inside)
        if block.excitation is not None:
            update = _excited(graph, f"backbone.blocks.{i}.excitation", block.excitation, update, inside)
        values = graph.add("Add", values, update)
    return _masked_max(graph, values, inside)


def _conv(graph: Graph, name: str, layer: Any, values: str) -> str:
    """[B, T, D] -> [B, T, F]."""
    weight = graph.filters(f"{name}.weight", as_array(layer.weight))
    bias = graph.weight(f"{name}.bias", as_array(layer.bias))
    pad, dilation = layer.padding[0], layer.dilation[0]
    flipped = graph.add("Transpose", values, perm=[0, 2, 1])
    maps = graph.add("Conv", flipped, weight, bias, pads=[pad, pad], dilations=[dilation])
    return graph.add("Transpose", maps, perm=[0, 2, 1])


def _linear(graph: Graph, name: str, layer: Any, values: str) -> str:
    """[..., D] -> [..., F]."""
    weight = graph.add("Transpose", graph.filters(f"{name}.weight", as_array(layer.weight)), perm=[1, 0])
    bias = graph.weight(f"{name}.bias", as_array(layer.bias))
    return graph.add("Add", graph.add("MatMul", values, weight), bias)


def _excited(graph: Graph, name: str, layer: Any, values: str, inside: str) -> str:
    """Channels weighted by their means over the tokens: [B, T, F], [B, T, 1] -> [B, T, F]."""
    axis = graph.constant([1])
    count = graph.add("Max", graph.add("ReduceSum", inside, axis, keepdims=1), graph.constant(1, np.float32))
    mean = graph.add("Div", graph.add("ReduceSum", graph.add("Mul", values, inside), axis, keepdims=1), count)
    hidden = graph.add("Relu", _linear(graph, f"{name}.squeeze", layer.squeeze, mean))
    return graph.add("Mul", values, graph.add("Sigmoid", _linear(graph, f"{name}.excite", layer.excite, hidden)))


def _halved(graph: Graph, values: str, inside: str) -> tuple[str, str]:
    """Maxima of three positions, two apart, and where there is any: half of T, rounded up."""
    halved = _max_pool(graph, _hidden(graph, values, inside))
    alive = graph.add("Greater", _max_pool(graph, inside), graph.constant(0, np.float32))
    return graph.add("Where", alive, halved, graph.constant(0, np.float32)), graph.add("Cast", alive, to=FLOAT)


def _max_pool(graph: Graph, values: str) -> str:
    flipped = graph.add("Transpose", values, perm=[0, 2, 1])
    # What ONNX pads a maximum with is below every value.
    pooled = graph.add("MaxPool", flipped, kernel_shape=[3], strides=[2], pads=[0, 2])
    return graph.add("Transpose", pooled, perm=[0, 2, 1])


def _hidden(graph: Graph, values: str, inside: str) -> str:
    """Values with -inf where no token is."""
    is_token = graph.add("Greater", inside, graph.constant(0, np.float32))
    return graph.add("Where", is_token, values, graph.constant(-np.inf, np.float32))


def _masked_max(graph: Graph, values: str, inside: str) -> tuple[str, str]:
    """[B, T, F], [B, T, 1] -> maxima [B, F], 0 in a text without a token; whether it has one [B, 1]."""
    best = graph.add("ReduceMax", _hidden(graph, values, inside), graph.constant([1]), keepdims=0)
    found = graph.add("ReduceMax", inside, graph.constant([1]), keepdims=0)
    exists = graph.add("Greater", found, graph.constant(0, np.float32))
    return graph.add("Where", exists, best, graph.constant(0, np.float32)), exists
