"""Ordered levels: the probabilities of C levels from one score, by C - 1 cut points (a cumulative link model).

Levels are all labels of a model (`CutPoints`), or those of some of its heads (`HeadCutPoints`).

    P(level <= c) = sigmoid(cut_point[c] - score)

McCullagh 1980, "Regression models for ordinal data", https://doi.org/10.1111/j.2517-6161.1980.tb01109.x. The score is
the one logit of the network, so that it folds as any other.

Shapes: `B` texts, `C` levels, `S` outputs of all heads, `L` labels of all heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .head_columns import ORDINAL, head_slices, label_slices

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

    def logits(self, scores: Tensor, config: Any) -> Tensor:
        """Return the logits [B, C] of scores [B, 1], which are divided by the temperature of the config."""
        return level_logits(scores, self() / config.temperature)

    def start(self, counts: Sequence[int], config: Any) -> None:
        """Set the cut points to the frequencies of the levels, of which `counts` are the train texts."""
        self.set(cut_points_of_counts(counts))

    def store(self, config: Any) -> None:
        """Write the cut points into a config."""
        config.cut_points = self.values()


class HeadCutPoints(nn.ModuleDict):
    """The cut points of each head of ordered levels, by the place of the head in the config.

    Args:
        heads: Heads of the config.
    """

    def __init__(self, heads: Sequence[Any]) -> None:
        ordered = {n: head for n, head in enumerate(heads) if head["problem_type"] == ORDINAL}
        super().__init__({str(n): CutPoints(len(head["labels"])) for n, head in ordered.items()})

    def of_head(self, number: int) -> CutPoints | None:
        """Return the cut points of a head, None of one without levels."""
        points: CutPoints | None = dict(self.items()).get(str(number))
        return points

    def logits(self, scores: Tensor, config: Any) -> Tensor:
        """Return the logits [B, L] of all heads from the outputs [B, S]: of levels, at the temperature of their head.

        The others stay as they are, before their temperatures.
        """
        parts = []
        for number, (head, own) in enumerate(head_slices(config.heads)):
            points, temperature = self.of_head(number), head.get("temperature") or 1.0
            part = scores[:, own]
            parts.append(part if points is None else level_logits(part / temperature, points() / temperature))
        return torch.cat(parts, dim=1)

    def start(self, counts: Sequence[int], config: Any) -> None:
        """Set the cut points to the frequencies of the levels, of which `counts` [L] are the train texts."""
        for number, (_, own) in enumerate(label_slices(config.heads)):
            if (points := self.of_head(number)) is not None:
                points.set(cut_points_of_counts(counts[own]))

    def store(self, config: Any) -> None:
        """Write the cut points into the heads of a config."""
        for number, head in enumerate(config.heads):
            if (points := self.of_head(number)) is not None:
                head["cut_points"] = points.values()


def cut_points_of(config: Any) -> CutPoints | HeadCutPoints | None:
    """Return new cut points for a TextCNNConfig, None without ordered levels; a config without any gets theirs."""
    found: CutPoints | HeadCutPoints
    if config.heads is not None:
        found = HeadCutPoints(config.heads)
        missing = [head for head in config.heads if head["problem_type"] == ORDINAL and not head.get("cut_points")]
        if not len(found):
            return None
    elif config.problem_type == ORDINAL:
        found, missing = CutPoints(config.num_labels), [] if config.cut_points else [config]
    else:
        return None
    if missing:
        found.store(config)
    return found


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
