"""A linear baseline: TF-IDF of words and word pairs, and logistic or ridge regression, fitted in seconds.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Larger data takes more than some seconds: a fit on 5,000 questions of 6 classes takes one.
MOST_CHARACTERS = 5_000_000
MOST_ROWS_TIMES_CLASSES = 400_000


def linear_pipeline() -> Any:
    """Return the baseline as a pipeline of scikit-learn, not fitted yet."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_vectorizer(), LogisticRegression(C=10, max_iter=1000))


def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")


def too_large(texts: Sequence[str], classes: int) -> str:
    """Return why a baseline would take more than some seconds, or ""."""
    if len(texts) * classes > MOST_ROWS_TIMES_CLASSES:
        return f"{len(texts):,} texts times {classes} classes are more than {MOST_ROWS_TIMES_CLASSES:,}"
    characters = sum(map(len, texts))
    if characters > MOST_CHARACTERS:
        return f"{characters:,} characters are more than {MOST_CHARACTERS:,}"
    return ""


def baseline_labels(texts: Sequence[str], targets: NDArray[Any], test_texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the class ids [N], or zeros and ones [N, C], that the baseline gives to test texts.

    Args:
        texts: Texts to train on.
        targets: Their class ids, or zeros and ones.
        test_texts: Texts to label.
    """
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    pipeline = linear_pipeline()
    if targets.ndim == 2:
        pipeline = make_pipeline(pipeline[0], OneVsRestClassifier(pipeline[1]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        pipeline.fit(list(texts), targets)
    return np.asarray(pipeline.predict(list(test_texts)), dtype=np.int64)


def baseline_numbers(
    texts: Sequence[str], numbers: NDArray[np.float64], test_texts: Sequence[str]
) -> NDArray[np.float64]:
    """Return the numbers [N] that the baseline, ridge regression, gives to test texts.

    Args:
        texts: Texts to train on.
        numbers: Their numbers.
        test_texts: Texts to predict.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(_vectorizer(), Ridge(alpha=1.0)).fit(list(texts), numbers)
    return np.asarray(pipeline.predict(list(test_texts)), dtype=np.float64)
