"""Evidence of each token for each class before training: naive Bayes' log-count ratios.

Wang and Manning 2012, "Baselines and Bigrams", https://aclanthology.org/P12-2018; Li et al. 2017 start a CNN from such
ratios, "Initializing Convolutional Filters with Semantic Features for Text Classification",
https://aclanthology.org/D17-1201. Here token vectors hold them, and the filters read them as they read the rest.

Shapes: `V` vocabulary, `C` classes.
"""

from __future__ import annotations

import numpy as np


def log_count_ratios(counts: np.ndarray, smoothing: float = 1.0) -> np.ndarray:
    """Return log p(token | class) less its mean over the classes: counts [V, C] -> float32 [V, C].

    Counts are smoothed towards a token that is spread as all tokens are, whose row is 0, as that of a token without a
    count is.

    >>> log_count_ratios(np.array([[3, 0], [0, 3], [2, 2]])).round(2)[0]
    array([ 0.69, -0.69], dtype=float32)
    """
    totals = counts.sum(axis=0)
    # A class without any token has no count to divide.
    shares = np.maximum(totals, 1) / max(1, totals.sum())
    logs = np.log(counts / shares + smoothing * counts.shape[1])
    ratios: np.ndarray = (logs - logs.mean(axis=1, keepdims=True)).astype(np.float32)
    return ratios
