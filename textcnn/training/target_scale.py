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

    Args:
        logits: Number of logits of a model with several heads, each of which has its own scale; None for one scale.

    Example:
        >>> scale = TargetScale()
        >>> scale.set(10.0, 2.0)
        >>> scale.standardized(torch.tensor([12.0])), scale.restored(torch.tensor([1.0]))
        (tensor([1.]), tensor([12.]))
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, logits: int | None = None) -> None:
        super().__init__()
        shape = () if logits is None else (logits,)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def set(self, mean: Any, deviation: Any) -> None:
        """Set mean and standard deviation: numbers, or those of each logit [C]."""
        self.mean.copy_(torch.as_tensor(mean))
        self.deviation.copy_(torch.as_tensor(deviation))

    def of(self, columns: slice) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of some logits."""
        return (self.mean, self.deviation) if self.mean.ndim == 0 else (self.mean[columns], self.deviation[columns])

    def standardized(self, numbers: Tensor, columns: slice = slice(None)) -> Tensor:
        """Return numbers in standard deviations from the mean.

        Args:
            numbers: Numbers [B] or [B, K].
            columns: Logits of the head whose numbers these are.
        """
        mean, deviation = self.of(columns)
        return (numbers - mean) / deviation

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
        self.set(torch.zeros_like(self.mean), torch.ones_like(self.deviation))

    @torch.no_grad()
    def divide_out_of(self, model: Any) -> None:
        """Change a model of numbers into one of standardised numbers, from which training goes on."""
        self._rescale(model, 1 / self.deviation, -self.mean / self.deviation)

    @staticmethod
    def _rescale(model: Any, factor: Tensor, shift: Tensor) -> None:
        rows = factor.reshape(-1, 1)
        model.head.weight.mul_(rows)
        model.head.bias.mul_(factor).add_(shift)
        if model.bag is not None:
            if model.bag.output is None:
                model.bag.rows.weight.mul_(factor)
            else:
                model.bag.output.weight.mul_(rows)


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
