"""Encoders compared on labelled data: linear classifiers on few labels, and the neighbours of each text.

Shapes: `N` texts, `D` size of a vector.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import TextDataModule
from ..encoders.sentence import SentenceEncoder, open_encoder
from ..runtime.encoder import unit_vectors
from ..settings.benchmarks import EncodeBenchSettings
from .figures import Figures

Array = NDArray[np.float32]


def run(settings: EncodeBenchSettings) -> Figures:
    """Measure an encoder and others on the same texts, and return the figures.

    - accuracy: of a logistic regression on the vectors of so many train texts of each class, on the test texts, mean
      over seeds;
    - precision@10: share of the ten nearest test texts that have the label of the text;
    - neighbours@10: share of the ten nearest test texts that the reference has among its ten;
    - similarity: Spearman correlation of the cosines of all pairs of test texts with those of the reference.
    """
    names = [str(settings.model), *settings.encoders]
    encoders = {name: open_encoder(name) for name in names}
    reference = None if settings.reference is None else open_encoder(settings.reference)
    figures = Figures()
    accuracies: dict[tuple[str, int], list[float]] = {}
    for path in settings.data:
        data = TextDataModule(str(path), text_column=settings.text_column, label_column=settings.label_column)
        train, test = (_sample(*data.texts_and_targets(role), settings.limit) if role == "test"
                       else data.texts_and_targets(role) for role in ("train", "test"))  # fmt: skip
        wanted = None if reference is None else unit_vectors(reference.encode_cached(test[0]))
        place = Path(str(path)).stem
        for name, encoder in encoders.items():
            label = Path(name).name
            started = time.perf_counter()
            vectors = unit_vectors(encoder.encode(list(test[0])))
            seconds = time.perf_counter() - started
            _add(figures, f"{place} {label} texts/s", len(vectors) / seconds)
            for count in settings.labels_per_class:
                scores = [
                    few_labels_accuracy(encoder, train, (vectors, test[1]), count, seed)
                    for seed in range(settings.seeds)
                ]
                accuracies.setdefault((label, count), []).append(float(np.mean(scores)))
                _add(figures, f"{place} {label} accuracy {count} a class", float(np.mean(scores)), seeds=scores)
            _add(figures, f"{place} {label} precision@10", label_precision(vectors, test[1]))
            if wanted is not None:
                _add(figures, f"{place} {label} neighbours@10", shared_neighbours(vectors, wanted))
                _add(figures, f"{place} {label} similarity", similarity_correlation(vectors, wanted))
    for (label, count), values in accuracies.items():
        _add(figures, f"mean {label} accuracy {count} a class", float(np.mean(values)))
    return figures


def few_labels_accuracy(
    encoder: SentenceEncoder,
    train: tuple[Sequence[str], NDArray[Any]],
    test: tuple[Array, NDArray[Any]],
    count: int,
    seed: int,
) -> float:
    """Return the accuracy of a logistic regression trained on the given number of texts of each class.

    Args:
        encoder: Encoder of the train texts.
        train: Texts and label ids.
        test: Vectors, of length 1, and label ids.
        count: Texts of each class; all, where a class has fewer.
        seed: Seed of the choice.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    targets = train[1]
    rows = np.concatenate([rng.permutation(np.flatnonzero(targets == one))[:count] for one in np.unique(targets)])
    vectors = unit_vectors(encoder.encode([train[0][row] for row in rows.tolist()]))
    # Chosen for unit vectors on CLINC150's validation texts; the same for every encoder.
    classifier = LogisticRegression(C=10.0, max_iter=300).fit(vectors, targets[rows])
    return float((classifier.predict(test[0]) == test[1]).mean())


def label_precision(vectors: Array, targets: NDArray[Any], k: int = 10) -> float:
    """Return the share of the k nearest texts that have the label of the text: vectors [N, D] of length 1."""
    near = _neighbours(vectors, k)
    return float((targets[near] == targets[:, None]).mean())


def shared_neighbours(vectors: Array, reference: Array, k: int = 10) -> float:
    """Return the share of the k nearest texts that are among the k nearest of the reference: vectors of length 1."""
    pairs = zip(_neighbours(vectors, k), _neighbours(reference, k), strict=True)
    return float(np.mean([np.isin(own, wanted).mean() for own, wanted in pairs]))


def similarity_correlation(vectors: Array, reference: Array) -> float:
    """Return Spearman's correlation of the cosines of all pairs of texts: vectors [N, D] of length 1."""
    from scipy.stats import spearmanr

    pairs = np.triu_indices(len(vectors), 1)
    return float(spearmanr((vectors @ vectors.T)[pairs], (reference @ reference.T)[pairs]).statistic)


def _neighbours(vectors: Array, k: int) -> NDArray[np.int64]:
    """Numbers of the k nearest other texts of each: [N, k]."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]


def _sample(texts: list[str], targets: NDArray[Any], limit: int) -> tuple[list[str], NDArray[Any]]:
    if len(texts) <= limit:
        return texts, targets
    rows = np.sort(np.random.default_rng(0).choice(len(texts), limit, replace=False))
    return [texts[row] for row in rows.tolist()], targets[rows]


def _add(figures: Figures, key: str, value: float, **more: Any) -> None:
    figures[key] = {"value": value, **more}
    print(f"{key:<56}{value:>12,.4g}", flush=True)
