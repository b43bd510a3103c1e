"""Checkpoint files: written whole, with the one before kept, and checked before a run goes on from them."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from ..artifact import check_finite_weights
from ..errors import one_line
from ..runtime.unfinished import unfinished

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoint plugin that writes beside the final name and renames the file once it is on the disk.

    Lightning writes it to the system's temporary folder; on another file system the move is a copy, which a kill cuts
    short. Before last.ckpt is replaced it becomes previous.ckpt.

    Raises:
        ValueError: a weight is not finite.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        check_finite_weights(checkpoint.get("state_dict", {}))
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as temporary:
            with temporary.open("wb") as file:
                save_to(file, checkpoint)
                file.flush()
                os.fsync(file.fileno())
            if path.name == LAST and path.is_file():
                path.replace(path.with_name(PREVIOUS))


def save_to(file: BinaryIO, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint into a file that is open.

    Raises:
        OSError: The file takes no more, as on a full disk. torch raises a RuntimeError about positions in its place.
    """
    writer = _Writer(file)
    try:
        torch.save(checkpoint, writer)
    except RuntimeError as error:
        if writer.error is not None:
            raise writer.error from error
        raise


class _Writer:
    """A file that keeps the error of a failed write."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def usable_checkpoint(folder: str | Path) -> Path | None:
    """Return last.ckpt of a folder or, where that is damaged or missing, the one before; None without either.

    A damaged one is named on standard error and set aside as NAME.damaged.
    """
    for name in (LAST, PREVIOUS):
        path = Path(folder) / name
        if not path.is_file():
            continue
        damage = damage_of(path)
        if damage is None:
            return path
        path.replace(path.with_name(f"{name}.damaged"))
        print(f"note: {path} is damaged ({damage}); set aside as {name}.damaged", file=sys.stderr, flush=True)
    return None


def damage_of(path: Path) -> str | None:
    """Return the error of a damaged checkpoint as text; None if it can be read to its last byte."""
    try:
        with zipfile.ZipFile(path) as content:
            broken = content.testzip()  # compares the checksum of each part, which torch.load does not
        if broken is not None:
            return f"checksum of {broken}"
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever damaged bytes provoke in zipfile, pickle and torch
        return one_line(error, 100) or type(error).__name__
    return None
