"""Resuming a run: a checkpoint a minute, and the place in the data.

Lightning restores model, optimizer and counters. It restores the place in the data within an epoch only if no length of
the data was requested before, as a schedule does; so that is done here.
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
    """Continues the train batches where the checkpoint left them; their loader is a ResumableLoader."""

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
    """Return the folder of the checkpoints of a run."""
    return str(Path(output_dir) / "checkpoints")


def last_checkpoints(output_dir: str | Path) -> list[Callback]:
    """Return the callbacks that write last.ckpt, each epoch and each minute, and that resume from it."""
    folder = checkpoint_directory(output_dir)
    return [
        ResumeData(),
        ModelCheckpoint(**LAST_CHECKPOINT, dirpath=folder),
        ModelCheckpoint(**LAST_CHECKPOINT, dirpath=folder, train_time_interval=SAVE_EVERY),
    ]


def checkpoint_to_resume(wanted: str | Path, output_dir: str | Path) -> str:
    """Return the path of the checkpoint that a run goes on from.

    Args:
        wanted: A checkpoint, or "last" for the last one of the run's folder.
        output_dir: Folder of the run.

    Raises:
        FileNotFoundError: there is no such checkpoint.
    """
    path = Path(checkpoint_directory(output_dir)) / "last.ckpt" if str(wanted) == "last" else Path(wanted)
    if not path.is_file():
        raise FileNotFoundError(
            f"ckpt_path: nothing to resume in {output_dir}: there is no {path}; expected the folder of a run that was "
            "stopped; leave ckpt_path out to start anew"
        )
    return str(path)


def unfinished_run(output_dir: str | Path, settings: dict[str, Any]) -> str | None:
    """Return the last checkpoint of an unfinished run in this folder that had the same settings, or None.

    Writes a note of the settings for the next start; `finish_run` removes it.
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
    """Make the next start in this folder begin anew."""
    (Path(checkpoint_directory(output_dir)) / "unfinished.json").unlink(missing_ok=True)
