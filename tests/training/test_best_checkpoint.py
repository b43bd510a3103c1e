"""The best epoch: by its score, and among equal scores by its loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from textcnn.training.best_checkpoint import BestCheckpoint, EarlyStopping
from textcnn.training.tasks.classification import ClassificationModule


class Scripted(lightning.LightningModule):
    """Reports given scores and losses, epoch by epoch; its weight is the number of epochs so far."""

    selection_metric = "val_score"

    def __init__(self, epochs: list[tuple[float, float]]) -> None:
        super().__init__()
        self.epochs = epochs
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return -self.weight.sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        score, loss = self.epochs[self.current_epoch]
        self.log("val_score", score)
        self.log("val_loss", loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def fit(epochs: list[tuple[float, float]], folder: Path, patience: int = 100, first: int = 0) -> tuple[int, int]:
    """The epoch that is kept, counted from 1, and how many there were; `first` epochs are a run that was stopped."""
    data = DataLoader(torch.zeros(1, 1))  # type: ignore[arg-type]
    resumed = None
    for last in filter(None, (first, len(epochs))):
        best = BestCheckpoint(folder, "best", "auto", mode="max", save_on_train_epoch_end=False)
        stop = EarlyStopping("auto", mode="max", patience=patience, check_on_train_epoch_end=False)
        trainer = lightning.Trainer(
            max_epochs=last, callbacks=[best, stop], logger=False, enable_progress_bar=False, default_root_dir=folder,
            enable_model_summary=False, num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(Scripted(epochs), data, data, ckpt_path=resumed)
        resumed = folder / "stopped.ckpt"
        trainer.save_checkpoint(resumed)
    weights = torch.load(best.best_model_path, weights_only=True)["state_dict"]["weight"]
    return int(weights.item()), trainer.current_epoch


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        ([(0.9, 0.8), (0.9, 0.1), (0.9, 0.3)], 2),
        ([(0.9, 0.8), (0.8, 0.1), (0.9, 0.9)], 1),
        ([(0.5, 0.2), (0.9, 0.8), (0.9, 0.7)], 3),
        ([(0.5, 0.1), (0.9, 0.8), (0.9, 0.9)], 2),
    ],
)
def test_equal_scores_are_told_apart_by_their_loss(
    tmp_path: Path, epochs: list[tuple[float, float]], kept: int, first: int
) -> None:
    assert fit(epochs, tmp_path, first=first) == (kept, 3)


def test_a_falling_loss_at_an_equal_score_does_not_stop_a_run(tmp_path: Path) -> None:
    falling = [(0.9, 0.9 - 0.1 * i) for i in range(6)]
    assert fit(falling, tmp_path / "falling", patience=2) == (6, 6)
    rising = [(0.9, 0.1 + 0.1 * i) for i in range(6)]
    assert fit(rising, tmp_path / "rising", patience=2) == (1, 3)


def test_several_labels_are_chosen_by_average_precision() -> None:
    several = ClassificationModule(["a", "b"], 10, problem_type="multi_label_classification")
    assert several.selection_metric == "val_average_precision"
    assert ClassificationModule(["a", "b"], 10).selection_metric == "val_micro_f1"
