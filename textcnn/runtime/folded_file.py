"""The file folded.safetensors: its format, the settings that it depends on, its digests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from .checks import check_config, read_config
from .digests import DIGESTS, digest_of_tensors, verify, verify_files, verify_settings, with_digests
from .storage import FOLDED_FILE, digest_of_weights, read_tensors, write_tensors, write_text

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


class FoldedFile(NamedTuple):
    """A kind of folded.safetensors.

    Args:
        format: Name in its metadata.
        settings: The part of config.json that the tables depend on.
        needs: Files beside it and config.json that answers depend on.
        remedy: Command or step that makes the file again.
    """

    format: str
    settings: Callable[[Mapping[str, Any]], dict[str, Any]]
    needs: tuple[str, ...]
    remedy: str

    def read(self, directory: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, str]]:
        """Return config.json, tensors and metadata of a directory, after all checks.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged, or they do not belong together.
        """
        for name in ("config.json", *self.needs, FOLDED_FILE):
            if not (directory / name).is_file():
                hint = f"; {self.remedy}" if name == FOLDED_FILE else ""
                raise FileNotFoundError(f"{directory} has no {name}; expected a folded textcnn artifact{hint}")
        path = directory / "config.json"
        config = read_config(path)
        check_config(config)
        verify_settings(path, config)
        verify_files(directory, config, self.needs)
        tensors, metadata = read_tensors(directory / FOLDED_FILE)
        if metadata.get("format") != self.format:
            raise ValueError(
                f"{directory / FOLDED_FILE}: got format {metadata.get('format')!r}; expected {self.format!r}; "
                f"{self.remedy}"
            )
        if self.settings(self._settings_in(directory, metadata)) != self.settings(config):
            raise ValueError(
                f"{directory / FOLDED_FILE} was folded from another model than config.json describes; {self.remedy}"
            )
        self._verify(directory, tensors, metadata)
        return config, tensors, metadata

    def write(
        self,
        directory: Path,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        metadata: Mapping[str, str],
        beside: Mapping[str, str],
    ) -> None:
        """Write tables into a directory, with config.json and the files beside it that it lacks.

        Args:
            directory: Directory to write to; made where it is missing.
            config: The model's config.json.
            tensors: The tables.
            metadata: Measurements of folding.
            beside: Content of the files in `needs`.
        """
        directory.mkdir(parents=True, exist_ok=True)
        settings = json.dumps(self.settings(config))
        write_tensors(directory / FOLDED_FILE, tensors, {**metadata, "format": self.format, "config": settings})
        for name, content in beside.items():
            if not (directory / name).exists():
                write_text(directory / name, content)
        if not (directory / "config.json").exists():
            plain = {name: value for name, value in config.items() if name != DIGESTS}
            plain = with_digests(plain, directory, list(self.needs))
            write_text(directory / "config.json", json.dumps(plain, indent=2, sort_keys=True) + "\n")

    def _settings_in(self, directory: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
        """Return the settings that the tables were made with."""
        try:
            settings = json.loads(metadata["config"])
        except (KeyError, ValueError, RecursionError):
            settings = None
        if not isinstance(settings, dict):
            raise ValueError(
                f"{directory / FOLDED_FILE}: got metadata without settings; it may be a damaged copy: {self.remedy}"
            )
        return settings

    def _verify(self, directory: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
        """Check the digest of the tables, and that of the weights that they were made from where these are there."""
        path, weights = directory / FOLDED_FILE, directory / "model.safetensors"
        if "digest" in metadata:
            verify(
                path,
                metadata["digest"],
                lambda: digest_of_tensors(tensors, metadata),
                f"copy it again, or {self.remedy}",
            )
        if "weights" in metadata and weights.is_file():
            remedy = f"{path.name} beside it was made from other weights: run `textcnn fold {directory}`"
            verify(weights, metadata["weights"], lambda: digest_of_weights(weights), remedy)
