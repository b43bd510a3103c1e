"""Rows of a file or data set to label or to learn from, with or without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .columns import HEAD_ROWS, find_text_column
from .errors import DataError, listed
from .io.sources import ALIASES, open_source
from .labels import is_text

if TYPE_CHECKING:
    from datasets import Dataset


# Splits that are taken where there are several: to be answered, and to be learnt from. A test split is no text to learn
# from, labels or not.
_TO_ANSWER = ("predict", *ALIASES["test"])
TO_READ = ("unsupervised", "unlabelled", "unlabeled", "train", "training")


def open_rows(path: Any, splits: tuple[str, ...] = _TO_ANSWER) -> Dataset:
    """Return the only split of a path, or the first of `splits` that it has; cells of a csv file as written."""
    from datasets import Dataset

    if path is None:
        raise DataError("got no rows to predict; expected a file or data set; give predict_path")
    source = open_source(path, as_written=True)
    named = [name for split in splits for name in source.names if name.lower() == split]
    if len(source.names) > 1 and not named:
        raise DataError(
            f"{source.description} has the splits {listed(source.names)}; expected one, or one of the names "
            f"{listed(splits)}; give a single file"
        )
    rows = source.load((named or source.names)[0])
    if not isinstance(rows, Dataset):
        raise DataError("predict_path is a stream; expected a file or a Dataset; load it first")
    if len(rows) == 0:
        raise DataError(f"{source.description} is empty; expected at least one row to predict")
    return rows


def texts_of(rows: Dataset, wanted: str | None, trained_on: str | None, where: str) -> Any:
    """Return the texts of the rows, a ChunkedArray.

    Args:
        rows: The rows.
        wanted: Name of the column, given by the user.
        trained_on: Name of the column of a model's training texts.
        where: Name of the data, for messages.
    """
    head = rows.select(range(min(HEAD_ROWS, len(rows)))).with_format("arrow")[:].to_pydict()
    name = find_text_column(head, wanted, where, trained_on)
    texts = rows.select_columns([name]).with_format("arrow")[:].column(name)
    if not is_text(texts.type) and not pa.types.is_null(texts.type):
        raise DataError(f"the column {name!r} of {where} holds values of type {texts.type}; expected texts")
    return texts.cast(pa.string()) if pa.types.is_null(texts.type) else texts


def read_texts(path: Any, wanted: str | None = None) -> list[str]:
    """Return the texts of a file or data set to learn from, without rows that have none.

    Of several splits, the one called unsupervised or unlabelled is read, or the train split.
    """
    return [text for text in texts_of(open_rows(path, TO_READ), wanted, None, str(path)).to_pylist() if text]
