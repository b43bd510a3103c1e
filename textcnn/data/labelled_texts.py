"""Texts with labels beside them, read for pretraining: no splits, no classes to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, listed, nearest
from .prediction import TO_READ, open_rows, texts_of


def read_labelled_texts(
    source: Any, text_column: str | None, label_column: str, limit: int | None = None
) -> tuple[list[str], list[str]]:
    """Return the texts of files or Hub datasets and the label of each, without rows that lack one of them.

    Args:
        source: A file, a Hub name, or several of them.
        text_column: Column of the texts. Default: found by its name.
        label_column: Column of the labels.
        limit: Texts that are drawn at random; None takes all.

    Raises:
        DataError: A source has no such column, or no text with a label.
    """
    names: Sequence[Any] = [source] if isinstance(source, str | Path) else list(source)
    texts: list[str] = []
    labels: list[str] = []
    for name in names:
        rows = open_rows(str(name), TO_READ)
        if label_column not in rows.column_names:
            raise DataError(
                f"label_column: got {label_column!r}; expected one of the columns of {name}, "
                f"{listed(rows.column_names)}{nearest(label_column, rows.column_names)}"
            )
        feature = rows.features[label_column]
        values = rows.select_columns([label_column]).with_format("arrow")[:].column(label_column).to_pylist()
        for text, label in zip(texts_of(rows, text_column, None, str(name)).to_pylist(), values, strict=True):
            if text and label is not None:
                texts.append(text)
                labels.append(feature.int2str(label) if hasattr(feature, "int2str") else str(label))
    if not texts:
        raise DataError(f"texts: got no text with a label in {label_column!r}; expected some; give others")
    if limit is None or limit >= len(texts):
        return texts, labels
    chosen = np.random.default_rng(0).choice(len(texts), limit, replace=False).tolist()
    return [texts[row] for row in chosen], [labels[row] for row in chosen]
