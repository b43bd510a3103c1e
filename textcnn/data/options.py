"""DataOptions: settings of the data, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import DataError, nearest

PROBLEM_TYPES = ("single_label_classification", "multi_label_classification")


@dataclass(frozen=True)
class DataOptions:
    """The arguments of TextDataModule that decide which rows, labels and batches there are."""

    train_split: str = "train"
    validation_split: str | None = None
    test_split: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    labels: Sequence[str] | None = None
    problem_type: str | None = None
    max_length: int | None = None
    batch_size: int = 64
    eval_batch_size: int = 256
    validation_fraction: float = 0.1
    num_folds: int | None = None
    fold: int | None = None
    strict: bool = False
    num_workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_batch_size", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name} is {value}; expected at least 1")
        if not 0 <= self.validation_fraction < 1:
            raise DataError(
                f"validation_fraction is {self.validation_fraction}; expected a share of the train "
                "rows from 0 (no validation) to below 1, such as 0.1"
            )
        if self.problem_type is not None and self.problem_type not in PROBLEM_TYPES:
            raise DataError(
                f"problem_type: got {self.problem_type!r}; expected {' or '.join(PROBLEM_TYPES)}"
                f"{nearest(self.problem_type, PROBLEM_TYPES)}"
            )
        if isinstance(self.labels, str):
            raise DataError(
                f"labels is the string {self.labels!r}; expected the list of all label names; "
                "give for example ['negative', 'positive']"
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
