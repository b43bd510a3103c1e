"""Predictions beside the rows they were made for, written as parquet, csv or jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from ..runtime.classifier import TextClassifier

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = (".parquet", ".csv", ".jsonl")


class PredictionWriter(BasePredictionWriter):
    """Writes label, probability and all class probabilities when `trainer.predict` ends.

    Args:
        path: File to write; its ending says how: .parquet, .csv or .jsonl.

    Raises:
        ValueError: another ending.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(write_interval="epoch")
        self.path = Path(path)
        self.rows = 0
        if self.path.suffix not in FORMATS:
            raise ValueError(f"output: got {self.path}; expected a name that ends in {', '.join(FORMATS)}")

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[Any],
        batch_indices: Sequence[Any],
    ) -> None:
        probabilities = torch.cat(list(predictions)).cpu().numpy()
        classifier = TextClassifier(pl_module.model.config.to_dict())
        rows: Dataset = trainer.datamodule.predict_rows  # type: ignore[attr-defined]
        columns: dict[str, Any] = {"predicted_label": list(classifier.decide(probabilities))}
        if classifier.multi_label and self.path.suffix == ".csv":
            columns["predicted_label"] = [";".join(labels) for labels in columns["predicted_label"]]
        columns["probability"] = probabilities.max(axis=1)
        for i, label in enumerate(classifier.labels):
            columns[f"probability_{label}"] = probabilities[:, i]
        for name, values in columns.items():
            if name in rows.column_names:
                rows = rows.remove_columns(name)
            rows = rows.add_column(name, values if isinstance(values, list) else values.tolist())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and renamed, so that a killed run leaves no half file under the name asked for.
        unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        if self.path.suffix == ".parquet":
            rows.to_parquet(str(unfinished))
        elif self.path.suffix == ".csv":
            rows.to_csv(str(unfinished), index=False)
        else:
            rows.to_json(str(unfinished), lines=True, force_ascii=False)
        unfinished.replace(self.path)
        self.rows = len(rows)
