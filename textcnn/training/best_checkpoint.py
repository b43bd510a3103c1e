"""The checkpoint that a run ends with: the best of its validations, or the last weights where there was none."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """ModelCheckpoint that a run without a validation ends with too: it keeps what the last step left.

    There is none where nothing is held out, or where `max_steps` come before the first epoch's end.
    """

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if not self.best_model_path:
            self.best_model_path = self.format_checkpoint_name({})
            trainer.save_checkpoint(self.best_model_path, self.save_weights_only)
