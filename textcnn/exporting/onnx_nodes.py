"""Nodes and weights of an ONNX graph, written one by one. Operators: https://onnx.ai/onnx/operators/."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# onnx.TensorProto.FLOAT and INT64, without importing onnx for them.
FLOAT, INT64 = 1, 7


class Graph:
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

    def add_two(self, operator: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """Add a node with two outputs."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        outputs = (name, f"{name}.second")
        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), name=name, **attributes))
        return outputs

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
        """Add a weight whose first axis is that of its outputs; in 8 bits, if requested, with one scale per output."""
        if not self.int8:
            return self.weight(name, values)
        rounded, scale = round_rows(values)
        operands = self.weight(f"{name}.int8", rounded), self.weight(f"{name}.scale", scale)
        return self.add("DequantizeLinear", *operands, name=name, axis=0)

    def look_up(self, name: str, table: NDArray[np.float32], ids: str) -> str:
        """Add a look-up of rows of a table [V, D]; in 8 bits, if requested, with one scale per row."""
        if not self.int8:
            return self.add("Gather", self.weight(name, table), ids, axis=0)
        rounded, scale = round_rows(table)
        rows = self.add("Gather", self.weight(f"{name}.int8", rounded), ids, axis=0)
        scales = self.add("Gather", self.weight(f"{name}.scale", scale[:, None]), ids, axis=0)
        return self.add("Mul", self.add("Cast", rows, to=FLOAT), scales)

    def layer_norm(self, values: str, name: str, norm: Any) -> str:
        weight = self.weight(f"{name}.weight", as_array(norm.weight))
        bias = self.weight(f"{name}.bias", as_array(norm.bias))
        return self.add("LayerNormalization", values, weight, bias, axis=-1, epsilon=norm.eps)

    def halves(self, values: str, size: int) -> tuple[str, str]:
        """Split the last axis into its first `size` values and the remaining ones."""
        first = self.add("Slice", values, self.constant([0]), self.constant([size]), self.constant([-1]))
        second = self.add("Slice", values, self.constant([size]), self.constant([2 * size]), self.constant([-1]))
        return first, second

    def size(self, values: str, axis: int) -> str:
        """Return the size of an axis, as a scalar."""
        return self.add("Squeeze", self.add("Shape", values, start=axis, end=axis + 1))

    def count_up(self, limit: str) -> str:
        return self.add("Range", self.constant(0), limit, self.constant(1))


def round_rows(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round to 8 bits, with a scale for each index of the first axis: rounded * scale is nearly `values`.

    Example:
        >>> round_rows(np.array([[1.0, -2.54]], dtype=np.float32))
        (array([[  50, -127]], dtype=int8), array([0.02], dtype=float32))
    """
    largest = np.abs(values).reshape(len(values), -1).max(axis=1, initial=0)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    steps = scale.reshape(-1, *[1] * (values.ndim - 1))
    return np.rint(values / steps).astype(np.int8), scale


def as_array(tensor: Any) -> NDArray[np.float32]:
    """Return a tensor's values."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array
