"""Training on texts that count differently: what scikit-learn calls sample_weight.

Shapes: `N` texts, `B` texts of a batch, `C` classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
from torch import Tensor
from torch.nn import functional

from ..artifact import TrainingRecord, read_artifact, save_artifact
from ..data import TextDataModule
from ..model import Architecture
from ..settings import RunSettings
from .base import Batch, TrainingModule
from .run import TRAINER, make_trainer, quiet_lightning, save_run, sizes


def weighted_targets(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Label ids [N] or zeros and ones [N, C], beside weights [N]: [N, 2] or [N, C + 1]."""
    return np.column_stack([codes, weights])


class WeightedModule(TrainingModule):
    """Cross-entropy in which each text has a weight: `labels` of a batch are `weighted_targets`."""

    def loss(self, batch: Batch, logits: Tensor) -> Tensor:
        labels, weights = batch["labels"][:, :-1], batch["labels"][:, -1]
        if self._single_label:
            losses = functional.cross_entropy(logits, labels[:, 0].long(), reduction="none")
        else:
            losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(dim=1)
        return (losses * weights).mean()


def fit_weighted(
    data: TextDataModule,
    output_dir: Path,
    architecture: dict[str, Any],
    learning_rate: float,
    naive_bayes: float,
    max_epochs: int,
    validate: bool,
    seed: int,
    start: Path | None,
    progress: bool,
) -> None:
    """Trains on a data module whose targets are `weighted_targets` and saves the artifact in `output_dir`.

    Args:
        data: The texts.
        output_dir: Where the artifact goes.
        architecture: Arguments of Architecture.
        learning_rate, naive_bayes, max_epochs, seed: Of the training; an artifact to go on from needs no naive_bayes.
        validate: Whether the data has a validation split, whose best epoch is kept.
        start: An artifact to go on from.
        progress: Whether to show it.
    """
    quiet_lightning()
    lightning.seed_everything(seed, workers=True, verbose=False)
    module = WeightedModule(
        **sizes(data),
        architecture=Architecture(**architecture),
        learning_rate=learning_rate,
        naive_bayes=naive_bayes if start is None else 0.0,
    )
    if start is not None:
        module.model.load_state_dict(read_artifact(start)[0].state_dict())
    if validate:
        trainer = make_trainer(output_dir, RunSettings(max_epochs=max_epochs, progress=progress), logger=False)
        trainer.fit(module, datamodule=data)
        save_run(trainer, module, data, output_dir, name="texts in memory", parameters={})
        return
    quiet: dict[str, Any] = {"enable_progress_bar": progress, "enable_model_summary": False, "logger": False}
    trainer = lightning.Trainer(
        enable_checkpointing=False, limit_val_batches=0, **{**TRAINER, **quiet, "max_epochs": max_epochs}
    )
    trainer.fit(module, datamodule=data)
    save_artifact(module.model, data.tokenizer, output_dir, TrainingRecord(data=""))
