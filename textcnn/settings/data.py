"""Settings of the data: columns, splits, tokens, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, nearest
from .base import Settings
from .label_columns import check_label_columns, read_ordinal_columns, refuse_without_label_columns

LARGEST_SEED = 2**32 - 1
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression", "ordinal")


@dataclass(kw_only=True)
class ColumnSettings(Settings):
    """Columns of labelled data.

    Args:
        text_column: Column of the texts. Default: found by its name.
        label_column: Column of the labels. Default: found by its name.
    """

    text_column: str | None = None
    label_column: str | None = None


@dataclass(kw_only=True)
class SourceSettings(ColumnSettings):
    """Data: which rows are read, and which are held out.

    Args:
        config_name: Configuration of a Hub dataset. Default: the only one.
        revision: Branch, tag or commit of a Hub dataset. Default: the newest.
        train_split: Split to train on.
        validation_split: Split to validate on. Default: found by its name, else held out.
        test_split: Split to test on. Default: found by its name.
        label_columns: Several columns of labels, such as quality topic: one model with a head for each, in place of
            label_column. Default: one column.
        regression_columns: Those of label_columns whose numbers are predicted. Default: none.
        ordinal_columns: Those of label_columns whose labels are levels in the order of their numbers, or in one that is
            given, such as severity:low,middle,high. Default: none.
        labels: Label names in the order of their ids. Default: those of the data, sorted.
        label_separator: Separator of the parts of labels that are paths, such as /. Default: they are no paths.
        problem_type: single_label_classification, multi_label_classification, regression (predicts the number in the
            label column) or ordinal (levels in the order of their numbers, or of `labels`). Default: one of the first
            two, found from the labels.
        validation_fraction: Fraction of the training rows to hold out without a validation split. Default: 0.1, or 0
            where that is fewer than 10 rows.
        num_folds: Number of folds of cross-validation on the train split. Default: no folds.
        fold: Fold, from 0, that is the test split. Default: no folds.
        streaming: Read the data as it is used, in constant memory.
        strict: Refuse rows without a text or label, and labels that the train split lacks.
    """

    config_name: str | None = None
    revision: str | None = None
    train_split: str = "train"
    validation_split: str | None = None
    test_split: str | None = None
    label_columns: Sequence[str] | None = None
    regression_columns: Sequence[str] | None = None
    ordinal_columns: Sequence[str] | None = None
    labels: Sequence[str] | None = None
    label_separator: str | None = None
    problem_type: str | None = None
    validation_fraction: float | None = None
    num_folds: int | None = None
    fold: int | None = None
    streaming: bool = False
    strict: bool = False

    def check(self) -> None:
        if self.label_columns is not None:
            self._check_label_columns(list(self.label_columns))
        else:
            refuse_without_label_columns(self.regression_columns, self.ordinal_columns)
        if self.validation_fraction is not None and not 0 <= self.validation_fraction < 1:
            raise DataError(
                f"validation_fraction is {self.validation_fraction}; expected a share of the train "
                "rows from 0 (no validation) to below 1, such as 0.1"
            )
        if self.problem_type is not None and self.problem_type not in PROBLEM_TYPES:
            raise DataError(
                f"problem_type: got {self.problem_type!r}; expected one of {', '.join(PROBLEM_TYPES)}"
                f"{nearest(self.problem_type, PROBLEM_TYPES)}"
            )
        if self.problem_type in ("regression", "ordinal") and self.streaming:
            raise DataError(
                f"streaming: got it with problem_type {self.problem_type}; expected data that fits in memory; "
                "set streaming to false"
            )
        if self.label_separator is not None:
            if self.label_separator == "":
                raise DataError("label_separator: got an empty string; expected a separator, such as /")
            for name in ("label_columns", "problem_type"):
                value = getattr(self, name)
                if value not in (None, "single_label_classification"):
                    raise DataError(
                        f"label_separator: got it with {name} {value}; expected one label a text, whose levels it "
                        "makes; leave out one of them"
                    )
        if (self.num_folds is None) != (self.fold is None):
            raise DataError(
                f"got num_folds={self.num_folds} and fold={self.fold}; expected both or none; "
                "give for example num_folds=10 and fold=0"
            )
        if self.num_folds is not None and not 0 <= (self.fold or 0) < self.num_folds >= 2:
            raise DataError(
                f"got num_folds={self.num_folds} and fold={self.fold}; expected at least 2 folds "
                "and a fold from 0 to num_folds - 1"
            )

    @property
    def levels_of_columns(self) -> dict[str, list[str] | None]:
        """Columns of ordered levels among label_columns, each with its levels in their order, or None for numbers."""
        return read_ordinal_columns(self.ordinal_columns or (), list(self.label_columns or ()))

    def _check_label_columns(self, names: list[str]) -> None:
        others = {"label_column": self.label_column, "labels": self.labels, "problem_type": self.problem_type}
        check_label_columns(names, others, list(self.regression_columns or ()), self.levels_of_columns)
        if self.streaming:
            raise DataError("streaming: got it with label_columns; expected data that fits in memory; leave it out")


@dataclass(kw_only=True)
class TokenizerSettings(Settings):
    """Tokens and their initial vectors.

    Args:
        tokenizer: Directory, Hub id, or a kind to train: wordpiece, word, bpe, char, byte. Default: `vectors`' own;
            char in `train` if auto does not fit; else wordpiece.
        vocab_size: Largest vocabulary of a tokenizer that is trained. Default: 30,000; 8,000 where the vectors auto do
            not fit the words of the texts.
        lowercase: Lower-case texts in a tokenizer that is trained.
        min_frequency: Occurrences that a trained tokenizer needs to know a word or piece.
        vectors: Checkpoints or word-vector files that tokens start with, side by side; auto (English ones that ship,
            where they fit) or none (random).
    """

    tokenizer: Any = None
    vocab_size: int | None = None
    lowercase: bool = True
    min_frequency: int = 2
    vectors: str | Path | list[str] | None = "auto"

    def check(self) -> None:
        at_least(1, min_frequency=self.min_frequency)
        if self.vectors == "none":  # as the command line has it
            self.vectors = None
        if self.vocab_size is not None:
            at_least(1, vocab_size=self.vocab_size)


@dataclass(kw_only=True)
class SeedSettings(Settings):
    """Randomness.

    Args:
        seed: Seed of everything random.
    """

    seed: int = 0

    def check(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed: got {self.seed}; expected a whole number from 0 to {LARGEST_SEED}")


@dataclass(kw_only=True)
class BatchSettings(SeedSettings):
    """Batches.

    Args:
        max_length: Tokens of a text that are kept. Default: all.
        batch_size: Texts in a training batch. Default: 64; below 4,096, 2,048 or 512 training rows 32, 16 or 8.
        eval_batch_size: Texts in any other batch.
        num_workers: Processes that make batches; 0 is fast enough for most.
    """

    max_length: int | None = None
    batch_size: int | None = None
    eval_batch_size: int = 256
    num_workers: int = 0

    def check(self) -> None:
        for name in ("batch_size", "eval_batch_size", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name} is {value}; expected at least 1")
        at_least(0, num_workers=self.num_workers)


@dataclass(kw_only=True)
class DataSettings(BatchSettings, TokenizerSettings, SourceSettings):
    """Everything that TextDataModule needs beside the data."""


def at_least(least: int, **values: int) -> None:
    """Raise ValueError where a value is below the least."""
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name}: got {value}; expected a whole number of at least {least}")
