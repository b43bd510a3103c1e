"""TextEncoder: vectors of texts, from folded tables without torch where the model folds.

Shapes: `N`, `M` texts, `D` size of a vector.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .classifier import TextClassifier
from .decisions import Array


class TextEncoder:
    """One vector for each text; made by `textcnn.load` of what `textcnn pretrain` wrote.

    Args:
        engine: Engine that computes the outputs of the model, the dimensions of the vectors: a FoldedTextCNN, or
            another where the model does not fold.

    Example:
        >>> encoder = textcnn.load("runs/pretrained")
        >>> encoder.encode(["a lovely film", "a dull plot"]).shape
        (2, 384)
    """

    def __init__(self, engine: TextClassifier) -> None:
        self.engine = engine

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dimensions} dimensions, {self.engine.precision})"

    @property
    def dimensions(self) -> int:
        """D."""
        return len(self.engine.labels)

    @property
    def metadata(self) -> dict[str, str]:
        """Measurements of folding or export."""
        return dict(getattr(self.engine, "metadata", {}))

    def encode(self, texts: Iterable[str], normalize: bool = True) -> Array:
        """Return the vectors of any iterable of strings: [N, D] float32.

        Args:
            texts: The texts.
            normalize: Scale each vector to length 1, so that the product of two is their cosine similarity.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
        """
        vectors = self.engine.logits(texts)
        return unit_vectors(vectors) if normalize else vectors

    def similarity(self, texts: Iterable[str], others: Iterable[str]) -> Array:
        """Return the cosine similarity of each of N texts with each of M others: [N, M]."""
        return np.asarray(self.encode(texts) @ self.encode(others).T)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextEncoder, (self.engine,)


def unit_vectors(vectors: Array) -> Array:
    """Return vectors scaled to length 1; zero vectors stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
