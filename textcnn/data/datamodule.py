"""TextDataModule: from a Hub name, a file or a data set to batches of token ids.

Shapes: B texts, T tokens of the longest text of the batch, C labels.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from ..settings import DataSettings
from .batches import BatchDataset, length_loader
from .collator import TextCollator
from .encoding import encode_texts
from .errors import DataError
from .memory import InMemoryData
from .prediction import open_rows, texts_of
from .sources import open_source
from .stream_batches import StreamLoader
from .streams import StreamedData

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    from ..vectors import InitialVectors

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model")


class TextDataModule(LightningDataModule):
    """Labelled texts as batches, with everything a model's sizes depend on.

    Args:
        path: a Hub name; a file (csv, tsv, json, jsonl, parquet, txt, also .gz); a folder with
            train.<ext>, validation.<ext>, test.<ext>; a Dataset, DatasetDict or IterableDataset;
            or "python-docstrings", the set that is built from the running Python.
        predict_path: what to predict: anything `path` can be; needs no labels.
        settings: the fields of DataSettings: splits, columns, tokenizer, vectors, batches, seed.

    >>> data = TextDataModule("reviews.csv")  # doctest: +SKIP
    >>> data.labels, data.problem_type  # doctest: +SKIP
    (['negative', 'positive'], 'single_label_classification')
    """

    def __init__(self, path: str | Any, predict_path: str | Any | None = None, **settings: Any) -> None:
        super().__init__()
        # batches come whole from numpy, so that a worker would cost more than it saves
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        self.path, self.predict_path = path, predict_path
        self.options = DataSettings(**settings)
        self.tokenizer_source, self.vocab_size_limit = self.options.tokenizer, self.options.vocab_size
        self.vectors = self.options.vectors
        self._vectors: dict[int | None, InitialVectors] = {}

    @cached_property
    def _data(self) -> InMemoryData | StreamedData:
        from datasets import Dataset

        source = open_source(self.path, self.options.config_name, self.options.revision, self.options.streaming)
        if self.options.streaming or not isinstance(source.load(self.options.train_split), Dataset):
            return StreamedData(source, self.options)
        return InMemoryData(source, self.options)

    @property
    def labels(self) -> list[str]:
        """The label names in the order of their ids."""
        return self._data.labels

    @property
    def num_labels(self) -> int:
        return len(self.labels)

    @property
    def problem_type(self) -> str:
        """transformers' own: single_label_classification or multi_label_classification."""
        kind = "multi" if self._data.multi_label else "single"
        return f"{kind}_label_classification"

    @property
    def class_counts(self) -> list[int]:
        """How many train texts have each label, in the order of the ids."""
        return [int(count) for count in self._data.class_counts]

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer, loaded, or trained on the train texts."""
        from ..tokenization import KINDS, load_tokenizer, prepare_tokenizer

        source = self._source_of_tokenizer()
        if not isinstance(source, (str, os.PathLike)):
            return prepare_tokenizer(source)
        if source not in KINDS:
            return load_tokenizer(source)
        return self.new_tokenizer(self.tokenizer_texts(), str(source))

    def new_tokenizer(self, texts: Iterable[str], kind: str) -> PreTrainedTokenizerFast:
        """A tokenizer of a kind, trained on texts with the options of this data."""
        from ..tokenization import train_tokenizer

        return train_tokenizer(texts, kind, self.vocab_size_limit, self.options.lowercase, self.options.min_frequency)

    def tokenizer_texts(self) -> Iterable[str]:
        """What a tokenizer that is trained learns from: the train texts."""
        return self._data.train_texts()

    @property
    def vocab_size(self) -> int:
        """How many rows an embedding needs for this tokenizer's ids."""
        from ..tokenization import vocabulary_size

        return vocabulary_size(self.tokenizer)

    @property
    def pad_token_id(self) -> int:
        return int(self.tokenizer.pad_token_id)

    @cached_property
    def embedding_dim(self) -> int | None:
        """The dimension of `vectors`, or None without them."""
        if self.vectors is None:
            return None
        from ..vectors import vectors_dim

        return vectors_dim(self.vectors)

    def initial_vectors(self, embedding_dim: int | None = None) -> InitialVectors | None:
        """The rows of `vectors` for this tokenizer, or None without `vectors`."""
        if self.vectors is None:
            return None
        if embedding_dim not in self._vectors:
            from ..vectors import load_vectors

            self._vectors[embedding_dim] = load_vectors(
                self.vectors, self.tokenizer, embedding_dim, seed=self.options.seed
            )
        return self._vectors[embedding_dim]

    @property
    def data_report(self) -> str:
        """A few lines: columns, rows, dropped rows, cut texts, tokenizer, vectors."""
        lines = self._data.report(self.tokenizer)
        lines.append(f"tokenizer: {self._tokenizer_name()}, {self.vocab_size:,} ids")
        if self.vectors is not None:
            vectors = next(iter(self._vectors.values()), None) or self.initial_vectors()
            assert vectors is not None
            lines.append(f"vectors: {vectors.description}")
        return "\n".join(lines)

    def _source_of_tokenizer(self) -> str | Any:
        """What was given, else the first of the vectors that has a tokenizer, else the kind to train."""
        if self.tokenizer_source is not None:
            return self.tokenizer_source
        from ..vectors import source_names

        return next(filter(_has_tokenizer, source_names(self.vectors)), "wordpiece")

    def _tokenizer_name(self) -> str:
        source = self._source_of_tokenizer()
        return str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__

    def texts_and_targets(self, role: str) -> tuple[list[str], np.ndarray]:
        """The texts of train, validation or test, and their label ids [N] or, multi-label, zeros and ones [N, C].

        Raises:
            DataError: there is no such split, or the data is a stream.
        """
        return self._in_memory().texts_and_targets(role)

    def token_counts(self) -> np.ndarray:
        """How often each token occurs in the train texts of each label: [V, C], V as `vocab_size`.

        Raises:
            DataError: the data is a stream.
        """
        return self._in_memory("naive_bayes: ").token_counts(self.tokenizer, self.vocab_size)

    def _in_memory(self, option: str = "") -> InMemoryData:
        if isinstance(self._data, StreamedData):
            raise DataError(
                f"{option}the data is a stream, whose texts are not kept; expected data that fits in memory; "
                "leave out streaming" + (" or the option" if option else "")
            )
        return self._data

    @cached_property
    def collator(self) -> TextCollator:
        return TextCollator(self.pad_token_id)

    def prepare_data(self) -> None:
        """Read and tokenise once, in one process, so that the others find the caches."""
        if self.predict_path is None:
            self._loader("train")

    def _loader(self, role: str) -> Any:
        loader = self._data.loader(role, self.tokenizer, self.collator)
        if isinstance(loader, StreamLoader):
            loader.batches.current_epoch = self._current_epoch
        return [] if loader is None else loader

    def _current_epoch(self) -> int | None:
        """The trainer's epoch, right also after a resume; None without a trainer."""
        return self.trainer.current_epoch if self.trainer is not None else None

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of the train split: grouped by length, shuffled anew each epoch."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the validation split, longest texts first; [] without one."""
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of the test split, longest texts first; [] without one."""
        return self._loader("test")

    @cached_property
    def predict_rows(self) -> Dataset:
        """The rows of `predict_path`, all of them, in their order."""
        return open_rows(self.predict_path)

    @cached_property
    def predict_texts(self) -> Any:
        """The texts of `predict_rows`, a ChunkedArray; null where a row has none."""
        where = str(self.predict_path) if isinstance(self.predict_path, (str, Path)) else "the data"
        return texts_of(self.predict_rows, self.options.text_column, self._data.columns.text, where)

    def predict_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of `predict_rows` in their order, without labels; a null text is an empty one."""
        options = self.options
        encoded = encode_texts(self.predict_texts, self.tokenizer, options.max_length)
        rows = np.arange(len(encoded))
        dataset = BatchDataset(encoded, rows, None, self.num_labels, self.collator)
        return length_loader(dataset, options.eval_batch_size, sort=False, num_workers=options.num_workers)


def _has_tokenizer(vectors: str) -> bool:
    """Whether vectors are a checkpoint with a tokenizer: a folder that holds one, or a Hub id."""
    folder = Path(vectors).expanduser()
    if folder.is_dir():
        return any((folder / name).exists() for name in TOKENIZER_FILES)
    return not folder.exists()
