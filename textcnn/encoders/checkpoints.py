"""Transformer checkpoints: the length that one reads, and the error where one cannot be opened."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..errors import nearest, one_line


def readable_length(wanted: int, tokenizer: Any, config: Any) -> int:
    """Return the number of tokens of a text that a transformer reads: `wanted`, or fewer if it has fewer positions."""
    positions = getattr(config, "max_position_embeddings", None)
    return min(wanted, tokenizer.model_max_length, positions or wanted)


def check_place(option: str, name: str, expected: str) -> None:
    """Refuse the path of a directory that is not there, before it is looked for on the Hub.

    A path is what begins with `.`, `/` or `~`, has more than one slash as no Hub id has, or lies in an existing folder.

    Raises:
        FileNotFoundError: There is no such directory.
    """
    path = Path(name)
    is_path = "/" in name and (name[0] in "./~" or name.count("/") > 1 or path.parent.is_dir())
    if is_path and not path.exists():
        raise FileNotFoundError(
            f"{option}: got {name!r}, which is not there; expected the directory of {expected}, or a Hub id"
            f"{_nearest_path(name)}; check the spelling"
        )


def unreadable(option: str, name: str, expected: str, error: Exception) -> Exception:
    """Return the exception to raise when transformers cannot open a checkpoint as what is `expected`."""
    if not Path(name).is_dir():
        return FileNotFoundError(
            f"{option}: got {name!r}; expected the directory of {expected}, or a Hub id that can be reached"
            f"{_nearest_path(name)}; check the spelling and the network ({one_line(error, 100)})"
        )
    return ValueError(
        f"{option}: got {name}, which cannot be read ({one_line(error)}); expected {expected}; save or copy it again"
    )


def _nearest_path(name: str) -> str:
    folder = Path(name).parent
    return nearest(name, [str(path) for path in folder.iterdir()] if folder.is_dir() else [])


def fingerprint(directory: Path) -> str:
    """Return a hash of the files that decide the answers of a saved model."""
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.suffix in (".safetensors", ".bin", ".json") and path.name != "folded.safetensors":
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
