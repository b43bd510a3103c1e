"""Data whose train texts are replaced by others with their own targets: a teacher's logits, weights.

Shapes: `N` texts, `C` classes, `H` size of a teacher's representations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .batches import BatchDataset, Field, FieldArray, length_loader
from .datamodule import TextDataModule
from .defaults import batch_size_for
from .encoding import encode_texts
from .errors import DataError, listed, nearest
from .head_targets import HeadTargets
from .io.formats import valid_unicode
from .io.sources import open_source
from .memory import InMemoryData

if TYPE_CHECKING:
    from datasets import Dataset

# Names of the fields that a train batch may have beside input_ids and attention_mask.
FIELDS = ("labels", "weights", "teacher_logits", "teacher_features")


class ReplacedTrainData(TextDataModule):
    """TextDataModule whose train batches are of given texts; validation and test stay what they were.

    Args:
        path: The labelled set, and every other argument of TextDataModule.
    """

    def __init__(self, path: Any, **options: Any) -> None:
        super().__init__(path, **options)
        self._texts: list[str] = []
        self._fields: dict[str, Field] | None = None
        self._encoded: Any = None

    def replace_train(self, texts: Sequence[str], **fields: Any) -> None:
        """Set the texts to train on and the fields of their batches, in place of any set before.

        Args:
            texts: N texts.
            fields: Arrays whose first dimension is N: `labels`, ids [N] (-1: none), zeros and ones [N, C] (-1: none) or
                the HeadTargets of several columns; `weights` [N]; `teacher_logits` [N, C]; `teacher_features` [N, H].

        Raises:
            DataError: a field has another name or length.
        """
        for name, values in fields.items():
            if name not in FIELDS:
                raise DataError(f"got the field {name!r}; expected one of {listed(FIELDS)}{nearest(name, FIELDS)}")
            if len(values) != len(texts):
                raise DataError(f"{name}: got {len(values):,} values for {len(texts):,} texts; expected one for each")
        self._texts = [valid_unicode(text) for text in texts]
        self._fields = {
            name: values if isinstance(values, HeadTargets) else FieldArray(values) for name, values in fields.items()
        }
        self._encoded = None

    def train_columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return other columns of the train rows, each [N].

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
        """Return the numbers [N] of the train rows in their split, without those held out or without a text."""
        assert isinstance(self._data, InMemoryData)
        return self._data.splits["train"].rows

    def train_tokenizer(self, texts: Sequence[str], vocab_size: int) -> None:
        """Train the tokenizer on given texts, with at most vocab_size tokens, in place of one trained before."""
        self.vocab_size_given = vocab_size
        self.tokenizer = self.new_tokenizer(texts, str(self.tokenizer_source))
        self._encoded = None

    def tokenizer_texts(self) -> Iterable[str]:
        """Return the texts that a tokenizer is trained on: those of `replace_train`, else the train texts."""
        return self._texts or super().tokenizer_texts()

    def _loader(self, role: str) -> Any:
        if role != "train" or self._fields is None:
            return super()._loader(role)
        if self._encoded is None:
            texts = pa.chunked_array([pa.array(self._texts, pa.large_string())])
            self._encoded = encode_texts(texts, self.tokenizer, self.options.max_length)
        rows = np.arange(len(self._texts))
        dataset = BatchDataset(self._encoded, rows, self._fields, self.num_labels, self.collator)
        options = self.options
        size = options.batch_size or batch_size_for(len(rows))
        return length_loader(dataset, size, shuffle=True, seed=options.seed, num_workers=options.num_workers)
