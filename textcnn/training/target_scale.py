"""Scale of the numbers that a regression learns.

The network learns standardised numbers: of mean 0 and standard deviation 1 in the train split. At the end, scale and
shift are multiplied into its last layer, so that its logits are the numbers.

Shapes: `B` texts, `K` numbers of a text.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..settings import OptimizationSettings


class TargetScale(nn.Module):
    """Mean and standard deviation of the numbers of the train split; part of each checkpoint.

    Example:
        >>> scale = TargetScale()
        >>> scale.set(10.0, 2.0)
        >>> scale.standardized(torch.tensor([12.0])), scale.restored(torch.tensor([1.0]))
        (tensor([1.]), tensor([12.]))
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("deviation", torch.tensor(1.0))

    def set(self, mean: float, deviation: float) -> None:
        """Set mean and standard deviation."""
        self.mean.fill_(mean)
        self.deviation.fill_(deviation)

    def standardized(self, numbers: Tensor) -> Tensor:
        """Return numbers in standard deviations from the mean."""
        return (numbers - self.mean) / self.deviation

    def restored(self, standardized: Tensor) -> Tensor:
        """Return the numbers of standardised ones."""
        return standardized * self.deviation + self.mean

    @torch.no_grad()
    def multiply_into(self, model: Any) -> None:
        """Change a model of standardised numbers into one of the numbers, and set the scale to 0 and 1.

        Args:
            model: A TextCNNForSequenceClassification.
        """
        self._rescale(model, self.deviation, self.mean)
        self.set(0.0, 1.0)

    @torch.no_grad()
    def divide_out_of(self, model: Any) -> None:
        """Change a model of numbers into one of standardised numbers, from which training goes on."""
        self._rescale(model, 1 / self.deviation, -self.mean / self.deviation)

    @staticmethod
    def _rescale(model: Any, factor: Tensor, shift: Tensor) -> None:
        model.head.weight.mul_(factor)
        model.head.bias.mul_(factor).add_(shift)
        if model.bag is not None:
            last = model.bag.rows if model.bag.output is None else model.bag.output
            last.weight.mul_(factor)


def refuse_label_settings(rates: OptimizationSettings) -> None:
    """Raise ValueError where a setting needs labels that a regression has not."""
    for name in ("naive_bayes", "contrastive_weight"):
        if getattr(rates, name):
            raise ValueError(
                f"{name}: got {getattr(rates, name)} with problem_type regression; expected 0, as it needs labels; "
                "set it to 0"
            )
    if rates.bag_start == "naive_bayes":
        raise ValueError(
            "bag_start: got naive_bayes with problem_type regression, which has no labels to count; expected linear or "
            "zero"
        )
