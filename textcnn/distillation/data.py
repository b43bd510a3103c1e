"""The data of a distillation: the labelled set, with the transfer texts and their teacher's logits to train on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..data import TextDataModule
from ..data.batches import BatchDataset, length_loader
from ..data.encoding import encode_texts
from ..data.errors import DataError, listed, nearest
from ..data.memory import InMemoryData
from ..data.sources import open_source
from .teachers import Array

if TYPE_CHECKING:
    from datasets import Dataset


class SoftTargets:
    """What a batch learns: the teacher's logits [N, C] beside label ids [N, 1], or zeros and ones [N, C]; -1: none.

    Its representations [N, H] stand behind them; H may be 0.
    """

    def __init__(self, logits: Array, labels: np.ndarray, representations: Array) -> None:
        self._values = np.concatenate([logits, labels.astype(np.float32), representations], axis=1)

    def batch(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """rows [B] -> [B, C + 1 + H] or [B, 2C + H] float32."""
        return self._values[rows]


class TransferDataModule(TextDataModule):
    """TextDataModule whose train batches are transfer texts; validation and test stay what they were.

    Args:
        path: The labelled set, and every other argument of TextDataModule.
    """

    def __init__(self, path: Any, **options: Any) -> None:
        super().__init__(path, **options)
        self._texts: list[str] = []
        self._targets: Any = None
        self._encoded: Any = None

    def transfer(self, texts: Sequence[str], targets: Any) -> None:
        """Sets what is trained on; `targets.batch(rows, num_labels)` becomes the `labels` of a batch."""
        self._texts, self._targets = list(texts), targets

    def train_columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Other columns of the train rows, each [N].

        Raises:
            DataError: there is no such column.
        """
        rows: Dataset = open_source(self.path, self.config_name, self.revision).load(self.options.train_split)
        for name in names:
            if name not in rows.column_names:
                raise DataError(
                    f"the data has no column {name!r}{nearest(name, rows.column_names)}; its columns are "
                    f"{listed(rows.column_names)}; name the columns of the probabilities with soft_columns"
                )
        assert isinstance(self._data, InMemoryData)
        kept = pa.array(self._data.splits["train"].rows)
        table = rows.select_columns(list(names)).with_format("arrow")[:].take(kept)
        return {name: table.column(name).to_numpy() for name in names}

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
