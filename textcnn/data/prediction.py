"""The rows of a file or data set to predict: all of them, in their order, labels or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .columns import find_text_column
from .errors import DataError, listed
from .files import with_numbers
from .names import TEXT_NAMES, by_name
from .sources import ALIASES, open_source

if TYPE_CHECKING:
    from datasets import Dataset


# Splits that are taken where there are several: to be answered, and to be learnt from. A test split is no text to learn
# from, labels or not.
_TO_ANSWER = ("predict", *ALIASES["test"])
_TO_READ = ("unsupervised", "unlabelled", "unlabeled", "train", "training")


def open_rows(path: Any, splits: tuple[str, ...] = _TO_ANSWER) -> Dataset:
    """The only split of `path`, or the first of `splits` that it has; cells of a csv file as they are written."""
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
    """The texts of the rows, a ChunkedArray: of the wanted column, else of the one of that name in
    the train split, else of the one that is found."""
    head = rows.select(range(min(1_000, len(rows)))).with_format("arrow")[:]
    if wanted is None and trained_on in head.column_names:
        wanted = trained_on
    if wanted is None and not by_name(TEXT_NAMES, head.column_names) and len(head.column_names) > 1:
        head = with_numbers(head)  # a number that is read as it is written is no text
    name = find_text_column(head, wanted, where)
    texts = rows.select_columns([name]).with_format("arrow")[:].column(name)
    return texts.cast(pa.string()) if pa.types.is_null(texts.type) else texts


def read_texts(path: Any, wanted: str | None = None) -> list[str]:
    """The texts of a file or data set to learn from, labels or not, without rows that have none.

    Of several splits the one called unsupervised or unlabelled, or the train split.
    """
    return [text for text in texts_of(open_rows(path, _TO_READ), wanted, None, str(path)).to_pylist() if text]
