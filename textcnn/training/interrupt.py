"""A run that is stopped from the keyboard: where its checkpoint is, and how to go on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback

from .resume import checkpoint_directory


class StopNote(Callback):
    """Callback that prints, when Ctrl-C stops training, the last checkpoint and the command to resume.

    Args:
        output_dir: Folder of the run.
        command: Command that goes on with it.
    """

    def __init__(self, output_dir: str | Path, command: str) -> None:
        self._output_dir, self._command = Path(output_dir), command

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        if not isinstance(exception, KeyboardInterrupt) or not trainer.is_global_zero:
            return
        last = Path(checkpoint_directory(self._output_dir)) / "last.ckpt"
        message = f"stopped in epoch {trainer.current_epoch + 1}"
        if last.is_file():
            message += f"; the last checkpoint is {last}; to go on: {self._command}"
        else:
            message += "; there is no checkpoint yet, as there is one a minute and an epoch; start again"
        print(f"\n{message}", file=sys.stderr, flush=True)


def continue_command(output_dir: str | Path) -> str:
    """Return the command that goes on with a run of `textcnn fit`."""
    return f"textcnn fit --config {Path(output_dir) / 'config.yaml'} --output_dir {output_dir} --ckpt_path last"


@contextmanager
def keyboard_stops() -> Iterator[None]:
    """Convert the SystemExit that Lightning raises on Ctrl-C back into KeyboardInterrupt (exit code 130)."""
    try:
        handler = signal.getsignal(signal.SIGINT)
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)  # Lightning ignores the signal from then on
        raise KeyboardInterrupt from None
