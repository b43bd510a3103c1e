"""TextDataModule: from a Hub name, a file or a data set to batches of token ids.

Shapes: B texts, T tokens of the longest text of the batch, C labels.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from .batches import BatchDataset, length_loader
from .collator import TextCollator
from .encoding import encode_texts
from .errors import DataError
from .io.sources import open_source
from .memory import InMemoryData
from .options import DataOptions
from .prediction import open_rows, texts_of
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
        config_name: the configuration of a Hub data set.
        revision: the branch, tag or commit of a Hub data set.
        train_split: the split to train on.
        validation_split: the split to validate on; found by its usual names, else held out.
        test_split: the split to test on; found by its usual names.
        text_column: the column of the texts; found where not given.
        label_column: the column of the labels; found where not given (a `labels` column of lists
            comes before `label`).
        labels: the label names in the order of their ids; else the ClassLabel's, else sorted.
        tokenizer: a directory or Hub id, a PreTrainedTokenizerFast, or a kind to train on the
            train texts: wordpiece, word, bpe, char, byte. Default: that of `vectors`, else wordpiece.
        vocab_size: the largest vocabulary of a tokenizer that is trained.
        lowercase: whether a tokenizer that is trained lower-cases.
        min_frequency: how often a word or piece has to occur for a tokenizer that is trained to know it.
        vectors: initial embeddings: a checkpoint (directory or Hub id) or a word-vector file, or a list of them,
            whose vectors stand side by side; the first with a tokenizer lends it.
        max_length: cut texts to this many tokens; default: never.
        batch_size: texts in a training batch.
        eval_batch_size: texts in any other batch.
        validation_fraction: share of the train rows to hold out where there is no validation split.
        num_folds: number of folds for cross-validation on the train split.
        fold: which fold (from 0) is the test split.
        streaming: read the data as it is used, in constant memory.
        strict: refuse rows without a text or label instead of dropping them.
        num_workers: processes that make batches; 0 is fast enough for most.
        seed: of the order, the held-out rows and the folds.
        predict_path: what to predict: anything `path` can be; needs no labels.

    >>> data = TextDataModule("reviews.csv")  # doctest: +SKIP
    >>> data.labels, data.problem_type  # doctest: +SKIP
    (['negative', 'positive'], 'single_label_classification')
    """

    def __init__(
        self,
        path: str | Any,
        config_name: str | None = None,
        revision: str | None = None,
        train_split: str = "train",
        validation_split: str | None = None,
        test_split: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        labels: Sequence[str] | None = None,
        tokenizer: str | Any | None = None,
        vocab_size: int = 30_000,
        lowercase: bool = True,
        min_frequency: int = 2,
        vectors: list[str] | str | os.PathLike[str] | None = None,
        max_length: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        validation_fraction: float = 0.1,
        num_folds: int | None = None,
        fold: int | None = None,
        streaming: bool = False,
        strict: bool = False,
        num_workers: int = 0,
        seed: int = 0,
        predict_path: str | Any | None = None,
    ) -> None:
        super().__init__()
        # batches come whole from numpy, so that a worker would cost more than it saves
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        self.path, self.config_name, self.revision = path, config_name, revision
        self.streaming, self.predict_path = streaming, predict_path
        self.tokenizer_source, self.vocab_size_limit = tokenizer, vocab_size
        self.lowercase, self.min_frequency, self.vectors = lowercase, min_frequency, vectors
        self._vectors: dict[int | None, InitialVectors] = {}
        self.options = DataOptions(
            train_split=train_split,
            validation_split=validation_split,
            test_split=test_split,
            text_column=text_column,
            label_column=label_column,
            labels=labels,
            max_length=max_length,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            validation_fraction=validation_fraction,
            num_folds=num_folds,
            fold=fold,
            strict=strict,
            num_workers=num_workers,
            seed=seed,
        )

    @cached_property
    def _data(self) -> InMemoryData | StreamedData:
        from datasets import Dataset

        source = open_source(self.path, self.config_name, self.revision, self.streaming)
        if self.streaming or not isinstance(source.load(self.options.train_split), Dataset):
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

        return train_tokenizer(texts, kind, self.vocab_size_limit, self.lowercase, self.min_frequency)

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
