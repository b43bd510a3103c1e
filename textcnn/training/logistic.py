"""Logistic regression of sparse features, and the choice of its regularization.

scikit-learn's takes seven times as long where there are many classes, as its products are those of float64 and of one
thread, and it fits the classes of several labels a text one after the other.

Shapes: `N` texts, `K` features, `C` classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Inverse regularisation strengths to choose from, from strong to weak: scikit-learn's C times the mean square of the
# length of a text's features. docs/lab-log.md has what each gave.
INVERSE_STRENGTHS = (1.0, 4.0, 16.0, 64.0, 256.0)
# Texts below which there is no choice, and most texts that it is made with; most numbers of these texts, features times
# classes, so that a choice takes seconds. A fifth of the texts is held out, and so are other fifths in turn until these
# many texts were: of 2,862 texts of irony, three fifths chose 1, 16 and 1.
_FEWEST, _MOST, _FOLDS, _HELD_OUT = 1000, 20_000, 5, 3000
_MOST_NUMBERS = 200_000_000
# Most weights, features times classes, of which there is a choice: five fits of 27 million took 137 s.
_MOST_WEIGHTS = 10_000_000
# It is a start: where a few steps more would go does not matter.
_ITERATIONS, _GRADIENT, _HISTORY = 40, 1e-4, 5


@dataclass(frozen=True)
class Logistic:
    """Logits of a linear model: weights float32 [K, C] of the features, and bias [C]."""

    weights: Tensor
    bias: Tensor


class _Matrix:
    """A sparse matrix [R, S] whose products with dense ones [S, C] take torch's threads and float32."""

    def __init__(self, matrix: Any) -> None:
        matrix = matrix.tocsr()
        self.columns = torch.from_numpy(matrix.indices.astype(np.int64))
        self.values = torch.from_numpy(matrix.data.astype(np.float32))
        self.offsets = torch.from_numpy(matrix.indptr.astype(np.int64))

    def times(self, dense: Tensor) -> Tensor:
        return functional.embedding_bag(
            self.columns, dense, self.offsets, mode="sum", per_sample_weights=self.values, include_last_offset=True
        )


@torch.no_grad()
def fit_logistic(
    features: Any,
    targets: np.ndarray,
    classes: int,
    inverse_strength: float,
    intercept: bool,
    start: Logistic | None = None,
) -> Logistic:
    """Return the linear model that makes the targets most likely, with an L2 penalty on its weights.

    Args:
        features: Sparse matrix [N, K].
        targets: Class ids [N], or zeros and ones [N, C] of classes that do not exclude each other.
        classes: C.
        inverse_strength: Inverse of the strength of the penalty, in units of INVERSE_STRENGTHS.
        intercept: Fit the bias, which has no penalty; else it is 0.
        start: Model to start from. Default: zeros.
    """
    count, several = features.shape[0], targets.ndim == 2
    rows, columns = _Matrix(features), _Matrix(features.T)
    wanted = _indicator(targets, classes)
    penalty = _mean_square(features) / (inverse_strength * count)
    weights = torch.zeros(features.shape[1], classes) if start is None else start.weights.clone()
    bias = torch.zeros(classes) if start is None else start.bias.clone()
    optimizer = torch.optim.LBFGS(
        [weights, bias] if intercept else [weights],
        max_iter=_ITERATIONS,
        max_eval=_ITERATIONS * 5 // 4,
        tolerance_grad=_GRADIENT,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        logits = rows.times(weights) + bias
        loss = _losses(logits, wanted, several)
        difference = ((logits.sigmoid() if several else logits.softmax(dim=1)) - wanted) / count
        weights.grad = columns.times(difference).add_(weights, alpha=penalty)
        bias.grad = difference.sum(dim=0)
        # The line search compares losses that differ in the seventh digit.
        return float(loss.sum(dtype=torch.double) / count + penalty / 2 * weights.square().sum(dtype=torch.double))

    optimizer.step(closure)
    return Logistic(weights, bias)


def chosen_inverse_strength(features: Any, targets: np.ndarray, classes: int, intercept: bool) -> float:
    """Return the one of INVERSE_STRENGTHS whose scaled logits make held-out texts most likely.

    With few texts, or very many weights, there is no choice: it is the last one.
    Logits are scaled, as the weight of a bag is fitted at the end of a run: what counts is which texts they tell apart.

    Args:
        features, targets, classes, intercept: As of `fit_logistic`.
    """
    count = features.shape[0]
    if count < _FEWEST or features.shape[1] * classes > _MOST_WEIGHTS:
        return INVERSE_STRENGTHS[-1]
    numbers = features.nnz / count * classes
    most = min(_MOST, max(_FEWEST, int(_MOST_NUMBERS / max(numbers, 1))))
    order = np.random.default_rng(0).permutation(count)[:most]
    folds = np.arange(len(order)) % _FOLDS
    losses = np.zeros(len(INVERSE_STRENGTHS))
    for fold in range(min(_FOLDS, -(-_HELD_OUT * _FOLDS // min(count, _MOST)))):
        held, kept = np.sort(order[folds == fold]), np.sort(order[folds != fold])
        found = None
        for place, inverse_strength in enumerate(INVERSE_STRENGTHS):
            found = fit_logistic(features[kept], targets[kept], classes, inverse_strength, intercept, found)
            logits = _Matrix(features[held]).times(found.weights) + found.bias
            losses[place] += _scaled_loss(logits, _indicator(targets[held], classes), targets.ndim == 2)
    return INVERSE_STRENGTHS[int(np.argmin(losses))]


def _scaled_loss(logits: Tensor, wanted: Tensor, several: bool) -> float:
    """Return the smallest mean loss of logits [N, C] times a number."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        return float(_losses(logits * float(np.exp(logarithm)), wanted, several).mean())

    return float(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").fun)


def _losses(logits: Tensor, wanted: Tensor, several: bool) -> Tensor:
    """Return the share [N, C] of each logit in the loss, which is their sum."""
    if several:
        return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return -(logits.log_softmax(dim=1) * wanted)


def _indicator(targets: np.ndarray, classes: int) -> Tensor:
    """Return zeros and ones [N, C]."""
    if targets.ndim == 2:
        return torch.from_numpy((targets > 0).astype(np.float32))
    return functional.one_hot(torch.from_numpy(targets.astype(np.int64)), classes).float()


def _mean_square(features: Any) -> float:
    """Return the mean square of the length of the rows."""
    return float(features.multiply(features).sum()) / features.shape[0]
