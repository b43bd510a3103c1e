"""Resuming a run: a checkpoint a minute, the place in the data, and the random states.

Lightning restores model, optimizer and counters. It restores the place in the data within an epoch only if no length of
the data was requested before, as a schedule does; so that is done here.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from ..data import TextDataModule
from ..errors import listed
from ..runtime.storage import write_text
from .checkpoints import LAST, PREVIOUS, damage_of, usable_checkpoint
from .finite import FiniteLoss
from .random_states import RandomStates

# Lightning's own `save_last` follows the best checkpoint; to resume, the last minute is what counts.
LAST_CHECKPOINT: dict[str, Any] = {"filename": "last", "enable_version_counter": False}
NOTE = "unfinished.json"
SAVE_EVERY = timedelta(minutes=1)


class ResumeData(Callback):
    """Callback that continues the train batches at the checkpoint's position; their loader is a ResumableLoader."""

    def __init__(self) -> None:
        self._states: list[dict[str, Any]] = []

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._states = checkpoint["loops"]["fit_loop"]["state_dict"].get("combined_loader", [])
        data = getattr(trainer, "datamodule", None)
        if self._states and isinstance(data, TextDataModule) and data.is_stream:
            # Lightning asks a stream for its first batch before it restores anything else.
            data.train_position = self._states.pop()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        for state in self._states:
            trainer.train_dataloader.load_state_dict(state)
        self._states = []


def checkpoint_directory(output_dir: str | Path) -> str:
    """Return the folder of the checkpoints of a run."""
    return str(Path(output_dir) / "checkpoints")


def last_checkpoints(output_dir: str | Path) -> list[Callback]:
    """Return the callbacks that write last.ckpt, each epoch and each minute, and that resume from it.

    The Trainer's plugins are to have `WholeCheckpoints`, which writes the files.
    """
    folder = checkpoint_directory(output_dir)
    return [
        ResumeData(),
        RandomStates(),
        FiniteLoss(),
        ModelCheckpoint(**LAST_CHECKPOINT, dirpath=folder),
        ModelCheckpoint(**LAST_CHECKPOINT, dirpath=folder, train_time_interval=SAVE_EVERY),
    ]


def checkpoint_to_resume(wanted: str | Path, output_dir: str | Path) -> str:
    """Return the path of the checkpoint that a run goes on from.

    Args:
        wanted: A checkpoint, or "last" for the last one of the run's folder; where that is damaged, the one before.
        output_dir: Folder of the run.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the checkpoint is damaged.
    """
    folder = Path(checkpoint_directory(output_dir))
    if str(wanted) == "last":
        last = usable_checkpoint(folder)
        if last is not None:
            return str(last)
    path = folder / LAST if str(wanted) == "last" else Path(wanted)
    if not path.is_file():
        raise FileNotFoundError(
            f"ckpt_path: nothing to resume in {output_dir}: there is no {path}; expected the folder of a run that was "
            "stopped; leave ckpt_path out to start anew"
        )
    if (damage := damage_of(path)) is not None:
        raise ValueError(f"ckpt_path: {path} is damaged ({damage}); expected a checkpoint; give ckpt_path last")
    return str(path)


def unfinished_run(output_dir: str | Path, settings: dict[str, Any]) -> str | None:
    """Return the last checkpoint of an unfinished run in this folder that had the same settings, or None.

    Writes a note of the settings for the next start; `finish_run` removes it. The checkpoint of a run with other
    settings is set aside, and named on standard error.
    """
    folder = Path(checkpoint_directory(output_dir))
    note = folder / NOTE
    described = json.dumps(settings, default=str, sort_keys=True)
    if note.is_file():
        before = note.read_bytes()
        if before == described.encode():
            last = usable_checkpoint(folder)
            if last is not None:
                return str(last)
        elif (folder / LAST).is_file():
            (folder / LAST).replace(folder / f"{LAST}.other")
            print(
                f"note: {folder / LAST} is of a run with other settings{_changed(before, settings)}; set aside as "
                f"{LAST}.other; this run starts anew",
                file=sys.stderr,
                flush=True,
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)
    write_text(note, described)
    return None


def _changed(before: bytes, settings: dict[str, Any]) -> str:
    """Return ' (learning_rate, seed)' for the settings that differ from those of a note; '' for a damaged note."""
    try:
        known = json.loads(before)
    except ValueError:
        return ""
    now = json.loads(json.dumps(settings, default=str))
    names = [name for name in now if not isinstance(known, dict) or known.get(name) != now[name]]
    return f" ({listed(names)})" if names else ""


def finish_run(output_dir: str | Path) -> None:
    """Make the next start in this folder begin anew."""
    (Path(checkpoint_directory(output_dir)) / NOTE).unlink(missing_ok=True)
