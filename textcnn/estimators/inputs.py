"""Texts and weights as scikit-learn gives them, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.text_batches import check_column


def read_weights(sample_weight: Any, count: int) -> NDArray[np.float64]:
    """Return the weight of each text, [N]: 1 where none is given."""
    weights = np.ones(count) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (count,):
        raise ValueError(f"sample_weight: got shape {weights.shape}; expected ({count},)")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            f"sample_weight: got values from {weights.min()} to {weights.max()}; expected finite ones from 0 on, "
            "not all of them zero"
        )
    return weights


def read_texts(values: Any) -> list[str]:
    """Return texts as a list of strings."""
    check_column(values, "X", ValueError)
    texts = list(values)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"X: got {text!r} ({type(text).__name__}) at position {position}; expected a string")
    if not texts:
        raise ValueError("X: got no text; expected at least one (0 sample(s) while a minimum of 1 is required)")
    return [str(text) for text in texts]
