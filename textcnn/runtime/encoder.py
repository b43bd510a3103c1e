"""TextEncoder: vectors of texts from a folded model, without torch.

Shapes: `N`, `M` texts, `D` size of a vector.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .decisions import Array
from .folded import FoldedTextCNN


class TextEncoder:
    """One vector for each text; made by `textcnn.load` of what `textcnn pretrain` wrote.

    Args:
        folded: The folded model, whose outputs are the dimensions of the vectors.

    Example:
        >>> encoder = textcnn.load("runs/pretrained")
        >>> encoder.encode(["a lovely film", "a dull plot"]).shape
        (2, 384)
    """

    def __init__(self, folded: FoldedTextCNN) -> None:
        self.folded = folded

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dimensions} dimensions, {self.folded.precision})"

    @property
    def dimensions(self) -> int:
        """D."""
        return len(self.folded.labels)

    @property
    def threads(self) -> int:
        """Threads that work on the texts of one call; may be set at any time."""
        return self.folded.threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self.folded.threads = threads

    def encode(self, texts: Iterable[str], normalize: bool = True) -> Array:
        """Return the vectors of any iterable of strings: [N, D] float32.

        Args:
            texts: The texts.
            normalize: Scale each vector to length 1, so that the product of two is their cosine similarity.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
        """
        vectors = self.folded.logits(texts)
        return unit_vectors(vectors) if normalize else vectors

    def similarity(self, texts: Iterable[str], others: Iterable[str]) -> Array:
        """Return the cosine similarity of each of N texts with each of M others: [N, M]."""
        return np.asarray(self.encode(texts) @ self.encode(others).T)

    def save(self, directory: str | Path) -> Path:
        """Write the folded model into a directory; see `FoldedTextCNN.save`."""
        return self.folded.save(directory)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextEncoder, (self.folded,)


def unit_vectors(vectors: Array) -> Array:
    """Return vectors scaled to length 1; zero vectors stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
