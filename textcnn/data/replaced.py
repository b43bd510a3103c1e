"""Data whose train texts are replaced by others, with numbers of their own to learn: logits of a teacher, weights.

Shapes: `N` texts, `B` texts of a batch, `K` numbers of a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .batches import BatchDataset, length_loader
from .datamodule import TextDataModule
from .encoding import encode_texts
from .errors import DataError, listed, nearest
from .memory import InMemoryData
from .sources import open_source

if TYPE_CHECKING:
    from datasets import Dataset


class RowTargets:
    """A row of numbers for each text [N, K]: what a training task makes of them is its own business."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values.astype(np.float32)

    def batch(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """rows [B] -> [B, K] float32."""
        return self._values[rows]


class ReplacedTrainData(TextDataModule):
    """TextDataModule whose train batches are of given texts; validation and test stay what they were.

    Args:
        path: The labelled set, and every other argument of TextDataModule.
    """

    def __init__(self, path: Any, **options: Any) -> None:
        super().__init__(path, **options)
        self._texts: list[str] = []
        self._targets: RowTargets | None = None
        self._encoded: Any = None

    def replace_train(self, texts: Sequence[str], targets: np.ndarray) -> None:
        """Sets what is trained on: texts and, as `labels` of the batches, targets [N, K]."""
        self._texts, self._targets = list(texts), RowTargets(targets)

    def train_columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Other columns of the train rows, each [N].

        Raises:
            DataError: there is no such column.
        """
        rows: Dataset = open_source(self.path, self.options.config_name, self.options.revision).load(
            self.options.train_split
        )
        for name in names:
            if name not in rows.column_names:
                raise DataError(
                    f"the data has no column {name!r}{nearest(name, rows.column_names)}; its columns are "
                    f"{listed(rows.column_names)}; name the columns of the probabilities with soft_columns"
                )
        table = rows.select_columns(list(names)).with_format("arrow")[:].take(pa.array(self.train_rows()))
        return {name: table.column(name).to_numpy() for name in names}

    def train_rows(self) -> np.ndarray:
        """Which rows of their split, counted from 0, the train rows are [N]: not those held out or without a text."""
        assert isinstance(self._data, InMemoryData)
        return self._data.splits["train"].rows

    def train_tokenizer(self, texts: Sequence[str], vocab_size: int) -> None:
        """Trains the tokenizer, of the kind that was asked for, on given texts with a vocabulary of at most that size;
        in place of one that was trained before."""
        self.vocab_size_limit = vocab_size
        self.tokenizer = self.new_tokenizer(texts, str(self.tokenizer_source))

    def tokenizer_texts(self) -> Iterable[str]:
        return self._texts or super().tokenizer_texts()

    def _loader(self, role: str) -> Any:
        if role != "train" or self._targets is None:
            return super()._loader(role)
        if self._encoded is None:
            texts = pa.chunked_array([pa.array(self._texts, pa.large_string())])
            self._encoded = encode_texts(texts, self.tokenizer, self.options.max_length)
        dataset = BatchDataset(
            self._encoded,
            np.arange(len(self._texts)),
            self._targets,
            self.num_labels,
            self.collator,
        )
        options = self.options
        return length_loader(
            dataset, options.batch_size, shuffle=True, seed=options.seed, num_workers=options.num_workers
        )
