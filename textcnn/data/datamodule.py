"""TextDataModule: from a Hub name, a file or data in memory to batches of token ids.

Shapes: `N` texts, `V` tokens of the vocabulary, `C` labels.
"""

from __future__ import annotations

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
from .headed import HeadedData
from .io.sources import open_source
from .memory import InMemoryData
from .numbers import ORDINAL, REGRESSION
from .prediction import open_rows, texts_of
from .stream_batches import StreamLoader
from .streams import StreamedData
from .tokenizer_choice import TokenizerChoice

if TYPE_CHECKING:
    from datasets import Dataset

    from ..vectors import InitialVectors


class TextDataModule(TokenizerChoice, LightningDataModule):
    """Labelled texts as batches, and the sizes of a model that depend on them.

    Args:
        path: A Hub name; a file (csv, tsv, json, jsonl, parquet, txt, also .gz or .zst); a folder with train.<ext>,
            validation.<ext>, test.<ext>; a DataFrame, the pair (texts, labels), a Dataset, DatasetDict or
            IterableDataset, or a dict of these by split; or "python-docstrings", built from the running Python. None
            is for labelling only, with labels, problem_type and tokenizer of a trained model.
        predict_path: Texts to label: anything `path` can be; needs no labels.
        settings: Fields of DataSettings: splits, columns, tokenizer, vectors, batches, seed.

    Example:
        >>> data = TextDataModule("reviews.csv")  # doctest: +SKIP
        >>> data.labels, data.problem_type  # doctest: +SKIP
        (['negative', 'positive'], 'single_label_classification')
    """

    def __init__(self, path: str | Any | None = None, predict_path: str | Any | None = None, **settings: Any) -> None:
        super().__init__()
        # batches come whole from numpy, so that a worker would cost more than it saves
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        self.path, self.predict_path = path, predict_path
        self.options = DataSettings(**settings)
        self.tokenizer_source, self.vocab_size_given = self.options.tokenizer, self.options.vocab_size
        self._vectors: dict[int | None, InitialVectors] = {}
        # Column of the training texts of a model that labels the texts of predict_path.
        self.trained_on: str | None = None
        # Where the batches of a stream begin in a run that goes on.
        self.train_position: dict[str, int] | None = None

    @cached_property
    def _data(self) -> InMemoryData | StreamedData:
        from datasets import Dataset

        if self.path is None:
            raise DataError("path: got no data; expected a file, folder, Hub name or data in memory; give --data.path")
        source = open_source(self.path, self.options.config_name, self.options.revision, self.options.streaming)
        streamed = self.options.streaming or not isinstance(source.load(self.options.train_split), Dataset)
        if streamed and self.options.problem_type in (REGRESSION, ORDINAL):
            raise DataError(
                f"problem_type: got {self.options.problem_type} for a stream; expected data that fits in memory; load "
                "it first"
            )
        if streamed and self.options.label_columns is not None:
            raise DataError("label_columns: got several for a stream; expected data that fits in memory; load it first")
        in_memory = InMemoryData if self.options.label_columns is None else HeadedData
        data = StreamedData(source, self.options) if streamed else in_memory(source, self.options)
        wanted = self.options.problem_type
        if wanted is not None and wanted != _problem_type(data):
            raise DataError(
                f"problem_type: got {wanted}; expected {_problem_type(data)}, as the labels of the data are"
            )
        return data

    @property
    def labels(self) -> list[str]:
        """Label names in the order of their ids."""
        options = self.options
        if options.labels is not None and options.problem_type is not None:
            return list(options.labels)  # a trained model's: labelling needs no training data
        return self._data.labels

    @property
    def is_stream(self) -> bool:
        """True where the data is read anew in each epoch."""
        return self.path is not None and isinstance(self._data, StreamedData)

    @property
    def num_labels(self) -> int:
        """Number of labels."""
        return len(self.labels)

    @property
    def columns(self) -> tuple[str, str]:
        """Names of the columns of the texts and the labels."""
        return self._data.columns.text, self._data.columns.label

    @property
    def problem_type(self) -> str:
        """Problem type: single_label_classification, multi_label_classification, regression or ordinal."""
        return self.options.problem_type or _problem_type(self._data)

    @property
    def heads(self) -> list[dict[str, Any]] | None:
        """The heads of a model of several label columns: name, problem_type and labels; None for one column."""
        if self.options.label_columns is None:
            return None
        return self._data.heads if isinstance(self._data, HeadedData) else None

    @property
    def class_counts(self) -> list[int]:
        """Numbers of train texts with each label, in the order of the ids."""
        return [int(count) for count in self._data.class_counts]

    @property
    def epochs(self) -> int:
        """Epochs of a training run for which none were given."""
        return self._data.epochs

    def tokenizer_texts(self) -> Iterable[str]:
        """Return the texts that a tokenizer is trained on: the train texts."""
        return self._data.train_texts()

    @property
    def data_report(self) -> str:
        """Lines about columns, rows, dropped rows, cut texts, tokenizer and vectors."""
        return "\n".join([*self._data.report(self.tokenizer), *self.tokenizer_report()])

    def texts_and_targets(self, role: str) -> tuple[list[str], np.ndarray]:
        """Return the texts of train, validation or test, and their label ids or numbers [N], or zeros and ones [N, C].

        With label_columns the targets are a dict of these by column: -1, or NaN, where a row has no label or number.

        Raises:
            DataError: there is no such split, or the data is a stream.
        """
        return self._in_memory().texts_and_targets(role)

    def validation_rows(self, limit: int) -> tuple[list[str], np.ndarray]:
        """Return texts and targets of the validation split as `texts_and_targets`, at most `limit`, spread evenly."""
        return self._data.validation_rows(limit)

    def token_counts(self) -> np.ndarray:
        """Count the occurrences of each token in the train texts of each label: [V, C].

        Raises:
            DataError: the data is a stream.
        """
        return self._in_memory("naive_bayes: ").token_counts(self.tokenizer, self.vocab_size)

    def target_scale(self) -> tuple[Any, Any]:
        """Return the mean and the standard deviation of the numbers that a regression learns; of heads, by logit: [C].

        Raises:
            DataError: all of them are equal.
        """
        return self._in_memory().target_scale()

    def encoded_train(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the token ids of the train texts one after the other, lengths [N], and targets [N] or [N, C].

        Targets are label ids, zeros and ones, or the numbers of a regression.

        Raises:
            DataError: the data is a stream.
        """
        return self._in_memory("bag_start: ").encoded_train(self.tokenizer)

    def _in_memory(self, option: str = "") -> InMemoryData:
        if isinstance(self._data, StreamedData):
            raise DataError(
                f"{option}the data is a stream, whose texts are not kept; expected data that fits in memory; "
                "leave out streaming" + (" or the option" if option else "")
            )
        return self._data

    @cached_property
    def collator(self) -> TextCollator:
        """Collator that pads the batches."""
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
        """Return the trainer's epoch, right also after a resume; None without a trainer."""
        return self.trainer.current_epoch if self.trainer is not None else None

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return batches of the train split: grouped by length, shuffled anew each epoch."""
        loader = self._loader("train")
        if self.train_position is not None:
            loader.load_state_dict(self.train_position)
            self.train_position = None
        return loader

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Return batches of the validation split, longest texts first; [] without one."""
        return self._loader("validation")

    def test_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Return batches of the test split, longest texts first; [] without one."""
        return self._loader("test")

    @cached_property
    def predict_rows(self) -> Dataset:
        """Rows of `predict_path`, all of them, in their order."""
        return open_rows(self.predict_path)

    @cached_property
    def predict_texts(self) -> Any:
        """Texts of `predict_rows`, a ChunkedArray; null where a row has none."""
        where = str(self.predict_path) if isinstance(self.predict_path, (str, Path)) else "the data"
        trained_on = self.trained_on or (self.columns[0] if self.path is not None else None)
        return texts_of(self.predict_rows, self.options.text_column, trained_on, where)

    def predict_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return batches of `predict_rows` in their order, without labels; a null text is an empty one."""
        options = self.options
        encoded = encode_texts(self.predict_texts, self.tokenizer, options.max_length)
        rows = np.arange(len(encoded))
        dataset = BatchDataset(encoded, rows, {}, self.num_labels, self.collator)
        return length_loader(dataset, options.eval_batch_size, sort=False, num_workers=options.num_workers)


def _problem_type(data: InMemoryData | StreamedData) -> str:
    if isinstance(data, InMemoryData) and data.regression:
        return REGRESSION
    if isinstance(data, InMemoryData) and data.options.problem_type == ORDINAL and not data.multi_label:
        return ORDINAL
    return f"{'multi' if data.multi_label else 'single'}_label_classification"
