"""`score`: labels for files of any size, in constant memory and in the order of their rows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.answers import AnswerColumns
from ..data.columns import HEAD_ROWS, find_text_column, head_of
from ..data.io.formats import format_of, valid_unicode
from ..data.io.readers import Reader, Row, parquet_schema
from ..data.io.writers import FORMATS as OUTPUT_FORMATS
from ..data.io.writers import open_writer
from ..loading import load_classifier
from ..outputs import check_output
from ..runtime.classifier import TextClassifier
from ..settings import ScoreSettings, takes


@dataclass(frozen=True)
class ScoreReport:
    """Numbers of a run of `score`.

    Args:
        rows: Rows that were read and written.
        seconds: Time that it took.
        output: File that was written; None for standard output.
        notes: Lines about rows that are special: without a text, without a label, with bytes that are not UTF-8.
    """

    rows: int
    seconds: float
    output: Path | None
    notes: list[str]


@takes(ScoreSettings)
def score(settings: ScoreSettings) -> ScoreReport:
    """Write the rows of files with predicted_label, probability and probability_<label> beside them.

    Rows keep their order. A row without a text (null, or an empty cell of csv or tsv) is kept, without a label, and so
    is one that the model abstains from; both are counted. Bytes that are not UTF-8 are written as they came. The output
    appears under its name only when it is complete. `textcnn.ScoreSettings` documents the settings.

    Example:
        >>> textcnn.score("runs/reviews", "new.csv", "labelled.csv").rows
        120

    Raises:
        FileNotFoundError: There is no such model or file.
        ValueError: A format is unknown, the text column is not found, or the output is there already.
    """
    files = [settings.files] if isinstance(settings.files, (str, Path)) else settings.files
    readers = [Reader(str(path), settings.input_format) for path in files]
    if not readers:
        raise ValueError("files: got none; expected at least one file to read")
    output = None if settings.output is None else str(settings.output)
    _refuse_to_overwrite(output, readers, settings.force)
    format = output_format(output, settings.output_format, str(readers[0].format))
    classifier = load_classifier(settings.model, settings.threads)
    answers = AnswerColumns(classifier, joined=format in ("csv", "tsv"), every_class=not settings.label_only)
    schema = None
    if format == "parquet":
        schema = answers.schema(parquet_schema(readers[0].path) if readers[0].format == "parquet" else None)
    started = time.perf_counter()
    count = 0
    with open_writer(output, format, schema, lambda: readers[0].delimiter) as writer, _Progress(readers) as progress:
        for reader in readers:
            for rows in labelled_rows(classifier, reader, answers, settings.text_column):
                writer.write(rows)
                count += len(rows)
                progress.update(reader, count)
    seconds = time.perf_counter() - started
    notes = [note for reader in readers for note in reader.notes()]
    return ScoreReport(count, seconds, None if output is None else Path(output), [*notes, *answers.notes()])


def _refuse_to_overwrite(output: str | None, readers: Sequence[Reader], force: bool) -> None:
    if output is None:
        return
    for reader in readers:
        if reader.path != "-" and Path(output).exists() and Path(output).samefile(reader.path):
            raise ValueError(f"output: got {output}, a file that is read; expected another one; give another name")
    if Path(output).is_file() or Path(output).is_dir():
        check_output(output, force)


def labelled_rows(
    classifier: TextClassifier, reader: Reader, answers: AnswerColumns, text_column: str | None = None
) -> Iterator[list[Row]]:
    """The rows of a reader with their labels and probabilities, some thousands at a time.

    Args:
        classifier: What labels them.
        reader: Where the rows come from.
        answers: What puts labels and probabilities into rows, and counts the rows that have none.
        text_column: The column of the texts; None finds it by its name.

    Raises:
        ValueError: there is no such column, or a text is no string.
    """
    name: str | None = None
    done = 0
    for rows in reader.chunks():
        if name is None:
            trained_on = getattr(classifier, "config", {}).get("text_column")
            name = find_text_column(head_of(rows[:HEAD_ROWS]), text_column, reader.name, trained_on)
        texts = [row.get(name) for row in rows]
        kept = [i for i, text in enumerate(texts) if text is not None]
        answers.add(rows, texts, classifier.answer(_readable(texts, kept, name, reader.name, done)))
        done += len(rows)
        yield rows


def output_format(path: str | None, format: str | None, reader_format: str) -> str:
    """The format to write: as asked for, as the file's name tells, else the input's (of plain texts, jsonl).

    Raises:
        ValueError: the name tells none, or the format cannot go to standard output.
    """
    if format is None:
        format = format_of(path) if path else reader_format if reader_format in ("csv", "tsv") else "jsonl"
    if format not in OUTPUT_FORMATS:
        raise ValueError(
            f"output: got {path}; expected a name that ends in .{', .'.join(OUTPUT_FORMATS)} (and .gz or .zst); "
            "or give --output_format"
        )
    if path is None and format == "parquet":
        raise ValueError("output: got parquet for standard output; expected a file; give --output")
    return format


def _readable(texts: Sequence[Any], kept: Sequence[int], name: str, where: str, done: int) -> list[str]:
    """The texts that are there; what is no Unicode in them is read as U+FFFD."""
    readable = []
    for i in kept:
        text = texts[i]
        if not isinstance(text, str):
            raise ValueError(f"{where}, row {done + i + 1}: got {text!r} in the column {name!r}; expected a text")
        readable.append(valid_unicode(text))
    return readable


class _Progress:
    """A bar on standard error: how much of the files is read, and rows a second."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        from tqdm import tqdm

        self._before: dict[str, int] = {}
        total = 0
        for reader in readers:
            self._before[reader.path] = total
            total += reader.size
        self._started = time.perf_counter()
        self._bar = tqdm(
            total=total or None,
            disable=not sys.stderr.isatty(),
            leave=False,
            bar_format="{percentage:3.0f}% {bar} {elapsed}<{remaining} {postfix}" if total else "{elapsed} {postfix}",
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, reader: Reader, rows: int) -> None:
        rate = rows / (time.perf_counter() - self._started)
        self._bar.set_postfix_str(f"{rows:,} rows, {rate:,.0f} rows/s", refresh=False)
        self._bar.n = self._before[reader.path] + reader.bytes_read
        self._bar.refresh()
