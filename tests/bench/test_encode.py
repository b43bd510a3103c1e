"""The measures of `textcnn bench encode`, beside scipy and loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from textcnn.bench.encode import label_precision, shared_neighbours, similarity_correlation
from textcnn.runtime.encoder import unit_vectors

RNG = np.random.default_rng(0)
VECTORS, OTHERS = (unit_vectors(RNG.normal(size=(30, 6)).astype(np.float32)) for _ in range(2))
TARGETS = RNG.integers(0, 3, 30)


def nearest(vectors: np.ndarray, row: int, k: int) -> set[int]:
    distances = pairwise_distances(vectors, metric="cosine")[row]
    distances[row] = np.inf
    return set(np.argsort(distances)[:k].tolist())


def test_precision_counts_labels_of_neighbours() -> None:
    wanted = np.mean([np.mean([TARGETS[other] == TARGETS[row] for other in nearest(VECTORS, row, 10)])
                      for row in range(30)])  # fmt: skip
    assert label_precision(VECTORS, TARGETS) == pytest.approx(wanted)


def test_neighbours_are_those_of_the_reference() -> None:
    wanted = np.mean([len(nearest(VECTORS, row, 10) & nearest(OTHERS, row, 10)) / 10 for row in range(30)])
    assert shared_neighbours(VECTORS, OTHERS) == pytest.approx(wanted)
    assert shared_neighbours(VECTORS, VECTORS) == 1


def test_similarity_is_a_rank_correlation() -> None:
    assert similarity_correlation(VECTORS, VECTORS) == pytest.approx(1)
    assert abs(similarity_correlation(VECTORS, OTHERS)) < 0.3
