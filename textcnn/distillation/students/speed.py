"""Texts per second of a student of a given size on this machine, measured on tables of random numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from ...model import Architecture
from ...runtime.folded import FoldedTextCNN
from .sizes import StudentSize

# Texts that are timed; stretches of at least so many seconds, of which the median counts.
TEXTS, STRETCHES, SECONDS = 4_000, 7, 0.02


def random_student(
    size: StudentSize, tokenizer_json: str, labels: Sequence[str], multi_label: bool, architecture: Mapping[str, Any]
) -> FoldedTextCNN:
    """Return a student whose int8 tables hold random numbers, which take as long to add as any others.

    Args:
        size: Its widths, filters and vocabulary.
        tokenizer_json: Its tokenizer.
        labels: Names of its classes.
        multi_label: True if they do not exclude each other.
        architecture: Further arguments of Architecture.
    """
    layout, rng = size.layout, np.random.default_rng(0)
    network = Architecture(**{**architecture, **size.architecture()})
    config = {
        **vars(network),
        "vocab_size": size.vocab_size,
        "pad_token_id": 0,
        "problem_type": f"{'multi' if multi_label else 'single'}_label_classification",
        "id2label": {str(i): label for i, label in enumerate(labels)},
    }
    features = layout.features

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, dtype=np.float32)

    tensors = {
        "table": rng.integers(-40, 40, (size.vocab_size + 1, layout.columns), dtype=np.int8),
        "row_of_id": np.arange(size.vocab_size, dtype=np.int32),
        "scale": np.ones(features, dtype=np.float32),
        "bias": normal(features),
        "head_weight": normal(len(labels), features),
        "head_bias": normal(len(labels)),
        "norm_weight": normal(features),
        "norm_bias": normal(features),
    }
    if columns := size.bag_row(len(labels)):
        rows = size.vocab_size + (size.bag_buckets if size.bag_ngrams > 1 else 0)
        tensors["bag_table"] = rng.integers(-40, 40, (rows, columns), dtype=np.int8)
        tensors["bag_scale"] = np.ones(columns, dtype=np.float32)
        if columns != len(labels):
            tensors["bag_output"] = normal(len(labels), columns)
    return FoldedTextCNN(config, tensors, tokenizer_json)


def texts_per_second(student: FoldedTextCNN, texts: Sequence[str]) -> float:
    """Return the texts per second from text to label on one core, the median of several measurements.

    The CPU time of this thread is measured, not the clock: other work on the machine takes the core away now and then,
    which is no part of the cost of a student.
    """
    asked = list(texts)
    student.predict(asked)
    speeds = []
    for _ in range(STRETCHES):
        done, elapsed, started = 0, 0.0, time.thread_time()
        while elapsed < SECONDS:
            student.predict(asked)
            done += len(asked)
            elapsed = time.thread_time() - started
        speeds.append(done / elapsed)
    return median(speeds)


def sample(texts: Sequence[str], seed: int = 0) -> list[str]:
    """Return a sample of the texts, always the same one and small enough for a short measurement."""
    if len(texts) <= TEXTS:
        return list(texts)
    chosen = np.random.default_rng(seed).choice(len(texts), TEXTS, replace=False)
    return [texts[i] for i in chosen.tolist()]
