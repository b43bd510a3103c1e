"""TF-IDF with a linear classifier, from scikit-learn; n-grams and C are chosen on validation texts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources
from .choosing import choose

if TYPE_CHECKING:
    from ..splits import LabelledTexts, Splits

FILE = "pipeline.joblib"
# Characters of longer texts would take minutes and gigabytes.
MOST_CHARACTERS = 4_000_000


class Tfidf(Peer):
    """TF-IDF of n-grams and a linear classifier, which a subclass defines."""

    packages: ClassVar[dict[str, str]] = {"scikit-learn": "sklearn"}
    seeded: ClassVar[bool] = False
    # From weak to strong regularization is less likely to be right: strongest first, so that of equals it is taken.
    strengths: ClassVar[tuple[float, ...]]

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.pipeline: Any = None
        self.multi_label = False

    def classifier(self, C: float) -> Any:
        """Return the classifier of one label a text."""
        raise NotImplementedError

    def fit(self, data: Splits, seed: int) -> None:
        self.multi_label = data.multi_label
        threshold = 0.5 if self.probabilistic else 0.0
        # The choice of n-grams hardly depends on C, so that each is chosen once.
        middle = self.strengths[len(self.strengths) // 2]
        kind = choose(data, [(kind, middle) for kind in _kinds(data)], self._fitted, threshold)[0]
        settings = choose(data, [(kind, C) for C in self.strengths], self._fitted, threshold)
        self._fitted(data.everything(), settings)

    def _fitted(self, part: LabelledTexts, settings: tuple[str, float]) -> Any:
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline

        kind, C = settings
        classifier = self.classifier(C)
        self.pipeline = make_pipeline(
            vectorizer(kind), OneVsRestClassifier(classifier) if self.multi_label else classifier
        )
        with quiet_convergence():
            self.pipeline.fit(part.texts, part.targets)
        self.classes = part.targets.shape[1] if self.multi_label else int(part.targets.max()) + 1
        return self.scores

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        found = np.asarray(
            self.pipeline.predict_proba(texts) if self.probabilistic else self.pipeline.decision_function(texts)
        )
        if self.multi_label:
            return found
        if found.ndim == 1:
            found = np.stack([-found, found], axis=1)
        return spread(found, self.pipeline[-1].classes_)

    def save(self, folder: Path) -> None:
        import joblib

        joblib.dump((self.pipeline, self.multi_label), folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Tfidf:
        import joblib

        peer = cls(Resources())
        # The comparison wrote this file a moment ago; scikit-learn has no other format of its own.
        peer.pipeline, peer.multi_label = joblib.load(folder / FILE)
        return peer


class TfidfLogistic(Tfidf):
    """TF-IDF and multinomial logistic regression."""

    title = "TF-IDF + logistic regression"
    strengths = (1.0, 10.0, 100.0)

    def classifier(self, C: float) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=C, max_iter=300)


class TfidfSVM(Tfidf):
    """TF-IDF and a linear support vector machine, whose scores are no probabilities."""

    title = "TF-IDF + linear SVM"
    probabilistic = False
    strengths = (0.1, 0.3, 1.0, 3.0, 10.0)

    def classifier(self, C: float) -> Any:
        from sklearn.svm import LinearSVC

        return LinearSVC(C=C)


def vectorizer(kind: str) -> Any:
    """Return TF-IDF of words and word pairs, or of up to 4 characters inside of words.

    Sublinear counts are what scikit-learn's guide recommends for text.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if kind == "words":
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, min_df=2)


def _kinds(data: Splits) -> list[str]:
    """Return the n-grams to choose from: characters too where the texts are short enough."""
    if data.validation is None or sum(map(len, data.train.texts)) > MOST_CHARACTERS:
        return ["words"]
    return ["words", "characters"]


def spread(scores: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.float64]:
    """Return scores [N, C] of all classes, where the train texts lack some: those have the lowest score."""
    if len(ids) == ids[-1] + 1:
        return scores
    wide = np.full((len(scores), int(ids[-1]) + 1), min(0.0, float(scores.min(initial=0))) - 1e-9)
    wide[:, ids] = scores
    return wide


@contextmanager
def quiet_convergence() -> Iterator[None]:
    """Hide that an optimizer stopped at its last iteration: the accuracy is measured in any case."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        yield
