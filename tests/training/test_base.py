"""What every training task shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytest
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from textcnn.data import TextDataModule
from textcnn.model import Architecture
from textcnn.training.base import Batch
from textcnn.training.optimizers import RowAdamW
from textcnn.training.run import sizes
from textcnn.training.tasks.classification import ClassificationModule


class Noting(ClassificationModule):
    """Notes the loss of every step and every name that is logged."""

    def loss(self, batch: Batch, logits: Tensor, features: Tensor) -> Tensor:
        loss = super().loss(batch, logits, features)
        self.losses.append(float(loss.detach()))
        return loss

    def log(self, name: str, *values: Any, **options: Any) -> None:
        self.logged.append(name)
        super().log(name, *values, **options)


def test_the_loss_is_logged_where_it_is_read(reviews: Path, tmp_path: Path) -> None:
    data = TextDataModule(str(reviews), batch_size=8)
    module = Noting(**sizes(data), architecture=Architecture(num_filters=4, embedding_dim=8))
    module.losses, module.logged = [], []
    logger = CSVLogger(tmp_path)
    seen: list[tuple[int, float]] = []
    logger.log_metrics = lambda metrics, step: seen.append((step, metrics["train_loss"]))  # type: ignore[method-assign]
    trainer = lightning.Trainer(
        default_root_dir=tmp_path, max_epochs=2, log_every_n_steps=4, limit_val_batches=0, logger=logger,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    steps = trainer.global_step
    assert steps == len(module.losses) > 20
    assert [step for step, _ in seen] == [*range(3, steps, 4)]
    for step, loss in seen:
        assert loss == pytest.approx(module.losses[step], rel=1e-5)
    assert float(trainer.callback_metrics["train_loss"]) == pytest.approx(module.losses[-1], rel=1e-5)
    # The logger's, and the first and the last of both epochs.
    assert module.logged.count("train_loss") == len({*range(3, steps, 4), 0, steps // 2 - 1, steps // 2, steps - 1})


def test_scoring_after_a_fit_leaves_its_optimizer_alone(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning has moved its state to the CPU by then, where the rows of a network on a GPU are not."""
    data = TextDataModule(str(reviews), batch_size=8)
    module = ClassificationModule(**sizes(data), architecture=Architecture(num_filters=4, embedding_dim=8))
    trainer = lightning.Trainer(
        default_root_dir=tmp_path, max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    settled: list[Any] = []
    monkeypatch.setattr(RowAdamW, "settle", lambda optimizer: settled.append(optimizer))
    trainer.fit(module, datamodule=data)
    assert settled
    settled.clear()
    trainer.validate(module, datamodule=data, verbose=False)
    assert not settled
