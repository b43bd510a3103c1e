"""Labelled rows to score a model on: their texts, their label ids, and every other column.

Shapes: `N` rows, `C` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.errors import DataError, listed, nearest
from ..data.examples import Columns, Examples, find_columns, read_examples
from ..data.io.sources import ALIASES, Source, open_source
from ..data.io.tables import with_numbers
from ..data.labels import Targets, encode_labels
from ..runtime.checks import read_config
from ..runtime.head_outputs import head_slices

if TYPE_CHECKING:
    from ..runtime.classifier import TextClassifier

RUN_CONFIG = "config.yaml"
HELD_OUT_FILE = "held_out.jsonl.gz"
# Target of the first label that the model lacks; -1 is for rows of no class.
UNKNOWN = -2


@dataclass(frozen=True)
class Labelled:
    """Rows with a text and a label.

    Args:
        texts: N texts.
        targets: Label ids [N], zeros and ones [N, C], or the numbers of a regression [N] float64.
        where: Name of the data.
        outside: Mask [N] of rows that belong to no class of the model, whose target is -1.
        columns: Every other column, N values each.
        without_text, without_label: Numbers of rows that were left out.
        unknown: Labels that the model lacks; rows of label k have the target UNKNOWN - k.
        without_class: Number of rows that were left out because of such a label.
    """

    texts: list[str]
    targets: NDArray[Any]
    where: str
    outside: NDArray[np.bool_]
    columns: dict[str, list[Any]] = field(default_factory=dict)
    without_text: int = 0
    without_label: int = 0
    unknown: tuple[str, ...] = ()
    without_class: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def dropped(self) -> str:
        """Rows that were left out, in words; "" where there is none."""
        parts = [dropped_rows(self.without_text, self.without_label)]
        names = listed(self.unknown, 8)
        if self.without_class:
            parts.append(f"{_rows(self.without_class)} left out, with labels that the model lacks: {names}")
        elif self.unknown and self.targets.ndim == 2:
            parts.append(f"labels that the model lacks are left out: {names}")
        elif self.unknown:
            count = int((self.targets <= UNKNOWN).sum())
            parts.append(f"{_rows(count)} counted as wrong, with labels that the model lacks: {names}")
        return "; ".join(filter(None, parts))

    def label_of(self, position: int, labels: Sequence[str]) -> str:
        """Return the label of a row with one label, given those of the model."""
        target = int(self.targets[position])
        return labels[target] if target >= 0 else self.unknown[UNKNOWN - target]


def dropped_rows(without_text: int, without_label: int = 0) -> str:
    """Return the note on rows that are left out; "" for none.

    Example:
        >>> dropped_rows(20, 40)
        'dropped: 20 rows without a text, 40 rows without a label'
    """
    counts = {"text": without_text, "label": without_label}
    said = ", ".join(f"{count:,} rows without a {what}" for what, count in counts.items() if count)
    return f"dropped: {said}" if said else ""


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def spread(count: int, limit: int) -> NDArray[np.int64]:
    """Return at most `limit` of `count` positions, evenly from the first to the last.

    Raises:
        ValueError: the limit is less than 1.
    """
    if limit < 1:
        raise ValueError(f"limit: got {limit}; expected a whole number of at least 1")
    return np.unique(np.linspace(0, count - 1, min(limit, count)).astype(np.int64))


def read_labelled(
    path: Any,
    classifier: TextClassifier,
    split: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    out_of_scope: str | None = None,
    role: str = "test",
    others: Literal["leave out", "wrong"] = "leave out",
    every_number: bool = True,
) -> Labelled:
    """Read the labelled rows of a split.

    Args:
        path: A file, a folder, a Hub name or data in memory, as in TextDataModule.
        classifier: The model, whose labels these must be.
        split: The split; None takes the only one, or the one of that role.
        text_column, label_column: Columns; default: those the model was trained on, or found by their usual names.
        out_of_scope: A label that is none of the model's: its rows are outside of what the model knows.
        role: "validation" or "test".
        others: Treatment of rows with a label that the model lacks, where other rows have labels that it knows: leave
            them out, or count them as wrong (of several labels a text, such labels are left out).
        every_number: Refuse a row without the number of a regression; False leaves it out, as of several columns.

    Raises:
        DataError: there is no such split or column, or no label is the model's (the nearest is named).
    """
    source = open_source(path, as_written=True)
    name = split if split is not None else _split(source, role)
    where = f"the {name} split of {source.description}" if len(source.names) > 1 else source.description
    rows: Any = source.load(name)
    if len(rows) == 0:
        raise DataError(f"{where} is empty; expected at least one row")
    table = rows.with_format("arrow")[:]
    config = getattr(classifier, "config", {})
    trained_on = config.get("text_column"), config.get("label_column")
    columns = find_columns(table, text_column, label_column, where, trained_on)
    table = with_numbers(table, without=(columns.text,))
    levels = getattr(classifier, "levels", None) is not None
    examples = read_examples(table, columns, rows.features, where, classifier.regression, every_number, levels)
    if examples.raw.numbers is not None:
        return _numbers(examples, examples.raw.numbers, table, columns, where)
    if examples.raw.multi_label != classifier.multi_label:
        kinds = ("one label a text", "lists of labels")
        raise DataError(
            f"the column {columns.label!r} of {where} holds {kinds[examples.raw.multi_label]}; expected "
            f"{kinds[classifier.multi_label]}, as the model was trained on; name another with --label_column"
        )
    labels = classifier.labels
    if out_of_scope is not None:
        if classifier.multi_label or out_of_scope in labels:
            raise DataError(
                f"out_of_scope: got {out_of_scope!r}, {'of several labels a text' if classifier.multi_label else 'a'}"
                " label that the model knows; expected one that it was not trained on"
            )
        if out_of_scope not in examples.raw.values:
            raise DataError(
                f"out_of_scope: no row of {where} has the label {out_of_scope!r}"
                f"{nearest(out_of_scope, examples.raw.values)}"
            )
        labels = [*labels, out_of_scope]
    _refuse_no_row(examples, where)
    encoded, rows_in, unknown = _encode(examples, labels, where, keep=others == "wrong" or classifier.multi_label)
    without_class = len(examples.rows) - len(rows_in)
    targets = encoded.batch(rows_in, len(labels))
    outside = targets == len(classifier.labels) if out_of_scope is not None else np.zeros(len(targets), dtype=bool)
    if out_of_scope is not None:
        targets = np.where(outside, -1, targets)
    return Labelled(
        texts=examples.texts.take(pa.array(rows_in)).cast(pa.string()).to_pylist(),
        targets=targets,
        where=where,
        outside=outside,
        columns=_further(table, columns, rows_in),
        without_text=examples.without_text,
        without_label=examples.without_label,
        unknown=tuple(unknown),
        without_class=without_class,
    )


def _numbers(
    examples: Examples, numbers: NDArray[np.float64], table: pa.Table, columns: Columns, where: str
) -> Labelled:
    """Return the rows of a regression."""
    _refuse_no_row(examples, where)
    return Labelled(
        texts=examples.texts.take(pa.array(examples.rows)).cast(pa.string()).to_pylist(),
        targets=numbers[examples.rows],
        where=where,
        outside=np.zeros(len(examples.rows), dtype=bool),
        columns=_further(table, columns, examples.rows),
        without_text=examples.without_text,
        without_label=examples.without_label,
    )


def _further(table: pa.Table, columns: Columns, rows: NDArray[np.int64]) -> dict[str, list[Any]]:
    """Return every column beside those of the texts and the labels."""
    names = [name for name in table.column_names if name not in (columns.text, columns.label)]
    return {name: pc.take(table.column(name), pa.array(rows)).to_pylist() for name in names}


def _refuse_no_row(examples: Examples, where: str) -> None:
    if len(examples.rows) == 0:
        raise DataError(f"no row of {where} has both a text and a label; expected at least one")


def _encode(
    examples: Examples, labels: list[str], where: str, keep: bool
) -> tuple[Targets, NDArray[np.int64], list[str]]:
    """Return targets, the numbers of the rows to use and the labels that the model lacks; `keep` keeps their rows."""
    unknown: list[str] = []
    targets = encode_labels(examples.raw, labels, where, True, unknown, examples.rows)
    known = targets.known(examples.rows, len(labels))
    if not known.any():
        encode_labels(examples.raw, labels, where, True, rows=examples.rows)  # names the nearest label
    if known.all():
        return targets, examples.rows, []
    if not keep:
        return targets, examples.rows[known], unknown
    if not examples.raw.multi_label:
        ids = targets.ids.copy()
        for k, label in enumerate(unknown):
            ids[examples.raw.codes == examples.raw.values.index(label)] = UNKNOWN - k
        targets = Targets(ids)
    return targets, examples.rows, unknown


def held_out_rows(directory: str | Path, classifier: TextClassifier) -> Labelled:
    """Return the validation rows of the run that made an artifact, which it was not trained on.

    They are in held_out.jsonl.gz. A run of an earlier version has only config.yaml, which names the training data.

    Raises:
        DataError: the directory has neither file, or the run held nothing out.
        FileNotFoundError: the training data is gone.
    """
    where = f"the validation rows of {directory}"
    path = Path(directory) / HELD_OUT_FILE
    if path.is_file():
        # Of several heads, the columns keep their names.
        heads = head_slices(read_config(Path(directory) / "config.json"))
        config = classifier.config
        columns = (config["text_column"], config["label_column"]) if heads else ("text", "label")
        rows = read_labelled(path, classifier, text_column=columns[0], label_column=columns[1], every_number=not heads)
        return replace(rows, where=where)
    path = Path(directory) / RUN_CONFIG
    if not path.is_file():
        raise DataError(
            f"{directory} has no {HELD_OUT_FILE}: it is no run, or nothing was held out of its training data; expected "
            "labelled texts that the model was not trained on; give --data"
        )
    return _rows_of_run(path, classifier, where)


def _rows_of_run(path: Path, classifier: TextClassifier, where: str) -> Labelled:
    import yaml

    run = yaml.safe_load(path.read_text(encoding="utf-8"))
    if run["data"].get("label_columns"):  # its rows would stand in a file
        raise DataError(
            f"nothing was held out of the training data of {path.parent}; expected labelled texts that the model was "
            "not trained on; give --data"
        )
    from ..data import TextDataModule

    options: dict[str, Any] = {**run["data"], "labels": classifier.labels, "seed": run.get("seed_everything") or 0}
    if options.get("path") is None:
        raise DataError(
            f"{path} names no data, as the run was trained on data in memory, of which nothing was held out; expected "
            "labelled texts that the model was not trained on; give --data"
        )
    try:
        texts, targets = TextDataModule(**options).texts_and_targets("validation")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the rows that {path.parent} held out are read from its training data, {options['path']}, which {path} "
            f"names: {error}; put it back, or give other labelled texts: --data"
        ) from None
    return Labelled(texts, targets, where, np.zeros(len(texts), dtype=bool))


def _split(source: Source, role: str) -> str:
    if len(source.names) == 1:
        return source.names[0]
    name = source.find(role, None, taken="train")
    if name is None:
        raise DataError(
            f"{source.description} has the splits {listed(source.names)}; expected one called "
            f"{' or '.join(map(repr, ALIASES[role][:2]))}; give --split"
        )
    return name


def column_named(columns: dict[str, list[Any]], wanted: Sequence[str], where: str) -> dict[str, list[Any]]:
    """Return the wanted columns.

    Raises:
        DataError: there is none of that name; the nearest is named.
    """
    for name in wanted:
        if name not in columns:
            raise DataError(
                f"{where} has no column {name!r}{nearest(name, columns)}; its other columns are "
                f"{listed(list(columns)) or '(none)'}"
            )
    return {name: columns[name] for name in wanted}
