"""Logistic regression of sparse features against scikit-learn's, and the choice of its regularization."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, random_array
from sklearn.linear_model import LogisticRegression

from textcnn.training import logistic
from textcnn.training.logistic import INVERSE_STRENGTHS, Logistic, chosen_inverse_strength, fit_logistic


def made(count: int, kinds: int, classes: int, noise: float) -> tuple[csr_matrix, np.ndarray]:
    """Sparse features and the classes of a linear model of them, of which a fraction `noise` is drawn at random."""
    rng = np.random.default_rng(0)
    features = csr_matrix(random_array((count, kinds), density=0.1, rng=rng))
    labels = np.asarray(features @ rng.normal(size=(kinds, classes))).argmax(axis=1)
    drawn = rng.random(count) < noise
    labels[drawn] = rng.integers(0, classes, drawn.sum())
    return features, labels


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("several", [True, False])
def test_it_is_that_of_scikit_learn(several: bool, intercept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "_ITERATIONS", 500)
    monkeypatch.setattr(logistic, "_GRADIENT", 1e-7)
    features, labels = made(400, 30, 3, noise=0.2)
    targets = np.eye(3)[labels] if several else labels
    strength = 4.0
    found = fit_logistic(features, targets, 3, strength, intercept)
    inverse = strength / (features.multiply(features).sum() / 400)
    wanted = np.zeros((400, 3))
    for own, label in [(targets[:, c], c) for c in range(3)] if several else [(labels, slice(None))]:
        model = LogisticRegression(C=inverse, max_iter=5000, tol=1e-9, fit_intercept=intercept).fit(features, own)
        wanted[:, label] = model.decision_function(features)
    answered = features @ found.weights.numpy() + found.bias.numpy()
    if not several:  # a number that is added to all logits of a text changes nothing
        answered = answered - answered.mean(axis=1, keepdims=True)
        wanted = wanted - wanted.mean(axis=1, keepdims=True)
    assert np.abs(answered).max() > 1
    np.testing.assert_allclose(answered, wanted, atol=2e-3)
    assert bool(found.bias.any()) is intercept


def test_a_start_leads_to_the_same_model_and_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "_ITERATIONS", 500)
    monkeypatch.setattr(logistic, "_GRADIENT", 1e-7)
    features, labels = made(400, 30, 3, noise=0.2)
    start = Logistic(torch.ones(30, 3), torch.tensor([1.0, 0.0, -1.0]))
    from_zero, from_start = (fit_logistic(features, labels, 3, 4.0, True, given) for given in (None, start))
    torch.testing.assert_close(from_zero.weights, from_start.weights, atol=2e-3, rtol=1e-3)
    assert (start.weights == 1).all()
    assert start.bias.tolist() == [1, 0, -1]


@pytest.mark.parametrize("several", [True, False])
def test_labels_that_are_drawn_at_random_want_a_strong_penalty(several: bool) -> None:
    strengths = []
    for noise in (0.0, 0.7):
        features, labels = made(3000, 400, 3, noise)
        strengths.append(chosen_inverse_strength(features, np.eye(3)[labels] if several else labels, 3, False))
    assert strengths[0] > 4 * strengths[1], strengths
    assert strengths[1] in INVERSE_STRENGTHS[:2]


def test_the_choice_is_the_best_on_other_texts() -> None:
    features, labels = made(6000, 400, 3, noise=0.4)
    chosen = chosen_inverse_strength(features[:1500], labels[:1500], 3, False)

    def accuracy(inverse_strength: float) -> float:
        model = fit_logistic(features[:1500], labels[:1500], 3, inverse_strength, False)
        return float((np.argmax(features[1500:] @ model.weights.numpy(), axis=1) == labels[1500:]).mean())

    assert accuracy(chosen) > accuracy(INVERSE_STRENGTHS[-1]) + 0.01


def test_few_texts_and_very_many_weights_leave_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = made(3000, 400, 3, noise=0.7)
    assert chosen_inverse_strength(features[:999], labels[:999], 3, False) == INVERSE_STRENGTHS[-1]
    monkeypatch.setattr(logistic, "_MOST_WEIGHTS", 1199)
    assert chosen_inverse_strength(features, labels, 3, False) == INVERSE_STRENGTHS[-1]
    monkeypatch.setattr(logistic, "_MOST_WEIGHTS", 1200)
    assert chosen_inverse_strength(features, labels, 3, False) < INVERSE_STRENGTHS[-1]
