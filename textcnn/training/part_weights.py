"""Weights of the two parts of a model, its network and a bag that was trained separately, fitted on validation texts.

The sum of two models that were each fitted on the train texts is too sure of itself, and how much each should count
depends on the data. Two numbers, by which the logits of the parts are multiplied, set both right (stacking: Wolpert
1992, https://doi.org/10.1016/S0893-6080(05)80023-1; with one number: temperature scaling). They are multiplied into the
last layers, so that nothing downstream knows of them: see docs/lab-log.md for what they gain.

Shapes: `N` validation texts, `C` classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_STEPS = 50


@dataclass(frozen=True)
class PartWeights:
    """Factors of the logits of the network and of the bag, and the number of texts that they were fitted on."""

    network: float
    bag: float
    texts: int

    @torch.no_grad()
    def multiply_into(self, model: Any) -> None:
        """Multiply the factors into the last layers of a TextCNNForSequenceClassification with a bag."""
        model.head.weight.mul_(self.network)
        model.head.bias.mul_(self.network)
        last = model.bag.rows if model.bag.output is None else model.bag.output
        last.weight.mul_(self.bag)


def fit_part_weights(network: Tensor, bag: Tensor, labels: Tensor, problem_type: str) -> PartWeights | None:
    """Return the weights that make the labels most likely, or the squared error of numbers smallest.

    The logarithms of the weights have a standard normal prior: few texts change little.

    Args:
        network, bag: Logits [N, C], or standardised numbers.
        labels: Class ids [N], of which those from C on are left out; zeros and ones [N, C]; or standardised numbers.
        problem_type: single_label_classification, multi_label_classification or regression.

    Returns:
        The weights, or None without a text.
    """
    if problem_type == "single_label_classification":
        known = labels < network.shape[1]
        network, bag, labels = network[known], bag[known], labels[known]
    if not len(labels):
        return None
    network, bag = network.double(), bag.double()
    logarithms = torch.zeros(2, dtype=torch.double, requires_grad=True)
    # The variance of the residuals makes a squared error a likelihood.
    noise = (network + bag - labels.view_as(network)).var() if problem_type == "regression" else None

    def negative_log_posterior() -> Tensor:
        factors = logarithms.exp()
        logits = factors[0] * network + factors[1] * bag
        if problem_type == "single_label_classification":
            loss = functional.cross_entropy(logits, labels.long(), reduction="sum")
        elif problem_type == "multi_label_classification":
            loss = functional.binary_cross_entropy_with_logits(logits, labels.double(), reduction="sum")
        else:
            loss = (logits - labels.double().view_as(logits)).square().sum() / (2 * noise)
        return loss + logarithms.square().sum() / 2

    optimizer = torch.optim.LBFGS([logarithms], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        value = negative_log_posterior()
        value.backward()
        return float(value.detach())

    with torch.enable_grad():
        optimizer.step(closure)
    factors = logarithms.detach().exp().tolist()
    return PartWeights(factors[0], factors[1], len(labels))
