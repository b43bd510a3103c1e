"""Predictions beside the rows they were made for, written as parquet, csv or jsonl."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ..runtime.classifier import TextClassifier
from ..runtime.storage import unfinished

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = (".parquet", ".csv", ".jsonl")


class PredictionWriter(Callback):
    """Writes label, probability and all class probabilities when `trainer.predict` ends.

    Args:
        path: File to write; its ending says how: .parquet, .csv or .jsonl.

    Raises:
        ValueError: another ending.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.rows = 0
        self._batches: list[tuple[Tensor, Tensor | None]] = []
        if self.path.suffix not in FORMATS:
            raise ValueError(f"output: got {self.path}; expected a name that ends in {', '.join(FORMATS)}")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        logits, fired = outputs
        self._batches.append((logits.cpu(), None if fired is None else fired.cpu()))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logits = torch.cat([logits for logits, _ in self._batches]).numpy()
        counts = [fired for _, fired in self._batches if fired is not None]
        classifier = TextClassifier(pl_module.model.config.to_dict())
        answers = classifier.answer_of(logits, torch.cat(counts).numpy() if counts else None)
        rows: Dataset = trainer.datamodule.predict_rows
        columns = classifier.columns(answers, joined=self.path.suffix == ".csv")
        for name, values in columns.items():
            if name in rows.column_names:
                rows = rows.remove_columns(name)
            rows = rows.add_column(name, values)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(self.path) as temporary:
            if self.path.suffix == ".parquet":
                rows.to_parquet(str(temporary))
            elif self.path.suffix == ".csv":
                rows.to_csv(str(temporary), index=False)
            else:
                rows.to_json(str(temporary), lines=True, force_ascii=False)
        self.rows = len(rows)
