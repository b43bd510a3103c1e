"""What the kernels are given of a folded model: its tensors and settings in one order, and their shapes checked.

Shapes: `F` filters of all widths, `C` classes, `V` table rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import Layout


def kernel_operands(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], layout: Layout) -> tuple[Any, ...]:
    """What `kernels.classify` takes between token ids and results, in its order."""
    temperature = np.float32(config.get("temperature", 1.0))
    none = np.empty(0, dtype=np.float32)
    return (
        tensors["row_of_id"],
        tensors["table"],
        layout.plan,
        int(config.get("dilation", 1)),
        int(config.get("stride", 1)),
        tensors["scale"],
        tensors["bias"],
        _activation_number(config.get("activation", "relu")),
        tensors.get("norm_weight", none),
        tensors.get("norm_bias", none),
        float(config.get("layer_norm_eps", 1e-5)),
        # The temperature is folded in here and not in the file: calibration may change it afterwards.
        tensors["head_weight"] / temperature,
        tensors["head_bias"] / temperature,
    )


def check_shapes(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], layout: Layout, classes: int) -> None:
    """Raises ValueError, naming the tensor, where one has not the shape that config.json says."""
    features = layout.features
    expected = {
        "table": (len(tensors["table"]), layout.columns),
        "row_of_id": (int(config["vocab_size"]),),
        "scale": (features,),
        "bias": (features,),
        "head_weight": (classes, features),
        "head_bias": (classes,),
    }
    if config.get("pooled_norm"):
        expected |= {"norm_weight": (features,), "norm_bias": (features,)}
    for name, shape in expected.items():
        got = tensors[name].shape if name in tensors else None
        if got != shape:
            raise ValueError(f"{name}: got {got}; expected {shape}, as config.json says; fold the model again")


def _activation_number(name: str) -> int:
    from .kernels import ACTIVATIONS

    if name not in ACTIVATIONS:
        raise ValueError(f"activation: got {name!r}; expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS.index(name)
