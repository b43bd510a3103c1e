"""Features of maxima against numpy."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import pytest

from textcnn.runtime.feature_ops import scale_maxima
from textcnn.runtime.vector_ops import least_of


@nb.njit
def scaled(maxima: Any, scale: Any, bias: Any, features: Any, count: int, floor: Any) -> None:
    scale_maxima(
        least_of(maxima), maxima.ctypes.data, scale.ctypes.data, bias.ctypes.data, features.ctypes.data, count, floor
    )


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
@pytest.mark.parametrize("floor", [0, -np.inf])
def test_features_are_those_of_numpy_and_nothing_else_is_written(dtype: Any, floor: float) -> None:
    rng = np.random.default_rng(0)
    for count in range(70):
        maxima = rng.integers(-128, 128, count).astype(dtype)
        scale, bias = rng.random(count, dtype=np.float32), rng.normal(size=count).astype(np.float32)
        features = np.full(count + 20, 7, dtype=np.float32)
        scaled(maxima, scale, bias, features, count, np.float32(floor))
        wanted = np.maximum(np.float32(floor), maxima.astype(np.float32) * scale + bias)
        assert (features[:count] == wanted).all()
        assert (features[count:] == 7).all()
