"""Estimators with several columns of targets: one model with a head for each."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score
from sklearn.multioutput import MultiOutputClassifier

import textcnn
from textcnn import TextCNNClassifier, TextCNNRegressor

QUICK: dict[str, Any] = {
    "kernel_sizes": (1, 2), "num_filters": 8, "embedding_dim": 16, "vectors": None, "tokenizer": "word",
    "min_frequency": 1, "max_epochs": 8, "learning_rate": 0.02, "batch_size": 16, "bag_buckets": 64,
}  # fmt: skip
RNG = np.random.default_rng(0)
WORDS = [RNG.choice([f"w{n}" for n in range(8)], 4).tolist() for _ in range(120)]
TEXTS = [" ".join(own) for own in WORDS]
TARGETS = np.array([["a" if "w1" in own else "b", ("x", "y", "z")[min(own.count("w2"), 2)]] for own in WORDS])


@pytest.fixture(scope="module")
def fitted() -> TextCNNClassifier:
    return TextCNNClassifier(**QUICK).fit(TEXTS, TARGETS)


def test_shapes_are_those_of_scikit_learns_multioutput_estimators(fitted: TextCNNClassifier) -> None:
    reference = MultiOutputClassifier(TextCNNClassifier(**{**QUICK, "max_epochs": 2})).fit(TEXTS, TARGETS)
    for own, theirs in zip(fitted.classes_, reference.classes_, strict=True):
        assert own.tolist() == theirs.tolist()
    predicted = fitted.predict(TEXTS)
    assert predicted.shape == reference.predict(TEXTS).shape == TARGETS.shape
    probabilities = fitted.predict_proba(TEXTS)
    assert isinstance(probabilities, list)
    assert [p.shape for p in probabilities] == [p.shape for p in reference.predict_proba(TEXTS)] == [(120, 2), (120, 3)]
    for classes, p, column in zip(fitted.classes_, probabilities, predicted.T, strict=True):
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
        assert classes[p.argmax(axis=1)].tolist() == column.tolist()
    assert fitted.score(TEXTS, TARGETS) == (predicted == TARGETS).all(axis=1).mean() > 0.9
    weights = np.arange(120)
    assert fitted.score(TEXTS, TARGETS, weights) == pytest.approx(
        np.average((predicted == TARGETS).all(axis=1), weights=weights)
    )
    assert cross_val_score(clone(fitted), TEXTS, TARGETS, cv=2).min() > 0.3


def test_it_is_one_model_with_a_head_for_each_column(fitted: TextCNNClassifier, tmp_path: Path) -> None:
    saved = textcnn.load(fitted.save(tmp_path))
    assert list(saved.heads) == ["y0", "y1"]
    assert list(saved.predict(TEXTS)["y1"]) == fitted.predict(TEXTS)[:, 1].tolist()
    assert fitted.explain("w1 w3", column="y0").label == fitted.predict(["w1 w3"])[0, 0]
    with pytest.raises(ValueError, match="column: got None; expected one of y0, y1"):
        fitted.explain("w1")
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(TEXTS), fitted.predict(TEXTS))


def test_columns_of_any_type_in_a_frame() -> None:
    frame = pd.DataFrame({"count": [own.count("w2") for own in WORDS], "kind": TARGETS[:, 0]})
    model = TextCNNClassifier(**QUICK, early_stopping=True, validation_fraction=0.2).fit(TEXTS, frame)
    predicted = model.predict(TEXTS)
    assert set(predicted[:, 0]) <= set(frame["count"])
    assert set(predicted[:, 1]) <= {"a", "b"}
    assert model.classes_[0].tolist() == sorted(set(frame["count"]))
    assert all(len(p[0]) == len(own) for p, own in zip(model.predict_proba(TEXTS), model.classes_, strict=True))
    assert model.explain("w1", column="kind").label in "ab"
    # One column after several is a classifier again.
    one = model.set_params(early_stopping=False).fit(TEXTS, TARGETS[:, 0])
    assert one.predict(TEXTS).shape == (120,)


def test_weights_of_texts_count() -> None:
    opposite = np.where(TARGETS[:, :1] == "a", "b", "a")
    both = np.concatenate([TARGETS, np.concatenate([opposite, TARGETS[:, 1:]], axis=1)])
    weights = np.concatenate([np.full(120, 1.0), np.full(120, 1e-3)])
    for sample_weight, least, most in ((weights, 0.9, 1.0), (weights[::-1], 0.0, 0.1)):
        model = TextCNNClassifier(**QUICK, bag="none").fit([*TEXTS, *TEXTS], both, sample_weight=sample_weight)
        assert least <= (model.predict(TEXTS)[:, 0] == TARGETS[:, 0]).mean() <= most


def test_a_further_fit_goes_on() -> None:
    model = TextCNNClassifier(**QUICK, warm_start=True).fit(TEXTS, TARGETS)
    score = model.score(TEXTS, TARGETS)
    assert model.set_params(max_epochs=1, learning_rate=1e-5).fit(TEXTS, TARGETS).score(TEXTS, TARGETS) > score - 0.05


def test_columns_of_numbers() -> None:
    numbers = np.array([[100 + 20.0 * own.count("w1"), -5.0 * own.count("w2")] for own in WORDS])
    model = TextCNNRegressor(**{**QUICK, "max_epochs": 20}).fit(TEXTS, numbers, sample_weight=np.ones(120))
    predicted = model.predict(TEXTS)
    assert predicted.shape == (120, 2)
    assert model.score(TEXTS, numbers) == pytest.approx(r2_score(numbers, predicted))
    assert model.score(TEXTS, numbers) > 0.8
    why = model.explain("w1 w2", column="y1")
    assert why.logit == pytest.approx(float(model.predict(["w1 w2"])[0, 1]), abs=1e-4)
    again = model.set_params(warm_start=True, max_epochs=1, learning_rate=1e-5).fit(TEXTS, numbers)
    assert again.score(TEXTS, numbers) > 0.75


@pytest.mark.parametrize(
    ("options", "y", "said"),
    [
        ({}, np.array([["a", "x"]] * 120), "the column 'y0' of y: got one class only, 'a'"),
        ({"class_weight": "balanced"}, TARGETS, "class_weight: got some for several columns"),
        ({}, TARGETS[:10], "y: got 10 labels for 120 texts"),
        ({}, pd.DataFrame(TARGETS, columns=["text", "b"]), "y: got the columns text, b; expected distinct"),
        ({}, np.array([["a", None]] * 120, dtype=object), "expected a label for every text"),
    ],
)
def test_what_is_refused(options: dict[str, Any], y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TextCNNClassifier(**QUICK, **options).fit(TEXTS, y)


def test_other_columns_to_validate_on_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 columns of classes"):
        TextCNNClassifier(**QUICK).fit(TEXTS, TARGETS, eval_set=(TEXTS, TARGETS[:, 0]))


def test_explain_names_its_own_parameter(fitted: TextCNNClassifier) -> None:
    for column, hint in (("y7", ".*did you mean"), (None, "$")):
        with pytest.raises(ValueError, match=f"column: got {column!r}; expected one of y0, y1{hint}"):
            fitted.explain("w1 w2", column=column)
    one = TextCNNClassifier(**QUICK).fit(TEXTS, TARGETS[:, 0])
    with pytest.raises(ValueError, match="column: got 'y0', and y had one column; expected none; leave it out"):
        one.explain("w1 w2", column="y0")
