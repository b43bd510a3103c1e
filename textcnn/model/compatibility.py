"""Combinations of settings that no network has, refused by name.

An `Architecture` is given as any object with its fields.
"""

from __future__ import annotations

import difflib
from typing import Any

BACKBONES = ("parallel", "pyramid", "dilated")
POOLINGS = ("max", "segments", "max_mean")
NUMBER_LOSSES = ("mse", "huber")

# Settings of the parallel convolutions alone, with the value that a deep backbone leaves them at.
_PARALLEL = {
    "kernel_sizes": [3, 4, 5],
    "num_members": 1,
    "stride": 1,
    "dilation": 1,
    "padding": "wide",
    "activation": "relu",
    "pooling": "max",
    "num_experts": 1,
}
# Ways to find the weights of classes from their frequencies.
CLASS_WEIGHTS = ("balanced", "sqrt_balanced")
# Settings of labels, with the value that a regression leaves them at.
_LABELS = {"class_weights": None, "label_smoothing": 0.0, "temperature": 1.0, "thresholds": None, "abstention": None}


def check_backbone(architecture: Any) -> None:
    """Raise ValueError at the first setting that does not go with the backbone."""
    backbone = architecture.backbone
    if architecture.pooling != "max" and architecture.pooled_norm:
        raise ValueError(
            f"pooled_norm: got true with the pooling {architecture.pooling}; expected false, as the norm is one over "
            "the maxima; leave it out"
        )
    if backbone == "parallel":
        if architecture.squeeze_excitation:
            raise ValueError(
                "squeeze_excitation: got true with the backbone parallel; expected pyramid or dilated, as gates do not "
                "fold into tables; set backbone"
            )
        return
    for name, default in _PARALLEL.items():
        value = getattr(architecture, name)
        if value != default:
            raise ValueError(
                f"{name}: got {value!r} with the backbone {backbone}; expected {default!r}, as the setting is one of "
                "the backbone parallel; leave it out"
            )
    if isinstance(architecture.num_filters, list):
        raise ValueError(
            f"num_filters: got {architecture.num_filters} with the backbone {backbone}; expected one number, the "
            "channels of every block"
        )


def check_experts(architecture: Any) -> None:
    """Raise ValueError at the first setting that does not go with a mixture of experts."""
    experts = architecture.num_experts
    if architecture.experts_per_text > experts:
        raise ValueError(
            f"experts_per_text: got {architecture.experts_per_text}; expected at most num_experts ({experts}); lower it"
        )
    if architecture.balance_weight < 0:
        raise ValueError(f"balance_weight: got {architecture.balance_weight}; expected a number from 0, such as 0.01")
    if experts == 1:
        return
    for name, default in (("pooling", "max"), ("num_members", 1), ("pooled_norm", False)):
        value = getattr(architecture, name)
        if value != default:
            raise ValueError(
                f"{name}: got {value!r} with {experts} experts; expected {default!r}, as banks have one feature a "
                "filter; leave it out"
            )


def check_problem(config: Any) -> None:
    """Raise ValueError at the first setting that does not go with the problem type of a TextCNNConfig."""
    if config.problem_type != "regression":
        check_number_loss(config, f"problem_type {config.problem_type}")
        return
    for name, value in _LABELS.items():
        if getattr(config, name) != value:
            raise ValueError(
                f"{name}: got {getattr(config, name)} with problem_type regression, whose answers are numbers; "
                f"expected {value}; leave it out"
            )


def check_class_weights(weights: Any, num_labels: int | None = None) -> None:
    """Raise ValueError unless weights of classes are finite numbers, one for each label, or a way to find them.

    Args:
        weights: The weights, or None.
        num_labels: Labels of a TextCNNConfig, which holds numbers. Default: not known yet.
    """
    if weights is None or (weights in CLASS_WEIGHTS and num_labels is None):
        return
    if isinstance(weights, str) or any(not 0 <= weight < float("inf") for weight in weights):
        words = "" if num_labels is not None else f"{', '.join(CLASS_WEIGHTS)}, none or "
        raise ValueError(f"class_weights: got {weights!r}; expected {words}finite numbers of 0 or more")
    if num_labels is not None and len(weights) != num_labels:
        raise ValueError(f"class_weights: got {len(weights)} numbers; expected one for each of the {num_labels} labels")


def check_number_loss(config: Any, kind: str) -> None:
    """Raise ValueError where the loss is one of numbers, and the targets are none."""
    if config.loss != "mse":
        raise ValueError(
            f"loss: got {config.loss} with {kind}; expected mse, the default, as it is a loss of numbers; leave it "
            "out, or set problem_type to regression"
        )


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless a value is one of those allowed; the nearest is named."""
    if value not in allowed:
        nearest = difflib.get_close_matches(str(value), allowed, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"{name}: got {value!r}; expected one of {', '.join(allowed)}{hint}")


def at_least_one(name: str, value: object) -> None:
    """Raise ValueError unless a value is a whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: got {value!r}; expected a whole number of at least 1")


def checks_without(config: type, field: str) -> dict[str, Any]:
    """Return the checks of types that a class of transformers makes, as far as it does, without those of a field."""
    return {name: own for name, own in getattr(config, "__validators__", {}).items() if name != field}
