"""Progress of a training run: the data before it starts, then a bar, or one line an epoch where nobody watches."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, RichProgressBar

_SHOWN = ("train_loss", "val_loss", "val_micro_f1", "val_average_precision", "val_r2")


def progress_callbacks() -> list[Callback]:
    """Return the callbacks that show progress; without a bar where standard output is no terminal."""
    return [DataReport(), RichProgressBar() if is_interactive() else EpochLines()]


def is_interactive() -> bool:
    """Return True if a progress bar can be seen: in a terminal or a notebook."""
    # A notebook's kernel has this application; a program that only runs notebooks imports the module too.
    kernel = sys.modules.get("ipykernel.kernelapp")
    return sys.stdout.isatty() or (kernel is not None and kernel.IPKernelApp.initialized())


class DataReport(Callback):
    """Callback that prints the report of the data module, on standard error, before training starts."""

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        report = getattr(getattr(trainer, "datamodule", None), "data_report", None)
        if report and trainer.is_global_zero:
            print(report, file=sys.stderr, flush=True)


class EpochLines(Callback):
    """Callback that prints a line per epoch on standard error: losses, score, seconds left."""

    def __init__(self) -> None:
        self._started = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            print(self._line(trainer), file=sys.stderr, flush=True)

    def _line(self, trainer: lightning.Trainer) -> str:
        epoch, last = trainer.current_epoch + 1, trainer.max_epochs
        parts = [f"epoch {epoch}" + (f"/{last}" if last and last > 0 else "")]
        metrics: dict[str, Any] = trainer.callback_metrics
        parts += [f"{name} {float(metrics[name]):.4f}" for name in _SHOWN if name in metrics]
        if last and last > epoch:
            done = epoch - self._first_epoch
            left = (time.monotonic() - self._started) / done * (last - epoch)
            parts.append(f"at most {left:,.0f} s left")
        return "  ".join(parts)
