"""Rows of files with labels and probabilities beside them, a few thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..data.answers import AnswerColumns
from ..data.columns import HEAD_ROWS, find_text_column, head_of
from ..data.io.formats import format_of, valid_unicode
from ..data.io.readers import Reader, Row, parquet_schema
from ..data.io.writers import FORMATS as OUTPUT_FORMATS
from ..data.io.writers import open_writer
from ..runtime.classifier import TextClassifier
from ..runtime.heads import HeadsClassifier


def write_labelled(
    classifier: TextClassifier | HeadsClassifier,
    readers: Sequence[Reader],
    output: str | None,
    format: str,
    text_column: str | None = None,
    label_only: bool = False,
    progress: Callable[[Reader, int], None] = lambda reader, rows: None,
) -> tuple[int, list[str]]:
    """Write the rows of readers with their answers into one file, which appears when it is complete.

    Args:
        classifier: Classifier that labels the rows.
        readers: Sources of the rows, one after the other.
        output: File to write; None for standard output.
        format: Format to write.
        text_column: Column of the texts; None finds it by its name.
        label_only: Leave out the columns probability_<label>.
        progress: Called with the reader and the number of all rows so far, for each chunk of rows.

    Returns:
        The number of rows, and lines about rows that are special.

    Raises:
        ValueError: There is no column of texts, or a row cannot be read or written.
    """
    answers = AnswerColumns(classifier, joined=format in ("csv", "tsv"), every_class=not label_only)
    schema = None
    if format == "parquet":
        schema = answers.schema(parquet_schema(readers[0].path) if readers[0].format == "parquet" else None)
    count = 0
    with open_writer(output, format, schema, lambda: readers[0].delimiter) as writer:
        for reader in readers:
            for rows in labelled_rows(classifier, reader, answers, text_column):
                writer.write(rows)
                count += len(rows)
                progress(reader, count)
        if not count and readers[0].columns:
            # A file of names alone gives one.
            writer.begin(answers.columns_of(readers[0].columns))
    return count, [*(note for reader in readers for note in reader.notes()), *answers.notes(), *writer.notes()]


def labelled_rows(
    classifier: TextClassifier | HeadsClassifier, reader: Reader, answers: AnswerColumns, text_column: str | None = None
) -> Iterator[list[Row]]:
    """Yield the rows of a reader with their labels and probabilities, some thousands at a time.

    Args:
        classifier: Classifier that labels the rows.
        reader: Source of the rows.
        answers: Object that adds labels and probabilities to rows, and counts the rows that have none.
        text_column: The column of the texts; None finds it by its name.

    Raises:
        ValueError: there is no such column, or a text is no string.
    """
    name: str | None = None
    done = 0
    for rows in reader.chunks():
        name = name or find_texts_of(rows, reader, text_column, classifier)
        texts = [row.get(name) for row in rows]
        kept = [i for i, text in enumerate(texts) if text is not None]
        answers.add(rows, texts, classifier.answer(_readable(texts, kept, name, reader.name, done)))
        done += len(rows)
        yield rows


def find_texts_of(
    rows: Sequence[Row], reader: Reader, text_column: str | None, classifier: TextClassifier | HeadsClassifier
) -> str:
    """Return the name of the column of the texts in the first rows of a file.

    Raises:
        ValueError: There is no such column, or none can be chosen.
    """
    trained_on = getattr(classifier, "config", {}).get("text_column")
    return find_text_column(head_of(rows[:HEAD_ROWS]), text_column, reader.name, trained_on)


def output_format(path: str | None, format: str | None, reader_format: str, to_file: bool = False) -> str:
    """Return the output format: the one given, else that of the file's name, else the input's (jsonl for plain texts).

    Args:
        path: File to write; None for standard output, or where only the input tells its name.
        format: The requested format.
        reader_format: Format of the input.
        to_file: A file is written although `path` is None, so that parquet can be.

    Raises:
        ValueError: the name tells none, or the format cannot go to standard output.
    """
    if format is None:
        format = format_of(path) if path else _like(reader_format, to_file)
    if format not in OUTPUT_FORMATS:
        raise ValueError(
            f"output: got {path}; expected a name that ends in .{', .'.join(OUTPUT_FORMATS)} (and .gz or .zst); "
            "or give --output_format"
        )
    if path is None and format == "parquet" and not to_file:
        raise ValueError("output: got parquet for standard output; expected a file; give --output")
    return format


def _like(reader_format: str, to_file: bool) -> str:
    kept = ("csv", "tsv", "parquet") if to_file else ("csv", "tsv")
    return reader_format if reader_format in kept else "jsonl"


def _readable(texts: Sequence[Any], kept: Sequence[int], name: str, where: str, done: int) -> list[str]:
    """The texts that are there; what is no Unicode in them is read as U+FFFD."""
    readable = []
    for i in kept:
        text = texts[i]
        if not isinstance(text, str):
            raise ValueError(f"{where}, row {done + i + 1}: got {text!r} in the column {name!r}; expected a text")
        readable.append(valid_unicode(text))
    return readable
