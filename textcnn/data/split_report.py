"""Splits of a table, and lines about their rows for the data report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .collator import stays_flat
from .examples import Examples
from .head_targets import HeadTargets
from .labels import Targets
from .numbers import NumberTargets

# Of a place in a padded batch: an id and its mask. Of a token: what a step over it takes, measured with texts of 20 MB
# and of 50 MB.
_BYTES_OF_A_CELL, _BYTES_OF_A_TOKEN = 16, 150


@dataclass(frozen=True)
class Split:
    """Rows of a table of texts, with the label ids, or numbers, of the whole table, of one column or of several."""

    table: str
    rows: np.ndarray
    targets: Targets | NumberTargets | HeadTargets


def dropped_lines(tables: Mapping[str, Examples]) -> list[str]:
    """Return a line for each table, by name, of which rows were dropped."""
    return [
        f"dropped from {name}: {examples.without_text:,} rows without a text, "
        f"{examples.without_label:,} without a label"
        for name, examples in tables.items()
        if examples.without_text or examples.without_label
    ]


def long_text_line(role: str, rows: np.ndarray, lengths: np.ndarray, batch_size: int) -> str | None:
    """Return the note on a step over the longest texts where it takes more than a GB, else None.

    Args:
        role: Name of the split.
        rows: Row of each text in its table, [N].
        lengths: Tokens of each text, [N].
        batch_size: Texts in a batch.
    """
    longest = np.sort(lengths)[-batch_size:]
    cells = 0 if stays_flat(longest) else len(longest) * int(longest.max(initial=0))
    gigabytes = (cells * _BYTES_OF_A_CELL + int(longest.sum()) * _BYTES_OF_A_TOKEN) / 1e9
    if gigabytes <= 1:
        return None
    setting = "batch_size" if role == "train" else "eval_batch_size"
    return (
        f"note: the longest {role} text, row {int(rows[lengths.argmax()]) + 1:,}, has {int(longest[-1]):,} tokens: "
        f"a step over the longest texts takes about {gigabytes:,.0f} GB of memory; set max_length to the tokens of a "
        f"text that count, or a smaller {setting}"
    )


def cut_line(role: str, cut: np.ndarray, max_length: int) -> str:
    """Return the line on the texts of a split that were cut, where `cut` [N] is True."""
    return f"cut: {int(cut.sum()):,} of {len(cut):,} {role} texts were longer than max_length {max_length} tokens"


def overlap_lines(splits: Mapping[str, Split], tables: Mapping[str, Examples]) -> list[str]:
    """Return a line for each of validation and test with texts that stand in train, word for word."""
    lines = []
    for role in ("validation", "test"):
        if role in splits and (count := _overlap(splits[role], splits["train"], tables)):
            lines.append(f"overlap: {count:,} {role} texts also stand in train")
    return lines


def _overlap(split: Split, train: Split, tables: Mapping[str, Examples]) -> int:
    if split.table == train.table:
        return 0
    known = tables[train.table].texts.take(pa.array(train.rows))
    texts = tables[split.table].texts.take(pa.array(split.rows)).cast(known.type)
    return int(pc.sum(pc.is_in(texts, value_set=known)).as_py() or 0)
