"""Predictions beside the rows they were made for, written as parquet, csv or jsonl."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ..data.answers import AnswerColumns
from ..data.io.readers import csv_delimiter
from ..data.io.writers import open_writer
from ..runtime.classifier import TextClassifier

FORMATS = (".parquet", ".csv", ".jsonl")
CHUNK = 8192  # rows that are Python objects at a time


class PredictionWriter(Callback):
    """Callback that writes label, probability and all class probabilities when `trainer.predict` ends.

    Then `rows` is how many rows there are, and `notes` what has to be said of them.

    Args:
        path: File to write; its ending gives the format: .parquet, .csv or .jsonl.

    Raises:
        ValueError: another ending.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.rows = 0
        self.notes: list[str] = []
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
        fired = torch.cat(counts).numpy() if counts else None
        classifier = TextClassifier(pl_module.model.config.to_dict())
        answers = AnswerColumns(classifier, joined=self.path.suffix == ".csv")
        rows, texts = trainer.datamodule.predict_rows, trainer.datamodule.predict_texts
        self.rows = len(rows)
        schema = answers.schema(rows.features.arrow_schema)
        tables = rows.with_format("arrow")
        delimiter = partial(csv_delimiter, trainer.datamodule.predict_path)
        with open_writer(str(self.path), self.path.suffix[1:], schema, delimiter) as writer:
            for start in range(0, self.rows, CHUNK):
                chunk = slice(start, start + CHUNK)
                table, here = tables[chunk].to_pylist(), texts[chunk].to_pylist()
                there = start + np.flatnonzero([text is not None for text in here])
                found = classifier.answer_of(logits[there], None if fired is None else fired[there])
                answers.add(table, here, found)
                writer.write(table)
        self.notes = answers.notes()
