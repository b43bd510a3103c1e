"""Ordered levels: the probabilities of C levels from one score, by C - 1 cut points (a cumulative link model).

    P(level <= c) = sigmoid(cut_point[c] - score)

McCullagh 1980, "Regression models for ordinal data", https://doi.org/10.1111/j.2517-6161.1980.tb01109.x. The score is
the one logit of the network, so that it folds as any other.

Shapes: `B` texts, `C` levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

# A level without a text has the cut points of one text in so many.
_RAREST = 1e-4
# Cut points that nothing holds apart stay as far apart, so that float32 can tell them and the loss has a gradient.
_LEAST_DISTANCE = 1e-4


def level_logits(scores: Tensor, cut_points: Tensor) -> Tensor:
    """Return the logarithms of the probabilities of levels, whose softmax is the probabilities: [B, C].

    Args:
        scores: Scores [B, 1].
        cut_points: Increasing cut points [C - 1].
    """
    above = cut_points - scores
    gaps = torch.log(-torch.expm1(-cut_points.diff()))
    return (
        functional.pad(functional.logsigmoid(above), (0, 1))
        + functional.pad(functional.logsigmoid(-above), (1, 0))
        + functional.pad(gaps, (1, 1))
    )


class CutPoints(nn.Module):
    """Increasing cut points, learned as the first one and the logarithms of the distances.

    Args:
        levels: C.
    """

    # Steps of an optimizer are of the size of its rate; cut points lie several units apart.
    SCALE = 10.0

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(levels - 1))

    def forward(self) -> Tensor:
        """Return the cut points [C - 1]."""
        return self.of(self.raw)

    def of(self, raw: Tensor) -> Tensor:
        """Return the cut points [C - 1] of any parameters [C - 1]."""
        first, logarithms = (raw * self.SCALE).split([1, len(raw) - 1])
        distances = logarithms.exp().clamp(min=_LEAST_DISTANCE)
        return torch.cat([first, first + distances.cumsum(0)])

    def values(self) -> list[float]:
        """Return the cut points as numbers; those of a model without weights yet are evenly apart."""
        if self.raw.is_meta:
            return [float(number) for number in range(len(self.raw))]
        found: list[float] = self().detach().tolist()
        return found

    @torch.no_grad()
    def set(self, cut_points: Sequence[float]) -> None:
        """Set the cut points [C - 1], which increase."""
        values = torch.as_tensor(cut_points, dtype=torch.double)
        self.raw.copy_(torch.cat([values[:1], values.diff().log()]) / self.SCALE)


def cut_points_of_counts(counts: Sequence[int]) -> list[float]:
    """Return the cut points at which a score of 0 has the frequencies of the levels as probabilities.

    Example:
        >>> cut_points_of_counts([50, 50])
        [0.0]
    """
    shares = [max(count / max(1, sum(counts)), _RAREST) for count in counts]
    total, below, found = sum(shares), 0.0, []
    for share in shares[:-1]:
        below += share / total
        found.append(math.log(below / (1 - below)))
    return found
