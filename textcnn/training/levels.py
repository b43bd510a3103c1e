"""Training on ordered levels: where cut points start, what is fitted at the end, and the scores.

Shapes: `B` texts of a batch, `N` validation texts, `C` levels.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.regression import SpearmanCorrCoef

from ..model.ordinal import CutPoints, level_logits
from .part_weights import PartWeights

_STEPS = 100


class LevelConfusion(Metric):
    """Base of scores from counts of (level, predicted level); texts with a level that train lacks are left out.

    Args:
        levels: C.
    """

    full_state_update = False
    confusion: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.add_state("confusion", torch.zeros(levels, levels, dtype=torch.double), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add texts: logits [B, C] or more, and levels [B]."""
        known = target < self.levels
        given = preds[known, : self.levels].argmax(dim=1)
        codes = torch.bincount(target[known] * self.levels + given, minlength=self.levels**2)
        self.confusion += codes.view(self.levels, self.levels)

    def _mean(self, weights: Tensor, of: Tensor) -> Tensor:
        return (weights * of).sum() / of.sum().clamp(min=1e-12)

    def _distance(self) -> Tensor:
        place = torch.arange(self.levels, dtype=torch.double, device=self.confusion.device)
        return (place[:, None] - place).abs()


class LevelError(LevelConfusion):
    """Mean absolute error of the predicted level, in levels."""

    def compute(self) -> Tensor:
        """Return the error."""
        return self._mean(self._distance(), self.confusion).float()


class QuadraticKappa(LevelConfusion):
    """Cohen's kappa with quadratic weights (Cohen 1968, https://doi.org/10.1037/h0026256)."""

    def compute(self) -> Tensor:
        """Return 1 - error / error by chance; 0 where chance makes none."""
        weights = self._distance().square()
        chance = self.confusion.sum(dim=1)[:, None] * self.confusion.sum(dim=0)
        expected = self._mean(weights, chance)
        found = 1 - self._mean(weights, self.confusion) / expected.clamp(min=1e-12)
        return torch.where(expected > 0, found, torch.zeros_like(found)).float()


class LevelSpearman(SpearmanCorrCoef):
    """Spearman's rank correlation of the expected place with the level.

    Args:
        levels: C.
    """

    def __init__(self, levels: int) -> None:
        with warnings.catch_warnings():
            # It keeps the numbers of the split, one a text.
            warnings.filterwarnings("ignore", message="Metric `Spearman")
            super().__init__()
        self.levels = levels

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add texts: logits [B, C] or more, and levels [B]."""
        known = target < self.levels
        place = torch.arange(self.levels, dtype=preds.dtype, device=preds.device)
        super().update(preds[known, : self.levels].softmax(dim=1) @ place, target[known].to(preds.dtype))


def level_metrics(levels: int, macro_f1: Metric, prefix: str) -> MetricCollection:
    """Return the metrics of ordered levels.

    Args:
        levels: C.
        macro_f1: Metric of macro-F1.
        prefix: Prefix of their names, such as "val_".
    """
    found = {
        "accuracy": MulticlassAccuracy(levels + 1, average="micro"),
        "macro_f1": macro_f1,
        "mae": LevelError(levels),
        "quadratic_kappa": QuadraticKappa(levels),
        "spearman": LevelSpearman(levels),
    }
    # Each has its own state: those of one kind would share it.
    return MetricCollection(found, prefix=prefix, compute_groups=False)


def fit_levels(network: Tensor, bag: Tensor, levels: Tensor, points: CutPoints) -> PartWeights | None:
    """Fit the weights of network and bag, and the cut points of their sum, which are set.

    The logarithms of the weights, and the shifts of the cut points, have a standard normal prior: see `part_weights`.

    Args:
        network, bag: Scores [N, 1].
        levels: Levels [N]; those outside 0 to C - 1 are left out.
        points: The cut points of the levels, those of a model or of a head.

    Returns:
        The weights, or None without a text.
    """
    known = (levels >= 0) & (levels <= len(points.raw))
    network, bag, levels = network[known].double(), bag[known].double(), levels[known].long()
    if not len(levels):
        return None
    start = points.raw.detach().double()
    logarithms = torch.zeros(2, dtype=torch.double, requires_grad=True)
    shifts = torch.zeros_like(start, requires_grad=True)
    moved = CutPoints(len(start) + 1).double()
    optimizer = torch.optim.LBFGS([logarithms, shifts], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        factors = logarithms.exp()
        raw = start + shifts / CutPoints.SCALE
        found = level_logits(factors[0] * network + factors[1] * bag, moved.of(raw))
        loss = functional.nll_loss(found, levels, reduction="sum")
        loss = loss + (logarithms.square().sum() + shifts.square().sum()) / 2
        loss.backward()
        return float(loss.detach())

    with torch.enable_grad():
        optimizer.step(closure)
    with torch.no_grad():
        points.raw.copy_(start + shifts / CutPoints.SCALE)
        one, other = logarithms.exp().tolist()
    return PartWeights(one, other, len(levels))
