"""Data sets of a comparison: the same train, validation and test texts for every classifier.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import TextDataModule
from ..data.defaults import HELD_OUT
from ..data.errors import DataError
from ..data.io.formats import format_of, stem_of
from ..data.io.sources import open_source
from ..settings import SourceSettings

# Without a test split, one of so many folds of the train split is the test split.
TEST_FOLDS = 5


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with class ids [N], or zeros and ones [N, C] where a text may have several labels."""

    texts: list[str]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> LabelledTexts:
        """Return some of the rows."""
        return LabelledTexts([self.texts[row] for row in rows.tolist()], self.targets[rows])

    def label_lists(self, labels: list[str]) -> list[Any]:
        """Return the label of each text, or the list of its labels."""
        if self.targets.ndim == 1:
            return [labels[target] for target in self.targets.tolist()]
        return [[labels[c] for c in np.flatnonzero(row).tolist()] for row in self.targets]


@dataclass(frozen=True)
class Splits:
    """One data set.

    Args:
        name: Name of the data set.
        labels: Names of the classes.
        train: Texts to train on.
        validation: Texts to choose settings and epochs on; None where there are too few labels to hold some out.
        test: Texts that the scores are of.
        held_out: The validation texts are a part of the train split.
        note: Origin of the test and validation texts, where the data has no such split.
    """

    name: str
    labels: list[str]
    train: LabelledTexts
    validation: LabelledTexts | None
    test: LabelledTexts
    held_out: bool = False
    note: str = ""

    @property
    def multi_label(self) -> bool:
        return self.train.targets.ndim == 2

    def everything(self) -> LabelledTexts:
        """Return the texts for a last fit with chosen settings: train, and validation where it is a part of train."""
        if self.validation is None or not self.held_out:
            return self.train
        targets = np.concatenate([self.train.targets, self.validation.targets])
        return LabelledTexts(self.train.texts + self.validation.texts, targets)

    def by_split(self) -> dict[str, tuple[list[str], list[Any]]]:
        """Return train and validation as `textcnn.train` reads data in memory."""
        parts = {"train": self.train} | ({} if self.validation is None else {"validation": self.validation})
        return {role: (part.texts, part.label_lists(self.labels)) for role, part in parts.items()}

    def fingerprint(self) -> str:
        """Return a hash of everything that a score depends on."""
        digest = hashlib.sha256(repr(self.labels).encode())
        for part in (self.train, self.validation, self.test):
            if part is None:
                digest.update(b"none")
                continue
            for text in part.texts:
                digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
            digest.update(np.ascontiguousarray(part.targets).tobytes())
        return digest.hexdigest()[:16]


def find_data_sets(data: Any) -> dict[str, Any]:
    """Return the data sets of an argument by name: itself, or what a folder without a train file holds.

    Raises:
        DataError: The folder holds no data set.
    """
    if not isinstance(data, (str, os.PathLike)):
        return {"data": data}
    folder = Path(data).expanduser()
    if not folder.is_dir() or _has_train_file(folder):
        return {(stem_of(folder) if folder.is_file() else folder.name) or "data": str(data)}
    found = {
        path.name if path.is_dir() else stem_of(path): str(path)
        for path in sorted(folder.iterdir())
        if (_has_train_file(path) if path.is_dir() else _is_table(path))
    }
    if not found:
        raise DataError(
            f"{folder} holds no data set; expected train.csv (or .parquet, .jsonl ...) in it, or folders that have "
            "one; give another folder or a file"
        )
    return found


def _has_train_file(folder: Path) -> bool:
    return any(path.name.startswith("train") and format_of(path) is not None for path in folder.iterdir())


def _is_table(path: Path) -> bool:
    return path.is_file() and format_of(path) not in (None, "txt") and path.suffix.lower() != ".json"


def read_splits(name: str, data: Any, settings: SourceSettings, limit: int | None = None) -> Splits:
    """Read a data set and divide it.

    Args:
        name: Name of the data set.
        data: Anything that `textcnn train` reads.
        settings: Columns and splits. Without a validation_fraction, 0.1 is held out, however few rows there are.
        limit: Most rows of each split, drawn at random. Default: all.

    Raises:
        DataError: The data cannot be read or learnt from.
    """
    options = settings.part(SourceSettings)
    if options["validation_fraction"] is None:
        options["validation_fraction"] = HELD_OUT
    module, notes = TextDataModule(data, **options), []
    try:
        test = _part(module, "test")
    except DataError:
        if options["num_folds"] is not None or options["test_split"] is not None:
            raise
        module = TextDataModule(data, **{**options, "num_folds": TEST_FOLDS, "fold": 0})
        test = _part(module, "test")
        notes.append(f"test: one of {TEST_FOLDS} folds of train")
    source = open_source(data, options["config_name"], options["revision"])
    held_out = source.find("validation", options["validation_split"], taken=options["train_split"]) is None
    try:
        validation: LabelledTexts | None = _part(module, "validation")
    except DataError:
        validation = None
    if held_out and validation is not None:
        notes.append("validation: held out of train")
    splits = Splits(name, module.labels, _part(module, "train"), validation, test, held_out, "; ".join(notes))
    if limit is None:
        return splits
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    # What is held out is a part of the rows that are drawn.
    share = options["validation_fraction"] if held_out else 1.0
    most = {"train": round(limit * (1 - share)) if held_out else limit, "validation": round(limit * share)}
    drawn: dict[str, Any] = {
        role: None if part is None else _sample(part, max(1, most.get(role, limit))) for role, part in parts.items()
    }
    if any(part is not None and len(part) > len(drawn[role] or ()) for role, part in parts.items()):
        notes.append(f"at most {limit:,} rows of each split")
    return replace(splits, note="; ".join(notes), **drawn)


def few_labels(splits: Splits, per_class: int, seed: int) -> Splits:
    """Return a data set with `per_class` train texts of each class and no validation texts.

    The texts are drawn from train and, where it is a part of train, validation. A class with fewer texts keeps all.
    """
    pool = splits.everything()
    order = np.random.default_rng(seed).permutation(len(pool))
    chosen = np.zeros(len(pool), dtype=bool)
    for label in range(len(splits.labels)):
        has_label = pool.targets[:, label] > 0 if splits.multi_label else pool.targets == label
        members = order[has_label[order]]
        # A text of several labels counts for each of them.
        missing = per_class - int(chosen[members].sum())
        chosen[members[~chosen[members]][: max(0, missing)]] = True
    rows = np.flatnonzero(chosen)
    return replace(splits, train=pool.take(rows), validation=None, held_out=False)


def _part(module: TextDataModule, role: str) -> LabelledTexts:
    texts, targets = module.texts_and_targets(role)
    return LabelledTexts(texts, targets)


def _sample(part: LabelledTexts, limit: int) -> LabelledTexts:
    if len(part) <= limit:
        return part
    return part.take(np.sort(np.random.default_rng(0).permutation(len(part))[:limit]))


def draws(seeds: int) -> Iterator[int]:
    """Yield the seeds of a comparison; each also draws the texts of `per_class`."""
    yield from range(seeds)
