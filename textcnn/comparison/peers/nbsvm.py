"""NB-SVM: a linear support vector machine on naive Bayes log-count ratios.

Wang and Manning 2012, "Baselines and Bigrams", https://aclanthology.org/P12-2018: binary counts of words and word pairs
are multiplied by the log-count ratio r of a class, and the weights of the machine are interpolated with their mean
magnitude, w' = (1 - beta) |w| mean + beta w.

Shapes: `N` texts, `C` classes, `V` n-grams.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources
from .choosing import choose
from .tfidf import FILE, quiet_convergence

if TYPE_CHECKING:
    from ..splits import LabelledTexts, Splits

# As in the paper.
SMOOTHING, INTERPOLATION = 1.0, 0.25
STRENGTHS = (0.1, 1.0)


class NaiveBayesSVM(Peer):
    """NB-SVM on words and word pairs, one class against the others; its scores are no probabilities."""

    title = "NB-SVM"
    packages = {"scikit-learn": "sklearn"}  # noqa: RUF012
    seeded = False
    probabilistic = False

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.vectorizer: Any = None
        self.weight: Any = None
        self.bias: Any = None

    def fit(self, data: Splits, seed: int) -> None:
        C = choose(data, STRENGTHS, lambda part, C: self._fitted(part, C, len(data.labels)), 0.0)
        self._fitted(data.everything(), C, len(data.labels))

    def _fitted(self, part: LabelledTexts, C: float, classes: int) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.svm import LinearSVC

        self.vectorizer = CountVectorizer(
            binary=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", dtype=np.float32
        )
        counts = self.vectorizer.fit_transform(part.texts)
        # The weights [C, V] are sparse where the ratios are small, but not zero: kept in single precision.
        self.weight = np.zeros((classes, counts.shape[1]), dtype=np.float32)
        self.bias = np.full(classes, -1e9, dtype=np.float32)
        for label in range(classes):
            has_label = part.targets[:, label] > 0 if part.targets.ndim == 2 else part.targets == label
            if not has_label.any() or has_label.all():
                continue
            ratio = log_count_ratio(counts, has_label)
            machine = LinearSVC(C=C)
            with quiet_convergence():
                machine.fit(counts.multiply(ratio).tocsr(), has_label)
            weight = machine.coef_[0]
            weight = (1 - INTERPOLATION) * np.abs(weight).mean() + INTERPOLATION * weight
            self.weight[label] = weight * ratio
            self.bias[label] = INTERPOLATION * machine.intercept_[0]
        return self.scores

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        return np.asarray(self.vectorizer.transform(texts) @ self.weight.T + self.bias)

    def save(self, folder: Path) -> None:
        import joblib

        joblib.dump((self.vectorizer, self.weight, self.bias), folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> NaiveBayesSVM:
        import joblib

        peer = cls(Resources())
        peer.vectorizer, peer.weight, peer.bias = joblib.load(folder / FILE)
        return peer


def log_count_ratio(counts: Any, has_label: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return log((p / |p|) / (q / |q|)) [V] of smoothed counts p inside of a class and q outside."""
    inside = SMOOTHING + np.asarray(counts[has_label].sum(axis=0)).ravel().astype(np.float64)
    outside = SMOOTHING + np.asarray(counts[~has_label].sum(axis=0)).ravel().astype(np.float64)
    return np.asarray(np.log(inside / inside.sum()) - np.log(outside / outside.sum()))
