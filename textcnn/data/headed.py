"""Splits with several label columns, one for each head of a model; a row may lack some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..runtime.head_outputs import num_outputs
from ..settings import DataSettings
from .columns import HEAD_ROWS
from .errors import DataError, listed, nearest
from .examples import Columns, Examples, find_columns, read_examples
from .head_targets import HeadTargets
from .io.sources import Source
from .label_order import order_levels
from .labels import RawLabels, Targets, choose_labels, encode_labels, present_labels
from .memory import InMemoryData
from .numbers import ORDINAL, REGRESSION, NumberTargets, mean_and_deviation
from .split_report import Split

if TYPE_CHECKING:
    from datasets import Dataset


class HeadedData(InMemoryData):
    """Splits with several label columns, `label_columns` of the settings; a row needs a label in one of them.

    Attributes:
        heads: The heads as config.json has them: name, problem_type and labels.
    """

    def __init__(self, source: Source, options: DataSettings) -> None:
        self.names = list(options.label_columns or ())
        self.numbers = frozenset(options.regression_columns or ())
        self.levels = options.levels_of_columns
        self.heads: list[dict[str, Any]] = []
        self._raws: dict[str, dict[str, RawLabels]] = {}
        super().__init__(source, options)

    def _columns_of(self, head: pa.Table, where: str) -> Columns:
        for name in self.names:
            if name not in head.column_names:
                raise DataError(
                    f"{where} has no column {name!r}{nearest(name, head.column_names)}; its columns are "
                    f"{listed(head.column_names)}; name some of these with label_columns"
                )
        text = self.options.text_column if self._columns is None else self._columns.text
        if text is None:
            # What is a label is no text.
            head = head.drop_columns(self.names[1:])
        return find_columns(head, text, self.names[0], where)

    def _read_examples(self, name: str, dataset: Dataset, where: str) -> Examples:
        head = dataset.select(range(min(HEAD_ROWS, len(dataset)))).with_format("arrow")[:]
        self._columns = columns = self._columns_of(head, where)
        if columns.text in self.names:
            raise DataError(
                f"{columns.text!r} is both the text and a label column of {where}; expected others; name the text "
                "with text_column"
            )
        table = dataset.select_columns([columns.text, *self.names]).with_format("arrow")[:]
        found = {
            column: _read_column(
                table,
                Columns(columns.text, column),
                dataset.features,
                where,
                column in self.numbers,
                column in self.levels,
            )
            for column in self.names
        }
        self._raws[name] = {column: examples.raw for column, examples in found.items()}
        first = next(iter(found.values()))
        has_text = ~first.texts.is_null().to_numpy()
        missing = np.all([examples.raw.missing for examples in found.values()], axis=0)
        without_label = int((missing & has_text).sum())
        for column, examples in found.items():
            count = examples.without_label - without_label
            if count:
                self.notes.append(f"{name}: {count:,} without a label in {column!r}, which count for other columns")
        raw = RawLabels([], np.zeros(0, np.int64), missing)
        return Examples(first.texts, raw, np.flatnonzero(has_text & ~missing), first.without_text, without_label)

    def _choose_labels(self, train: Examples) -> None:
        raws = self._raws[self.options.train_split]
        for name, raw in raws.items():
            rows = train.rows[~raw.missing[train.rows]]
            if raw.numbers is not None:
                self._check_numbers(name, raw.numbers[rows])
                self.heads.append({"name": name, "problem_type": REGRESSION, "labels": [name]})
                continue
            try:
                labels = self._labels_of(name, raw, rows)
            except DataError as error:
                raise DataError(f"the column {name!r}: {error}") from None
            kind = f"{'multi' if raw.multi_label else 'single'}_label_classification"
            kind = ORDINAL if name in self.levels else kind
            self.heads.append({"name": name, "problem_type": kind, "labels": labels})
        self.labels = [f"{head['name']}: {label}" for head in self.heads for label in head["labels"]]
        self.multi_label = False

    def _labels_of(self, name: str, raw: RawLabels, rows: np.ndarray) -> list[str]:
        """Return the labels of a column: of ordered levels, in their order."""
        present = present_labels(raw, rows)
        if name not in self.levels:
            return choose_labels(present, raw.names, None)
        if raw.multi_label:
            raise DataError(
                "ordinal_columns: got lists of labels; expected one level a text; leave the column out there"
            )
        return order_levels(present, raw.names, self.levels[name], name)

    @staticmethod
    def _check_numbers(name: str, numbers: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation of the numbers of a column."""
        try:
            return mean_and_deviation(numbers)
        except DataError as error:
            raise DataError(f"the column {name!r}: {error}") from None

    def target_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the standard deviation of the numbers of the train rows, by output: 0 and 1 of labels."""
        split, means, deviations = self.splits["train"], [], []
        assert isinstance(split.targets, HeadTargets)
        for head in self.heads:
            targets, scale = split.targets.targets[head["name"]], (0.0, 1.0)
            if isinstance(targets, NumberTargets):
                numbers = targets.values[split.rows]
                scale = self._check_numbers(head["name"], numbers[np.isfinite(numbers)])
            means += [scale[0]] * num_outputs(head)
            deviations += [scale[1]] * num_outputs(head)
        return np.array(means), np.array(deviations)

    def _add(self, role: str, name: str, examples: Examples) -> None:
        targets: dict[str, Targets | NumberTargets] = {}
        for head in self.heads:
            column, labels = str(head["name"]), list(head["labels"])
            raw = self._raws[name][column]
            if raw.numbers is not None:
                targets[column] = NumberTargets(raw.numbers)
                continue
            if raw.multi_label != (head["problem_type"] == "multi_label_classification") and not raw.missing.all():
                raise DataError(
                    f"the column {column!r} holds one label a text in one split and lists of labels in another; give "
                    "all splits the same kind of label"
                )
            others: list[str] | None = None if role == "train" or self.options.strict else []
            targets[column] = encode_labels(raw, labels, f"{role} ({column})", False, others, examples.rows)
            if others:
                self.notes.append(
                    f"{role} rows have labels of {column!r} that train lacks, {listed(others, 8)}: one label counts as "
                    "wrong, one of several is left out; strict refuses them"
                )
        missing = {column: self._raws[name][column].missing for column in targets}
        sizes = {str(head["name"]): len(head["labels"]) for head in self.heads}
        self.splits[role] = Split(name, examples.rows, HeadTargets(targets, missing, sizes))

    def _kind_in_words(self) -> str:
        parts = []
        for head in self.heads:
            several = ", several a text" if head["problem_type"] == "multi_label_classification" else ""
            kind = "ordered levels" if head["problem_type"] == ORDINAL else "labels"
            labels = f"{len(head['labels'])} {kind}{several}"
            parts.append(f"{head['name']!r} ({'numbers' if head['problem_type'] == REGRESSION else labels})")
        return f"labels from {', '.join(parts)}"


def refuse_label_columns(names: Any, verb: str) -> None:
    """Raise DataError where a verb that makes a model with one task is given several label columns."""
    if names is not None:
        raise DataError(
            f"label_columns: got {', '.join(map(str, names))} for {verb}, which takes one column of labels; expected "
            "label_column; train several in one model with textcnn train"
        )


def _read_column(table: pa.Table, columns: Columns, features: Any, where: str, numbers: bool, levels: bool) -> Examples:
    try:
        return read_examples(table, columns, features, where, numbers, every_row=False, levels=levels)
    except DataError as error:
        if numbers:
            raise DataError(
                f"{str(error).split('; expected')[0]}; expected numbers, as regression_columns names it; correct the "
                f"row, or leave {columns.label} out of regression_columns"
            ) from None
        if "problem_type to regression" not in str(error):
            raise
        raise DataError(
            f"the column {columns.label!r} of {where} holds real numbers; expected labels in each of label_columns; "
            f"to predict the numbers, name it in regression_columns (--regression_columns {columns.label}); where they "
            "are ordered levels, in ordinal_columns"
        ) from None
