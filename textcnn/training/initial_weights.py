"""The network and the weights that training starts from: those of another run, up to its head.

A mixture of experts also starts from a network of one bank ("sparse upcycling", Komatsuzaki et al. 2023,
https://arxiv.org/abs/2212.05055): each bank begins as a copy of it, and only the router is new.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..artifact import check_finite_weights, verified_config
from ..errors import listed, one_line
from ..model import Architecture

# What a new run chooses for itself; all else is a matter of the weights.
FREE = (
    "variant", "embedding_dropout", "dropout", "head_max_norm", "class_weights", "label_smoothing", "loss",
    "huber_delta", "bag", "bag_ngrams", "bag_buckets", "bag_dim", "balance_weight",
)  # fmt: skip
# What a mixture may choose that starts from one bank.
FREE_UPCYCLED = ("num_experts", "experts_per_text")
# Names of weights of one bank, of all banks and of the router begin like this.
BANK, BANKS, ROUTER = "convolution.", "convolution.banks.", "convolution.router."


def initial_architecture(directory: str | Path, architecture: Architecture, vocab_size: int) -> Architecture:
    """Return an architecture whose fields are those of another run, where the weights depend on them.

    Args:
        directory: The other run.
        architecture: The wanted network; a field at its default takes the other run's value.
        vocab_size: Tokens of the tokenizer.

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: It holds no weights, a file of it is damaged, or a field or the tokenizer is another than the run's.
    """
    config = verified_config(directory)
    theirs_size = config.get("vocab_size", 0)
    if vocab_size != theirs_size:
        raise ValueError(
            f"init: got {directory}, a network of {theirs_size:,} tokens, and a tokenizer of {vocab_size:,}; "
            f"expected its own tokenizer; give tokenizer (--tokenizer) {directory}"
        )
    default = Architecture()
    upcycled = config.get("num_experts", 1) == 1 < architecture.num_experts
    free = FREE + FREE_UPCYCLED if upcycled else FREE
    taken: dict[str, Any] = {}
    for field in dataclasses.fields(Architecture):
        if field.name in free:
            continue
        theirs = config.get(field.name, getattr(default, field.name))
        ours = getattr(architecture, field.name)
        if ours not in (theirs, getattr(default, field.name)):
            raise ValueError(
                f"{field.name}: got {ours}, and {theirs} in {directory}; expected the same, as its weights depend on "
                f"it; leave out {field.name}"
            )
        taken[field.name] = theirs
    channels = ("multichannel",) if config.get("variant") == "multichannel" else ("random", "static", "non-static")
    if architecture.variant not in channels:
        variant = config["variant"] if architecture.variant == default.variant else architecture.variant
        if variant not in channels:
            raise ValueError(f"variant: got {variant!r} with {directory}; expected one of {listed(channels)}")
        taken["variant"] = variant
    return dataclasses.replace(architecture, **taken)


def load_initial_weights(network: nn.Module, directory: str | Path) -> None:
    """Copy the weights of a run into a TextCNNModel; those of its head are left.

    A mixture of experts takes the weights of one bank for each of its banks.

    Raises:
        ValueError: The weights are those of another network, not finite, or their file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    prefix, file = "textcnn.", Path(directory) / "model.safetensors"
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ValueError(f"init: {file} cannot be read ({one_line(error)}); copy it again") from error
    check_finite_weights(weights, f"init: copy {file} again")
    own = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if hasattr(network.convolution, "banks") and not any(name.startswith(BANKS) for name in own):
        own = _each_bank(own, network.state_dict())
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(
            f"init: got {directory}, whose weights do not fit this network ({' '.join(str(error).split())[:200]}); "
            "expected those of its config.json; copy the directory again"
        ) from error


def _each_bank(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a mixture of experts, by those of one bank and the mixture's own state for its router."""
    mixture = {name: tensor for name, tensor in weights.items() if not name.startswith(BANK)}
    for name, tensor in state.items():
        if name.startswith(ROUTER):
            mixture[name] = tensor
        elif name.startswith(BANKS):
            source = BANK + name.removeprefix(BANKS).partition(".")[2]
            if source in weights:
                mixture[name] = weights[source]
    return mixture
