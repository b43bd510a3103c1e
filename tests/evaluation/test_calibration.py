"""Calibration error against torchmetrics, thresholds against scikit-learn, temperature against torch's optimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, precision_score, recall_score
from torch.nn import functional
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from textcnn.evaluation.calibration import (
    _doubted_likelihood,
    abstention_threshold,
    claims,
    cross_fitted_error,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probabilities_of,
    reliability,
    threshold_for,
)


def sample(seed: int = 0, count: int = 400, classes: int = 5, sharpness: float = 3.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(classes, p=row) for row in probabilities])
    return (sharpness * logits).astype(np.float32), targets


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_torchmetrics(seed: int) -> None:
    logits, targets = sample(seed)
    probabilities = torch.tensor(logits).softmax(-1)
    wanted = multiclass_calibration_error(probabilities, torch.tensor(targets), 5, n_bins=15, norm="l1")
    got = expected_calibration_error(*claims(probabilities.numpy(), targets))
    assert got == pytest.approx(float(wanted), abs=1e-6)
    several = np.eye(5, dtype=int)[targets]
    # torchmetrics' own of one label claims the probability of 1, as ours of several labels does.
    wanted = binary_calibration_error(
        torch.tensor(logits).sigmoid().ravel(), torch.tensor(several).ravel(), n_bins=15, norm="l1"
    )
    got = expected_calibration_error(*claims(torch.tensor(logits).sigmoid().numpy(), several))
    assert got == pytest.approx(float(wanted), abs=1e-6)


def test_reliability_has_every_text_once() -> None:
    confidence = np.array([0.0, 0.05, 1 / 15, 0.5, 1.0])
    counts, mean, accuracy = reliability(confidence, np.array([True, False, True, True, False]))
    assert counts.sum() == 5
    assert counts[0] == 3
    assert mean[-1] == 1
    assert accuracy[-1] == 0
    assert np.isnan(accuracy[1])


def test_temperature_is_that_of_the_logits() -> None:
    # Labels drawn from softmax(logits / 3): so many of them have 3 for their best temperature.
    logits, targets = sample(count=20_000)
    assert fit_temperature(logits, targets) == pytest.approx(3.0, rel=0.05)
    # In float64: in float32 it stops where the loss no longer changes, which differs from one processor to the next.
    temperature = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([temperature], lr=0.1, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(torch.tensor(logits, dtype=torch.float64) / temperature, torch.tensor(targets))
        value.backward()
        return value

    optimizer.step(loss)
    assert fit_temperature(logits, targets) == pytest.approx(float(temperature.detach()), rel=1e-3)


def test_few_texts_that_are_all_right_are_no_certainty() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 36)
    logits = np.eye(2)[targets] * 0.3 + rng.normal(0, 0.05, (36, 2))
    assert (logits.argmax(axis=1) == targets).all()
    calibrated = probabilities_of(logits / fit_temperature(logits, targets), False).max(axis=1)
    assert 0.9 < calibrated.mean() < 0.98, "about 37 of 38"
    several = np.eye(2)[targets]
    calibrated = probabilities_of((logits - 0.15) / fit_temperature(logits - 0.15, several), True)
    assert 0.9 < np.abs(calibrated - (1 - several)).mean() < 0.99
    # Enough texts speak for themselves.
    logits, targets = sample()
    assert len(logits) > 200
    assert fit_temperature(logits[:199], targets[:199]) == pytest.approx(fit_temperature(logits, targets), rel=0.3)


@pytest.mark.parametrize("classes", [2, 5])
def test_doubt_is_torchs_label_smoothing(classes: int) -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(0, 2, (50, classes)), rng.integers(0, classes, 50)
    # torch spreads over all classes, the label's own among them.
    smoothing = 0.1 * classes / (classes - 1)
    wanted = functional.cross_entropy(torch.tensor(logits), torch.tensor(targets), label_smoothing=smoothing)
    assert _doubted_likelihood(logits, targets, 0.1) == pytest.approx(float(wanted), rel=1e-6)


def test_a_cross_fitted_error_is_that_of_new_texts() -> None:
    logits, targets = sample()
    error = cross_fitted_error(logits, targets)
    assert error is not None
    calibrated = probabilities_of(logits / fit_temperature(logits, targets), False)
    assert error == pytest.approx(expected_calibration_error(*claims(calibrated, targets)), abs=0.02)
    assert cross_fitted_error(logits[:9], targets[:9]) is None


def test_likelihood_is_torchs() -> None:
    logits, targets = sample()
    wanted = functional.cross_entropy(torch.tensor(logits), torch.tensor(targets))
    assert negative_log_likelihood(logits.astype(float), targets) == pytest.approx(float(wanted), rel=1e-6)
    several = np.eye(5)[targets]
    wanted = functional.binary_cross_entropy_with_logits(torch.tensor(logits).double(), torch.tensor(several))
    assert negative_log_likelihood(logits.astype(float), several.astype(int)) == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.random(200).round(2)  # with ties
    targets = rng.random(200) < probabilities
    every = np.append(np.unique(probabilities), 0.0)

    def scored(measure, threshold):
        return measure(targets, probabilities >= threshold, zero_division=0)

    best = max(scored(f1_score, t) for t in every)
    assert scored(f1_score, threshold_for(probabilities, targets, "f1")) == pytest.approx(best)
    found = threshold_for(probabilities, targets, "precision", 0.8)
    assert scored(precision_score, found) >= 0.8
    reached = [scored(recall_score, t) for t in every if scored(precision_score, t) >= 0.8]
    assert scored(recall_score, found) == pytest.approx(max(reached))
    found = threshold_for(probabilities, targets, "recall", 0.9)
    assert scored(recall_score, found) >= 0.9
    assert found >= max(t for t in every if scored(recall_score, t) >= 0.9) - 0.011


def test_thresholds_that_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="no text of the data has this label"):
        threshold_for(np.array([0.5]), np.array([False]), "f1", label="x")
    with pytest.raises(ValueError, match=r"precision of 0\.9; the highest is 0\.5"):
        threshold_for(np.array([0.5, 0.5]), np.array([False, True]), "precision", 0.9, "x")


@pytest.mark.parametrize("seed", range(5))
def test_abstention_keeps_as_many_as_it_can(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.integers(0, 30, 300) / 10
    right = rng.random(300) < 0.4 + sure / 6
    kept = sure >= abstention_threshold(sure, right, accuracy=0.8)
    assert right[kept].mean() >= 0.8
    larger = [right[sure >= t].mean() for t in np.unique(sure) if (sure >= t).sum() > kept.sum()]
    assert max(larger, default=0) < 0.8
    kept = sure >= abstention_threshold(sure, right, coverage=0.7)
    assert kept.mean() >= 0.7
    assert (sure > sure[kept].min()).mean() < 0.7
    assert (sure >= abstention_threshold(sure, right, coverage=1.0)).all()
    with pytest.raises(ValueError, match="ask for less"):
        abstention_threshold(sure, np.zeros(300, dtype=bool), accuracy=0.5)
