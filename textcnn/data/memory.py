"""Splits that fit in memory: read, checked, divided. The texts stay in arrow.

A split is a set of row numbers into a table of texts, so that a validation split or a fold made
from the train split shares its tokenised texts (and their cache).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from torch import Tensor
from torch.utils.data import DataLoader

from ..settings import DataSettings
from .batches import BatchDataset, length_loader
from .collator import TextCollator
from .columns import HEAD_ROWS
from .defaults import HELD_OUT, batch_size_for, epochs_for, validation_fraction_for
from .encoding import EncodedTexts, encode_texts, text_chunks
from .errors import DataError, listed
from .examples import Columns, Examples, find_columns, read_examples, refuse_incomplete
from .io.sources import Source
from .label_order import check_paths, order_levels
from .labels import choose_labels, encode_labels, present_labels
from .numbers import ORDINAL, REGRESSION, NumberTargets, mean_and_deviation
from .split_report import Split, cut_line, dropped_lines, long_text_line, overlap_lines
from .splits import folds, hold_out, text_groups

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast


class InMemoryData:
    """The train, validation and test splits of a source, and loaders over them."""

    def __init__(self, source: Source, options: DataSettings) -> None:
        self.options, self.description = options, source.description
        self.regression = options.problem_type == REGRESSION
        self._columns: Columns | None = None
        self.notes: list[str] = []
        self._source_notes = source.notes
        self._read: dict[str, Examples] = {}
        self._encoded: dict[str, EncodedTexts] = {}
        self.splits: dict[str, Split] = {}
        self._noted: set[str] = set()
        self._prepare(source)

    @property
    def columns(self) -> Columns:
        assert self._columns is not None
        return self._columns

    def _prepare(self, source: Source) -> None:
        options, name = self.options, self.options.train_split
        train = self._examples(source, name)
        assert train is not None
        self._choose_labels(train)
        self._add("train", name, train)
        if options.num_folds is not None and options.fold is not None:
            self._divide(options.num_folds, options.fold)
        for role, wanted in (("validation", options.validation_split), ("test", options.test_split)):
            if role in self.splits:
                continue
            other = source.find(role, wanted, taken=name)
            examples = self._examples(source, other, required=wanted is not None) if other else None
            if other and examples is not None:
                self._add(role, other, examples)
                self._note_unseen(role)
        if "validation" not in self.splits:
            rows = len(self.splits["train"].rows)
            fraction = options.validation_fraction
            if fraction := validation_fraction_for(rows) if fraction is None else fraction:
                self._make_validation(fraction)
            elif options.validation_fraction is None:
                self.notes.append(f"validation: none ({HELD_OUT:.0%} of {rows:,} rows are too few to choose an epoch)")
        rows = len(self.splits["train"].rows)
        self.batch_size = options.batch_size or batch_size_for(rows)
        self.epochs = epochs_for(rows, self.batch_size)
        self.class_counts = self._counts("train")
        never = [x for x, n in zip(self.labels, self.class_counts, strict=True) if not n]
        if never:
            self.notes.append(f"no train row has the labels {', '.join(map(repr, never[:8]))}")

    def _choose_labels(self, train: Examples) -> None:
        wish, raw = self.options.labels, train.raw
        numbers = [str(name) for name in wish or [self.columns.label]]
        self.multi_label = train.raw.multi_label
        choose = order_levels if self.options.problem_type == ORDINAL and not self.multi_label else choose_labels
        self.labels = numbers if self.regression else choose(present_labels(raw, train.rows), raw.names, wish)
        check_paths(self.labels, self.options.label_separator, self.multi_label)

    def _examples(self, source: Source, name: str, required: bool = True) -> Examples | None:
        """Read a split; return None where it has no labels and is not required."""
        if name in self._read:
            return self._read[name]
        dataset: Dataset = source.load(name)
        where = f"the {name} split of {source.description}"
        if len(dataset) == 0:
            raise DataError(f"{where} is empty; expected at least one row")
        label = self.options.label_column if self._columns is None else self._columns.label
        if label and label not in dataset.column_names and not required:
            self.notes.append(f"the {name} split has no column {label!r} and is left out")
            return None
        examples = self._read_examples(name, dataset, where)
        if examples.raw.missing.all() and not required:
            self.notes.append(f"the {name} split has no labels and is left out")
            return None
        if self.options.strict:
            refuse_incomplete(examples, where)
        if len(examples.rows) == 0:
            raise DataError(
                f"no row of {where} has both a text and a label (columns {self.columns.text!r} and "
                f"{self.columns.label!r}); name other columns with text_column and label_column"
            )
        self._read[name] = examples
        return examples

    def _read_examples(self, name: str, dataset: Dataset, where: str) -> Examples:
        text, label = self.options.text_column, self.options.label_column
        if self._columns is not None:
            text, label = self._columns.text, self._columns.label
        head = dataset.select(range(min(HEAD_ROWS, len(dataset)))).with_format("arrow")[:]
        self._columns = columns = find_columns(head, text, label, where)
        table = dataset.select_columns([columns.text, columns.label]).with_format("arrow")[:]
        levels = self.options.problem_type == ORDINAL
        return read_examples(table, columns, dataset.features, where, self.regression, levels=levels)

    def _add(self, role: str, name: str, examples: Examples) -> None:
        if examples.raw.numbers is not None:
            self.splits[role] = Split(name, examples.rows, NumberTargets(examples.raw.numbers))
            return
        if examples.raw.multi_label != self.multi_label:
            kind = "one label" if self.multi_label else "lists of labels"
            raise DataError(f"the {role} split has {kind} and train has not; give both the same kind of label")
        given = self.options.labels is not None
        others: list[str] | None = None if role == "train" or self.options.strict else []
        targets = encode_labels(examples.raw, self.labels, role, given, others, examples.rows)
        if others and not targets.known(examples.rows, len(self.labels)).any():
            encode_labels(examples.raw, self.labels, role, given)  # another column, or other names: refused
        self.splits[role] = Split(name, examples.rows, targets)
        rows = int((~targets.known(examples.rows, len(self.labels))).sum())
        if others and rows:
            counted = "these labels are left out" if self.multi_label else "they count as wrong"
            self.notes.append(
                f"{rows:,} of {len(examples.rows):,} {role} rows have labels that train lacks, {listed(others, 8)}: "
                f"{counted}; strict refuses them"
            )

    def _note_unseen(self, role: str) -> None:
        """Note labels that the model knows and no train row has, unless the user gave the labels."""
        if self.options.labels is not None or self.regression:
            return
        counts = self._counts(role)
        unseen = (counts > 0) & (self._counts("train") == 0)
        if not unseen.any():
            return
        labels = [self.labels[i] for i in np.flatnonzero(unseen)]
        if self.options.strict:
            raise DataError(
                f"the {role} split has the label {labels[0]!r}, which no train row has; expected none under strict; "
                "add rows of it, drop it, or leave strict off"
            )
        self.notes.append(
            f"{int(counts[unseen].sum()):,} {role} labels are of classes without a train row: {listed(labels, 8)}"
        )

    def _counts(self, role: str) -> np.ndarray:
        split = self.splits[role]
        return split.targets.counts(split.rows, len(self.labels))

    def _strata_and_groups(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        groups = text_groups(self._read[split.table].texts)[split.rows]
        return split.targets.strata(split.rows, len(self.labels)), groups

    def _make_validation(self, fraction: float) -> None:
        train = self.splits["train"]
        strata, groups = self._strata_and_groups(train)
        held = hold_out(strata, groups, fraction, self.options.seed)
        if not held.any():
            raise DataError(
                f"no validation split can be made from {len(train.rows)} train rows with one text a label; add rows, "
                "name a validation_split, or set validation_fraction to 0"
            )
        self.splits["validation"] = Split(train.table, train.rows[held], train.targets)
        self.splits["train"] = Split(train.table, train.rows[~held], train.targets)
        self.notes.append(f"validation: {held.sum():,} rows held out of train, stratified, seed {self.options.seed}")

    def _divide(self, num_folds: int, fold: int) -> None:
        train = self.splits["train"]
        if (count := len(train.rows)) < num_folds:
            raise DataError(f"{count} train rows cannot make {num_folds} folds; lower num_folds")
        number = folds(*self._strata_and_groups(train), num_folds, self.options.seed)
        self.splits["test"] = Split(train.table, train.rows[number == fold], train.targets)
        self.splits["train"] = Split(train.table, train.rows[number != fold], train.targets)
        self.notes.append(f"test: fold {fold} of {num_folds} of the train split, stratified")

    def train_texts(self) -> Iterator[str]:
        """Yield the texts of the train rows, in order."""
        split = self.splits["train"]
        wanted = np.zeros(len(self._read[split.table].texts), dtype=bool)
        wanted[split.rows] = True
        start = 0
        for chunk in text_chunks(self._read[split.table].texts):
            for position in np.flatnonzero(wanted[start : start + len(chunk)]):
                yield chunk[position]
            start += len(chunk)

    def texts_and_targets(self, role: str) -> tuple[list[str], np.ndarray]:
        """Return the texts of a split, and their label ids [N], numbers [N] or, multi-label, zeros and ones [N, C].

        Rows with a label that train lacks are left out.

        Raises:
            DataError: there is no such split.
        """
        if role not in self.splits:
            names = ", ".join(self.splits)
            raise DataError(f"{self.description} has no {role} split; expected one; its splits are {names}")
        split = self.splits[role]
        return self._texts_and_targets(split, split.rows[split.targets.known(split.rows, len(self.labels))])

    def validation_rows(self, limit: int) -> tuple[list[str], np.ndarray]:
        """Return texts and targets of the validation split, at most `limit`, spread evenly; none without a split."""
        split = self.splits.get("validation")
        if split is None:
            return [], np.zeros(0, np.int64)
        rows = split.rows[split.targets.known(split.rows, len(self.labels))]
        if len(rows) > limit:
            rows = rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]
        return self._texts_and_targets(split, rows)

    def _texts_and_targets(self, split: Split, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
        texts = self._read[split.table].texts.take(pa.array(rows)).cast(pa.string()).to_pylist()
        if isinstance(split.targets, NumberTargets):
            return texts, split.targets.values[rows]
        return texts, split.targets.batch(rows, len(self.labels))

    def target_scale(self) -> tuple[Any, Any]:
        """Return the mean and the standard deviation of the numbers of the train rows.

        Raises:
            DataError: all of them are equal.
        """
        split = self.splits["train"]
        assert isinstance(split.targets, NumberTargets)
        return mean_and_deviation(split.targets.values[split.rows])

    def encode(self, role: str, tokenizer: PreTrainedTokenizerFast) -> EncodedTexts:
        """Return the tokenised table behind a split (all of its rows), made once."""
        name = self.splits[role].table
        if name not in self._encoded:
            texts = self._read[name].texts
            self._encoded[name] = encode_texts(texts, tokenizer, self.options.max_length)
        return self._encoded[name]

    def token_counts(self, tokenizer: PreTrainedTokenizerFast, vocab_size: int) -> np.ndarray:
        """Count the occurrences of each token in the train texts of each label: int64 [V, C]."""
        split, encoded = self.splits["train"], self.encode("train", tokenizer)
        targets = split.targets.batch(split.rows, len(self.labels))
        columns = []
        for label in range(len(self.labels)):
            has_label = targets[:, label] > 0 if self.multi_label else targets == label
            ids, _ = encoded.gather(split.rows[has_label])
            columns.append(np.bincount(ids, minlength=vocab_size))
        return np.stack(columns, axis=1)

    def encoded_train(self, tokenizer: PreTrainedTokenizerFast) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ids of the train texts one after the other, lengths [N], and targets [N] or [N, C]."""
        split = self.splits["train"]
        ids, lengths = self.encode("train", tokenizer).gather(split.rows)
        return ids, lengths, split.targets.batch(split.rows, len(self.labels))

    def loader(
        self, role: str, tokenizer: PreTrainedTokenizerFast, collator: TextCollator
    ) -> DataLoader[dict[str, Tensor]] | None:
        """Return batches of a split, or None where there is no such split."""
        if role not in self.splits:
            return None
        split, options = self.splits[role], self.options
        fields = {"labels": split.targets}
        dataset = BatchDataset(self.encode(role, tokenizer), split.rows, fields, len(self.labels), collator)
        train = role == "train"
        self._note_long_texts(role, dataset.lengths)
        return length_loader(
            dataset,
            self.batch_size if train else options.eval_batch_size,
            shuffle=train,
            seed=options.seed,
            num_workers=options.num_workers,
        )

    def _note_long_texts(self, role: str, lengths: np.ndarray) -> None:
        """Print on standard error what a step over the longest texts takes, if it is more than a GB."""
        batch = self.batch_size if role == "train" else self.options.eval_batch_size
        line = long_text_line(role, self.splits[role].rows, lengths, batch)
        if line and role not in self._noted:
            self._noted.add(role)
            print(line, file=sys.stderr, flush=True)

    def _kind_in_words(self) -> str:
        if self.regression:
            return f"numbers from {self.columns.label!r}"
        kind = "labels, several a text" if self.multi_label else "labels"
        return f"labels from {self.columns.label!r} ({len(self.labels)} {kind})"

    def report(self, tokenizer: PreTrainedTokenizerFast) -> list[str]:
        """Return lines about columns, rows, dropped rows and cut texts."""
        lines = [
            f"data: {self.description}, texts from {self.columns.text!r}, {self._kind_in_words()}",
            f"rows: {', '.join(f'{role} {len(split.rows):,}' for role, split in self.splits.items())}",
            *self._source_notes,
            *self.notes,
            *dropped_lines(self._read),
            *overlap_lines(self.splits, self._read),
        ]
        if self.options.max_length is not None:
            lines += [
                cut_line(role, self.encode(role, tokenizer).cut[split.rows], self.options.max_length)
                for role, split in self.splits.items()
            ]
        return lines
