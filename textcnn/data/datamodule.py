"""TextDataModule: from a Hub name, a file or data in memory to batches of token ids.

Shapes: `N` texts, `V` tokens of the vocabulary, `C` labels.
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
        config_name: Configuration of a Hub data set.
        revision: Branch, tag or commit of a Hub data set.
        train_split: Split to train on.
        validation_split: Split to validate on; default: found by its usual names, else held out of the train split.
        test_split: Split to test on; default: found by its usual names.
        text_column: Column of the texts; default: found by its name.
        label_column: Column of the labels; default: found by its name (a `labels` column of lists comes before
            `label`).
        labels: Label names in the order of their ids; default: those of the ClassLabel, else sorted.
        problem_type: single_label_classification or multi_label_classification; default: found from the labels.
        tokenizer: A directory or Hub id, a PreTrainedTokenizerFast, or the kind to train on the train texts:
            wordpiece, word, bpe, char, byte. Default: that of `vectors`, else wordpiece.
        vocab_size: Largest vocabulary of a tokenizer that is trained.
        lowercase: Lower-case in a tokenizer that is trained.
        min_frequency: Least number of occurrences of a word or piece in a tokenizer that is trained.
        vectors: Initial embeddings: a checkpoint (directory or Hub id) or a word-vector file, or a list of them, whose
            vectors stand side by side; the first with a tokenizer lends it.
        max_length: Number of tokens that texts are cut to; default: no cut.
        batch_size: Texts in a training batch.
        eval_batch_size: Texts in any other batch.
        validation_fraction: Fraction of the train rows to hold out where there is no validation split.
        num_folds: Number of folds for cross-validation on the train split.
        fold: Number (from 0) of the fold that is the test split.
        streaming: Read the data as it is used, in constant memory.
        strict: Refuse rows without a text or label, and labels that the train split lacks, instead of leaving them out.
        num_workers: Processes that make batches; 0 is fast enough for most.
        seed: Seed of the order, the held-out rows and the folds.
        predict_path: Texts to label: anything `path` can be; needs no labels.

    Example:
        >>> data = TextDataModule("reviews.csv")  # doctest: +SKIP
        >>> data.labels, data.problem_type  # doctest: +SKIP
        (['negative', 'positive'], 'single_label_classification')
    """

    def __init__(
        self,
        path: str | Any | None = None,
        config_name: str | None = None,
        revision: str | None = None,
        train_split: str = "train",
        validation_split: str | None = None,
        test_split: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        labels: Sequence[str] | None = None,
        problem_type: str | None = None,
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
        self._vectors_seed = seed
        # Column of the training texts of a model that labels the texts of predict_path.
        self.trained_on: str | None = None
        self.options = DataOptions(
            train_split=train_split,
            validation_split=validation_split,
            test_split=test_split,
            text_column=text_column,
            label_column=label_column,
            labels=labels,
            problem_type=problem_type,
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

        if self.path is None:
            raise DataError("path: got no data; expected a file, folder, Hub name or data in memory; give --data.path")
        source = open_source(self.path, self.config_name, self.revision, self.streaming)
        streamed = self.streaming or not isinstance(source.load(self.options.train_split), Dataset)
        data = StreamedData(source, self.options) if streamed else InMemoryData(source, self.options)
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
    def num_labels(self) -> int:
        """Number of labels."""
        return len(self.labels)

    @property
    def columns(self) -> tuple[str, str]:
        """Names of the columns of the texts and the labels."""
        return self._data.columns.text, self._data.columns.label

    @property
    def problem_type(self) -> str:
        """Problem type of transformers: single_label_classification or multi_label_classification."""
        return self.options.problem_type or _problem_type(self._data)

    @property
    def class_counts(self) -> list[int]:
        """Numbers of train texts with each label, in the order of the ids."""
        return [int(count) for count in self._data.class_counts]

    def tokenizer_texts(self) -> Iterable[str]:
        """Return the texts that a tokenizer is trained on: the train texts."""
        return self._data.train_texts()

    @property
    def data_report(self) -> str:
        """Lines about columns, rows, dropped rows, cut texts, tokenizer and vectors."""
        return "\n".join([*self._data.report(self.tokenizer), *self.tokenizer_report()])

    def texts_and_targets(self, role: str) -> tuple[list[str], np.ndarray]:
        """Return the texts of train, validation or test, and their label ids [N] or zeros and ones [N, C].

        Raises:
            DataError: there is no such split, or the data is a stream.
        """
        return self._in_memory().texts_and_targets(role)

    def validation_rows(self, limit: int) -> tuple[list[str], np.ndarray]:
        """Return texts and targets of the validation split as `texts_and_targets`, at most `limit`, spread evenly."""
        return self._data.validation_rows(limit)

    def token_counts(self) -> np.ndarray:
        """Return how often each token occurs in the train texts of each label: [V, C].

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
        return self._loader("train")

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
    return f"{'multi' if data.multi_label else 'single'}_label_classification"
