"""The choice of the best epoch: by a score, and by the validation loss among equal scores."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch import callbacks
from lightning.pytorch.callbacks import ModelCheckpoint

# Stands for the score of a training module's problem type: its `selection_metric`.
AUTO = "auto"
_LOSS = "val_loss"


class BestCheckpoint(ModelCheckpoint):
    """ModelCheckpoint that breaks ties by validation loss and always ends with a checkpoint.

    Where nothing is held out, or `max_steps` come before the first epoch's end, it keeps the last weights. The monitor
    "auto" is the `selection_metric` of the training module.
    """

    best_loss: torch.Tensor | None = None

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        self.monitor = _monitor(self.monitor, pl_module)
        super().setup(trainer, pl_module, stage)

    def check_monitor_top_k(self, trainer: lightning.Trainer, current: torch.Tensor | None = None) -> bool:
        better = super().check_monitor_top_k(trainer, current)
        loss = trainer.callback_metrics.get(_LOSS)
        if not better and current is not None and self.best_k_models:
            better = _breaks_tie(current, self.best_k_models[self.kth_best_model_path], loss, self.best_loss)
            better = trainer.strategy.reduce_boolean_decision(better)
        if better:
            self.best_loss = loss
        return better

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if not self.best_model_path:
            self.best_model_path = self.format_checkpoint_name({})
            trainer.save_checkpoint(self.best_model_path, self.save_weights_only)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best_loss": self.best_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_loss = state_dict.get("best_loss")
        super().load_state_dict(state_dict)


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's EarlyStopping, for which a lower loss at an equal score is an improvement, too.

    The monitor "auto" is the `selection_metric` of the training module.
    """

    best_loss: torch.Tensor | None = None

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        self.monitor = _monitor(self.monitor, pl_module) or self.monitor
        super().setup(trainer, pl_module, stage)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        score, loss = trainer.callback_metrics.get(self.monitor), trainer.callback_metrics.get(_LOSS)
        if self._should_skip_check(trainer) or score is None:
            super().on_validation_end(trainer, pl_module)
            return
        best = self.best_score
        tie = _breaks_tie(score, best, loss, self.best_loss)
        if tie:
            self.wait_count = -1  # 0 once this epoch is counted
        super().on_validation_end(trainer, pl_module)
        if tie or not torch.equal(best, self.best_score):
            self.best_loss = loss

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best_loss": self.best_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_loss = state_dict.get("best_loss")
        super().load_state_dict(state_dict)


def _monitor(monitor: str | None, module: Any) -> str | None:
    return module.selection_metric if monitor == AUTO else monitor


def _breaks_tie(
    score: torch.Tensor, best: torch.Tensor, loss: torch.Tensor | None, best_loss: torch.Tensor | None
) -> bool:
    """Return True if the score equals the best one and its loss is lower."""
    if loss is None or best_loss is None:
        return False
    return bool(score.cpu() == best.cpu()) and bool(loss.cpu() < best_loss.cpu())
