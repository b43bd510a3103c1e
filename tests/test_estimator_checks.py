"""scikit-learn's suite for estimators, whose inputs are numbers in two dimensions: each of its checks is run as it is,
or said again for texts, or has a reason not to apply."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import textcnn
from textcnn import TextCNNClassifier

TEXTS = [f"{text} {i}" for i in range(6) for text in ("a lovely film", "great acting", "a dull film", "awful acting")]
LABELS = np.array(["good", "good", "bad", "bad"] * 6)

AS_IT_IS = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
# On texts: the function of this file that says it again.
ON_TEXTS = {
    "check_all_zero_sample_weights_error": "test_sample_weights_in_any_form",
    "check_class_weight_classifiers": "test_balanced_class_weights",
    "check_classifiers_classes": "test_predict_gives_classes",
    "check_classifiers_multilabel_output_format_predict": "test_several_labels",
    "check_classifiers_multilabel_output_format_predict_proba": "test_several_labels",
    "check_classifiers_multilabel_representation_invariance": "test_several_labels",
    "check_classifiers_one_label": "test_what_is_refused",
    "check_classifiers_regression_target": "test_what_is_refused",
    "check_classifiers_train": "test_predict_gives_classes",
    "check_dict_unchanged": "test_answering_changes_nothing",
    "check_dont_overwrite_parameters": "test_fit_sets_only_attributes_with_an_underscore",
    "check_estimators_empty_data_messages": "test_what_is_refused",
    "check_estimators_fit_returns_self": "test_fit_sets_only_attributes_with_an_underscore",
    "check_estimators_overwrite_params": "test_fit_sets_only_attributes_with_an_underscore",
    "check_estimators_pickle": "test_pickle",
    "check_estimators_unfitted": "test_before_fit",
    "check_fit_check_is_fitted": "test_before_fit",
    "check_fit_idempotent": "test_fit_again_is_the_same",
    "check_fit_score_takes_y": "test_fit_again_is_the_same",
    "check_methods_sample_order_invariance": "test_neither_order_nor_company_matters",
    "check_methods_subset_invariance": "test_neither_order_nor_company_matters",
    "check_classifier_multioutput": "test_several_columns_of_labels",
    "check_n_features_in_after_fitting": "test_fit_sets_only_attributes_with_an_underscore",
    "check_pipeline_consistency": "test_fit_again_is_the_same",
    "check_readonly_memmap_input": "test_read_only_arrays",
    "check_requires_y_none": "test_what_is_refused",
    "check_sample_weights_list": "test_sample_weights_in_any_form",
    "check_sample_weights_not_an_array": "test_sample_weights_in_any_form",
    "check_sample_weights_not_overwritten": "test_sample_weights_in_any_form",
    "check_sample_weights_pandas_series": "test_sample_weights_in_any_form",
    "check_sample_weights_shape": "test_sample_weights_in_any_form",
    "check_supervised_y_2d": "test_a_column_of_labels",
    "check_supervised_y_no_nan": "test_what_is_refused",
}
NUMBERS = "X is texts, not numbers in two dimensions"
NOT_APPLICABLE = {
    "check_array_api_input": NUMBERS,
    "check_classifier_data_not_an_array": NUMBERS,
    "check_complex_data": NUMBERS,
    "check_dtype_object": NUMBERS,
    "check_estimator_sparse_array": NUMBERS,
    "check_estimator_sparse_matrix": NUMBERS,
    "check_estimator_sparse_tag": NUMBERS,
    "check_estimators_dtypes": NUMBERS,
    "check_estimators_nan_inf": NUMBERS,
    "check_f_contiguous_array_estimator": NUMBERS,
    "check_fit1d": "a single text is refused; one dimension is what X has",
    "check_fit2d_1feature": NUMBERS,
    "check_fit2d_1sample": NUMBERS,
    "check_fit2d_predict1d": "one dimension is what X has",
    "check_n_features_in": "a text has no fixed number of features",
    "check_positive_only_tag_during_fit": NUMBERS,
    "check_classifiers_multilabel_output_format_decision_function": "there is predict_proba, and no decision_function",
    "check_decision_proba_consistency": "there is predict_proba, and no decision_function",
    "check_classifiers_one_label_sample_weights": "one class is refused, as no answer could be wrong",
    "check_estimators_partial_fit_n_features": "there is no partial_fit; warm_start goes on",
    "check_non_transformer_estimators_n_iter": "there is max_epochs, and no max_iter",
    "check_sample_weight_equivalence_on_dense_data": "texts of weight 0 keep their places in batches",
}


def small(**changes: Any) -> TextCNNClassifier:
    """A classifier of the texts' own words: the shipped tokenizer and vectors take longer to read than it to fit."""
    settings = {"num_filters": 6, "embedding_dim": 12, "kernel_sizes": (2, 3), "max_epochs": 4, "learning_rate": 0.02}
    return TextCNNClassifier(**{**settings, "batch_size": 16, "tokenizer": "word", **changes})


@pytest.fixture(scope="module")
def fitted() -> TextCNNClassifier:
    return small().fit(TEXTS, LABELS)


def test_every_check_of_scikit_learn_is_accounted_for() -> None:
    class OfNumbers(TextCNNClassifier):
        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            tags.input_tags.two_d_array = True  # without it, scikit-learn runs nothing
            return tags

    checks = estimator_checks._yield_all_checks(OfNumbers(), legacy=True)
    names = {(check.func if isinstance(check, functools.partial) else check).__name__ for check in checks}
    assert names - {*AS_IT_IS, *ON_TEXTS, *NOT_APPLICABLE} == set(), "new in scikit-learn"
    assert {*ON_TEXTS, *NOT_APPLICABLE} - names == set(), "gone from scikit-learn"
    assert {name for name in ON_TEXTS.values() if not callable(globals().get(name))} == set()


@pytest.mark.parametrize("name", AS_IT_IS)
def test_as_it_is(name: str) -> None:
    getattr(estimator_checks, name)("TextCNNClassifier", small())


def test_several_columns_of_labels() -> None:
    y = np.stack([LABELS, np.roll(LABELS, 1)], axis=1)
    model = small(max_epochs=1).fit(TEXTS, y)
    assert model.predict(TEXTS).shape == y.shape
    assert model.predict(TEXTS).dtype.kind == y.dtype.kind
    for classes, probabilities in zip(model.classes_, model.predict_proba(TEXTS), strict=True):
        assert probabilities.shape == (len(TEXTS), len(classes))


def test_before_fit() -> None:
    model = small()
    for call in (
        lambda: model.predict(TEXTS),
        lambda: model.predict_proba(TEXTS),
        lambda: model.explain("x"),
        lambda: model.save("x"),
    ):
        with pytest.raises(NotFittedError):
            call()


def test_fit_sets_only_attributes_with_an_underscore() -> None:
    model = small()
    before = model.get_params()
    assert model.fit(TEXTS, LABELS) is model
    assert model.get_params() == before
    new = set(vars(model)) - set(before)
    assert {name for name in new if not name.startswith("_") and not name.endswith("_")} == set()
    assert model.n_features_in_ == 1


def test_fit_again_is_the_same(fitted: TextCNNClassifier) -> None:
    wanted = fitted.predict_proba(TEXTS)
    again = clone(fitted)
    for _ in range(2):
        assert (again.fit(TEXTS, LABELS).predict_proba(TEXTS) == wanted).all()
    alone = make_pipeline(clone(fitted)).fit(TEXTS, LABELS)
    assert (alone.predict_proba(TEXTS) == wanted).all()
    assert alone.score(TEXTS, LABELS) == fitted.score(TEXTS, LABELS)


def test_answering_changes_nothing(fitted: TextCNNClassifier) -> None:
    fitted.predict(TEXTS)
    before = {name: value for name, value in vars(fitted).items() if name != "_classifier"}
    fitted.predict_proba(TEXTS)
    assert {name: value for name, value in vars(fitted).items() if name != "_classifier"}.keys() == before.keys()
    assert all(vars(fitted)[name] is value for name, value in before.items())


def test_neither_order_nor_company_matters(fitted: TextCNNClassifier) -> None:
    wanted = fitted.predict_proba(TEXTS)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    np.testing.assert_allclose(fitted.predict_proba([TEXTS[i] for i in order]), wanted[order], atol=1e-6)
    np.testing.assert_allclose(np.concatenate([fitted.predict_proba([text]) for text in TEXTS]), wanted, atol=1e-6)


def test_pickle(fitted: TextCNNClassifier, tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    assert (textcnn.load(again.save(tmp_path)).predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    # The tables are made again from the files.
    assert fitted._classifier is not None
    assert pickle.loads(pickle.dumps(fitted))._classifier is None
    assert pickle.loads(pickle.dumps(small())).get_params() == small().get_params()


@pytest.mark.parametrize("classes", [["b", "a"], [3, 1], [True, False], [2.0, 5.0], ["x", "y", "z"]])
def test_predict_gives_classes(classes: list[Any]) -> None:
    y = np.array([classes[i % 4 // 2 if len(classes) == 2 else i % 4 % 3] for i in range(len(TEXTS))])
    model = small(max_epochs=25).fit(TEXTS, y)
    assert model.classes_.tolist() == sorted(classes)
    assert model.predict(TEXTS).dtype == y.dtype
    assert model.score(TEXTS, y) > 0.9
    probabilities = model.predict_proba(TEXTS)
    assert probabilities.shape == (len(TEXTS), len(classes))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (model.classes_[probabilities.argmax(axis=1)] == model.predict(TEXTS)).all()


def test_several_labels() -> None:
    both = np.stack([LABELS == "good", ["film" in text for text in TEXTS]], axis=1).astype(int)
    wanted = small().fit(TEXTS, both).predict_proba(TEXTS)
    assert wanted.shape == both.shape
    for form in (both.tolist(), both.astype(bool), pd.DataFrame(both), both.astype(float)):
        model = small().fit(TEXTS, form)
        assert (model.predict_proba(TEXTS) == wanted).all()
        answer = model.predict(TEXTS)
        assert answer.dtype.kind == "i"
        assert (answer == (wanted >= 0.5)).all()


def test_sample_weights_in_any_form() -> None:
    weights = np.where(LABELS == "good", 2.0, 0.5)
    kept = weights.copy()
    wanted = small().fit(TEXTS, LABELS, sample_weight=weights).predict_proba(TEXTS)
    assert (weights == kept).all()
    for form in (weights.tolist(), pd.Series(weights)):
        assert (small().fit(TEXTS, LABELS, sample_weight=form).predict_proba(TEXTS) == wanted).all()
    for bad in (weights[:3], weights[:, None]):
        with pytest.raises(ValueError, match="sample_weight: got shape"):
            small().fit(TEXTS, LABELS, sample_weight=bad)
    for bad in (np.zeros(len(TEXTS)), -weights, weights * np.nan):
        with pytest.raises(ValueError, match=r"sample_weight: got .*; expected .* not all of them zero"):
            small().fit(TEXTS, LABELS, sample_weight=bad)


def test_balanced_class_weights() -> None:
    texts, labels = ["the same"] * 30, np.array(["a"] * 24 + ["b"] * 6)
    plain = small().fit(texts, labels).predict_proba(texts[:1])[0]
    balanced = small(class_weight="balanced").fit(texts, labels).predict_proba(texts[:1])[0]
    assert plain[1] < 0.4 < balanced[1] < 0.6
    between = small(class_weight="sqrt_balanced").fit(texts, labels).predict_proba(texts[:1])[0]
    assert plain[1] < between[1] < balanced[1]


def test_a_column_of_labels() -> None:
    wanted = small().fit(TEXTS, LABELS).predict_proba(TEXTS)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        model = small().fit(TEXTS, LABELS[:, None])
    assert (model.predict_proba(TEXTS) == wanted).all()


def test_read_only_arrays() -> None:
    texts, labels = np.array(TEXTS, dtype=object), LABELS.copy()
    texts.setflags(write=False)
    labels.setflags(write=False)
    assert small().fit(texts, labels).predict(texts).shape == (len(TEXTS),)


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ([], [], "0 sample.s. while a minimum of 1 is required"),
        (TEXTS, ["same"] * len(TEXTS), "one class"),
        (TEXTS, np.linspace(0, 1, len(TEXTS)), "Unknown label type"),
        (TEXTS, None, "requires y to be passed, but the target y is None"),
        (TEXTS, [np.nan, *[1.0] * (len(TEXTS) - 1)], "NaN"),
        (np.zeros((4, 2)), [0, 1, 0, 1], "array of 2 dimensions"),
    ],
)
def test_what_is_refused(texts: Any, labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small().fit(texts, labels)
