"""TextCNNClassifier in scikit-learn's own company: pipelines, searches and meta-estimators."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import textcnn
from textcnn import TextCNNClassifier

GOOD = ["a lovely film", "great acting", "I liked it", "wonderful and great"]
BAD = ["a dull film", "awful acting", "I hated it", "boring and awful"]
TEXTS = [f"{text} {i}" for i in range(8) for text in (*GOOD, *BAD)]
LABELS = np.array((["good"] * 4 + ["bad"] * 4) * 8)


def small(**changes: Any) -> TextCNNClassifier:
    """A classifier of the texts' own words: the shipped tokenizer and vectors take longer to read than it to fit."""
    settings = {"num_filters": 8, "embedding_dim": 16, "kernel_sizes": (2, 3), "max_epochs": 6, "learning_rate": 0.01}
    return TextCNNClassifier(**{**settings, "batch_size": 16, "tokenizer": "word", **changes})


@pytest.fixture(scope="module")
def fitted() -> TextCNNClassifier:
    return small().fit(TEXTS, LABELS)


def test_predict_and_score(fitted: TextCNNClassifier) -> None:
    assert is_classifier(fitted)
    assert fitted.classes_.tolist() == ["bad", "good"]
    assert fitted.score(TEXTS, LABELS) == 1
    probabilities = fitted.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (fitted.classes_[probabilities.argmax(axis=1)] == fitted.predict(TEXTS)).all()
    assert fitted.explain("a lovely film").label == "good"


@pytest.mark.parametrize("settings", [{"bag": "sum"}, {"bag": "mean", "kernel_sizes": (), "bag_dim": 3}])
def test_a_bag(settings: dict[str, Any], tmp_path: Path) -> None:
    # With the tokenizer and the vectors that are the default.
    classifier = small(bag_buckets=100, max_epochs=2, tokenizer=None, **settings).fit(TEXTS, LABELS)
    assert classifier.score(TEXTS, LABELS) == 1
    saved = textcnn.load(classifier.save(tmp_path / "saved"))
    np.testing.assert_allclose(saved.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-6)
    assert "a bag of 1- to 2-grams" in repr(saved)
    # A further fit starts from the weights that there are, not from a linear model.
    again = clone(classifier).set_params(warm_start=True, max_epochs=1)
    again.fit(TEXTS, LABELS)
    before = again.predict_proba(TEXTS)
    np.testing.assert_allclose(
        again.set_params(learning_rate=1e-9).fit(TEXTS, LABELS).predict_proba(TEXTS), before, atol=1e-4
    )


@pytest.mark.parametrize("wrap", [np.array, lambda x: np.array(x, object), pd.Series, tuple, iter])
def test_containers_of_texts(fitted: TextCNNClassifier, wrap: Any) -> None:
    assert (fitted.predict(wrap(TEXTS)) == fitted.predict(TEXTS)).all()


def test_polars(fitted: TextCNNClassifier) -> None:
    assert (fitted.predict(polars.Series(TEXTS)) == fitted.predict(TEXTS)).all()


@pytest.mark.parametrize("kind", [pd.Series, polars.Series, list])
def test_fit_on_columns(fitted: TextCNNClassifier, kind: Any) -> None:
    model = small().fit(kind(TEXTS), kind(LABELS.tolist()), eval_set=None)
    assert model.classes_.tolist() == ["bad", "good"]
    assert (model.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    held_out = small().fit(kind(TEXTS), kind(LABELS.tolist()), eval_set=(kind(TEXTS[:8]), kind(LABELS.tolist()[:8])))
    assert held_out.score(kind(TEXTS), LABELS) > 0.9


def test_same_seed_same_model_and_clone(fitted: TextCNNClassifier) -> None:
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    assert not hasattr(again, "classes_")
    assert (again.fit(TEXTS, LABELS).predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()


def test_joblib_and_save(fitted: TextCNNClassifier, tmp_path: Path) -> None:
    kept = io.BytesIO()
    joblib.dump(fitted, kept)
    kept.seek(0)
    assert (joblib.load(kept).predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    loaded = textcnn.load(fitted.save(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-6)


def test_labels_of_any_kind() -> None:
    numbers = small().fit(TEXTS, np.where(LABELS == "good", 7, -1))
    assert numbers.classes_.tolist() == [-1, 7]
    assert numbers.predict(TEXTS[:1]).dtype == np.int64
    both = np.stack([LABELS == "good", np.array(["film" in text for text in TEXTS])], axis=1).astype(int)
    several = small(max_epochs=12).fit(TEXTS, both)
    assert several.predict(TEXTS).shape == both.shape
    assert (several.predict(TEXTS) == both).mean() > 0.9


def test_weights_count() -> None:
    texts, labels = ["same text"] * 40, np.array(["a", "b"] * 20)
    for favoured in ("a", "b"):
        weights = np.where(labels == favoured, 5.0, 0.1)
        assert small().fit(texts, labels, sample_weight=weights).predict(["same text"]) == [favoured]
        by_class = small(class_weight={favoured: 5.0, "b" if favoured == "a" else "a": 0.1}).fit(texts, labels)
        assert by_class.predict(["same text"]) == [favoured]
    with pytest.raises(ValueError, match="sample_weight: got shape"):
        small().fit(texts, labels, sample_weight=[1.0])


def test_warm_start_goes_on() -> None:
    model = small(warm_start=True, max_epochs=1, learning_rate=1e-4).fit(TEXTS, LABELS)
    first = model.predict_proba(TEXTS)
    model.fit(TEXTS, LABELS)
    moved = np.abs(model.predict_proba(TEXTS) - first).max()
    model.set_params(learning_rate=1e-9).fit(TEXTS, LABELS)
    still = model.predict_proba(TEXTS)
    model.fit(TEXTS, LABELS)
    assert np.abs(model.predict_proba(TEXTS) - still).max() < 1e-4 < moved


def test_an_eval_set_and_early_stopping() -> None:
    assert small().fit(TEXTS, LABELS, eval_set=(TEXTS[:16], LABELS[:16])).score(TEXTS, LABELS) > 0.9
    assert small(early_stopping=True, validation_fraction=0.25).fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9
    with pytest.raises(ValueError, match="eval_set"):
        small().fit(TEXTS, LABELS, eval_set=(["x"], ["ugly"]))


@pytest.mark.timeout(600)
def test_in_company() -> None:
    model = small(max_epochs=10)
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    assert make_pipeline(lower, model).fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9
    assert cross_val_score(model, TEXTS, LABELS, cv=2).mean() > 0.9
    search = GridSearchCV(model, {"num_filters": [4, 8]}, cv=2).fit(TEXTS, LABELS)
    assert search.best_score_ > 0.9
    assert CalibratedClassifierCV(model, cv=2).fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9
    assert TunedThresholdClassifierCV(model, cv=2).fit(TEXTS, LABELS == "good").score(TEXTS, LABELS == "good") > 0.9
    assert (
        StackingClassifier([("cnn", model)], LogisticRegression(), cv=2).fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9
    )
    both = np.stack([LABELS, np.where(["film" in text for text in TEXTS], "film", "none")], axis=1)
    assert MultiOutputClassifier(model).fit(TEXTS, both).predict(TEXTS).shape == both.shape


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        (["a", "b"], ["x"], "1 labels for 2 texts"),
        (["a", 3], ["x", "y"], "got 3 .int. at position 1"),
        (["a", "b"], ["x", "x"], "got one class only, 'x'; expected"),
        (["a", "b"], [3, 3], "got one class only, 3; expected"),
        (["a", "b"], ["x", None], "got None at position 1; expected a label for every text"),
        (["a", "b"], ["x", np.nan], "got nan at position 1; expected a label for every text"),
        (["a", "b"], pd.Series(["x", pd.NA], dtype=object), "got <NA> at position 1; expected a label for every text"),
        (["a", "b"], [[1, 0], [None, 1]], "got None at position 1; expected a label for every text"),
        (["a", "b"], [1.0, np.inf], "got infinity; expected"),
        (["a", "b"], [["x", "y"], ["x"]], "got lists of labels; .* use sklearn.preprocessing.MultiLabelBinarizer"),
        (["a", "b"], [["x", "y"], ["x", "z"]], "the column 'y0' of y: got one class only, 'x'; expected"),
        (["a", "b"], pd.Series([["x", "y"], ["x", "z"]]), "got lists of labels"),
        (["a", "b"], [{"x", "y"}, {"x"}], "got lists of labels"),
        ({"text": ["a", "b"]}, ["x", "y"], "X: got dict; expected an iterable of strings"),
        (pd.DataFrame({"text": ["a", "b"]}), ["x", "y"], "X: got DataFrame of 2 dimensions"),
        ([], [], "no text"),
        ("a text", ["x"], "write .text."),
        (["a", "b"], [0.5, 1.5], "Unknown label type"),
    ],
)
def test_mistakes(texts: Any, labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small().fit(texts, labels)
