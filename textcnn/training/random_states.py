"""Random states in a checkpoint: a run that was killed and goes on draws the numbers that it would have drawn."""

from __future__ import annotations

import random
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

_KEY = "random_states"


class RandomStates(Callback):
    """Callback that saves the random states of torch, numpy and Python and, on resuming, restores them.

    They are restored before the first batch.

    The order of the data needs none: it depends on seed and epoch. Between a checkpoint and the next batch nothing else
    draws from these states: loaders have generators of their own. With several processes only the first goes on with
    its states; the others draw other numbers than before.
    """

    def __init__(self) -> None:
        self._states: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[_KEY] = random_states()

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._states = checkpoint.get(_KEY)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._states is not None and trainer.is_global_zero:
            set_random_states(self._states)
        self._states = None


def random_states() -> dict[str, Any]:
    """Return the states of all random numbers, as `torch.load` reads them with weights_only."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, numbers, normal = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, list(numbers), normal],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set all random numbers to states that `random_states` returned."""
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    version, numbers, normal = states["python"]
    random.setstate((version, tuple(numbers), normal))
