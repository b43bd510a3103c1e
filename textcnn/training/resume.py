"""A run that was killed goes on where it was: a checkpoint a minute, and what it takes to use it.

Lightning restores model, optimizer and counters. Where in an epoch the data was it restores only if no length of the
data was asked for before, as a schedule does; so that is done here.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

# Lightning's own `save_last` follows the best checkpoint; to resume, the last minute is what counts.
LAST_CHECKPOINT: dict[str, Any] = {"filename": "last", "enable_version_counter": False}
SAVE_EVERY = timedelta(minutes=1)


class ResumeData(Callback):
    """Takes the train batches up where the checkpoint left them; their loader is a ResumableLoader."""

    def __init__(self) -> None:
        self._states: list[dict[str, Any]] = []

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._states = checkpoint["loops"]["fit_loop"]["state_dict"].get("combined_loader", [])

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        for state in self._states:
            trainer.train_dataloader.load_state_dict(state)
        self._states = []


def checkpoint_directory(output_dir: str | Path) -> str:
    """Where the checkpoints of a run lie."""
    return str(Path(output_dir) / "checkpoints")


def last_checkpoints(output_dir: str | Path) -> list[Callback]:
    """last.ckpt at the end of each epoch and of each minute within, and what takes it up again."""
    folder = checkpoint_directory(output_dir)
    return [
        ResumeData(),
        ModelCheckpoint(**LAST_CHECKPOINT, dirpath=folder),
        ModelCheckpoint(**LAST_CHECKPOINT, dirpath=folder, train_time_interval=SAVE_EVERY),
    ]


def unfinished_run(output_dir: str | Path, settings: dict[str, Any]) -> str | None:
    """The last checkpoint of a run in this folder that had the same settings and was not finished, or None.

    Notes the settings, so that the next start finds them; `finish_run` takes the note away.
    """
    note, last = (Path(checkpoint_directory(output_dir)) / name for name in ("unfinished.json", "last.ckpt"))
    described = json.dumps(settings, default=str, sort_keys=True)
    if note.is_file() and note.read_text(encoding="utf-8") == described and last.is_file():
        return str(last)
    note.parent.mkdir(parents=True, exist_ok=True)
    last.unlink(missing_ok=True)
    note.write_text(described, encoding="utf-8")
    return None


def finish_run(output_dir: str | Path) -> None:
    """The next start in this folder begins anew."""
    (Path(checkpoint_directory(output_dir)) / "unfinished.json").unlink(missing_ok=True)
