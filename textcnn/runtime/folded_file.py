"""The file folded.safetensors: its format, the settings that it depends on, its digests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .digests import digest_of_tensors, verify
from .storage import FOLDED_FILE, digest_of_weights

FORMAT = "textcnn-folded-2"
# What a folded model does not depend on may change in config.json without folding again.
_FOLDED_KEYS = (
    "vocab_size", "pad_token_id", "kernel_sizes", "num_filters", "stride", "dilation", "padding", "activation",
    "pooled_norm", "layer_norm_eps",
)  # fmt: skip
_BAG_KEYS = ("bag", "bag_ngrams", "bag_buckets")


def settings_of_tables(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of config.json that a folded table depends on."""
    bag = {} if config.get("bag", "none") == "none" else {key: config.get(key) for key in _BAG_KEYS}
    # Files of before there were members have one.
    kept = {key: config.get(key) for key in _FOLDED_KEYS}
    pooling = config.get("pooling", "max")
    if pooling == "segments":
        pooling += f" {config['pooling_segments']}"
    experts = {name: config.get(name, 1) for name in ("num_experts", "experts_per_text")}
    return {**kept, **experts, "num_members": config.get("num_members", 1), "pooling": pooling, **bag}


def verify_tables(directory: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Check the digest of the tables, and that of the weights that they were made from where these are there."""
    path, weights = directory / FOLDED_FILE, directory / "model.safetensors"
    remedy = f"copy it again, or run `textcnn fold {directory}` where the weights are"
    if "digest" in metadata:
        verify(path, metadata["digest"], lambda: digest_of_tensors(tensors, metadata), remedy)
    if "weights" in metadata and weights.is_file():
        remedy = f"{path.name} beside it was made from other weights: run `textcnn fold {directory}`"
        verify(weights, metadata["weights"], lambda: digest_of_weights(weights), remedy)
