"""Time that scoring takes, from a sample: each stage is timed by itself, so that the slowest is known."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..data.answers import AnswerColumns
from ..data.io.formats import valid_unicode
from ..data.io.locations import InputFile, open_bytes
from ..data.io.readers import CHUNK, Reader, Row
from ..data.io.writers import open_writer
from ..loading import load
from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from ..runtime.heads import HeadAnswers, HeadsClassifier
from ..settings import ScoreSettings
from .local import cores
from .rows import find_texts_of, output_format

# Chunks of rows in a sample, and the files that they come from.
CHUNKS = 4
FILES = 4
STAGES = ("reading", "parsing", "tokenizing", "tables", "writing")


@dataclass(frozen=True)
class Estimate:
    """Time that scoring takes.

    Args:
        rows: Rows of the sample.
        seconds: Seconds that the sample took, on one core.
        sample_bytes: Bytes of the sample, as its files have them.
        total_bytes: Bytes of all files.
        processes: Processes that the work is shared by.
        stages: Seconds of each stage of the sample: reading (and decompressing), parsing, tokenizing, tables (and
            decisions) and writing (and compressing).
    """

    rows: int
    seconds: float
    sample_bytes: int
    total_bytes: int
    processes: int
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def rows_per_second(self) -> float:
        """Rows that one core labels in a second."""
        return self.rows / max(self.seconds, 1e-9)

    @property
    def megabytes_per_second(self) -> float:
        """Megabytes of the files, as they lie there, that one core labels in a second."""
        return self.sample_bytes / 1e6 / max(self.seconds, 1e-9)

    @property
    def core_hours(self) -> float:
        """Hours that one core takes for all files."""
        return self.total_bytes / 1e6 / max(self.megabytes_per_second, 1e-9) / 3600

    @property
    def hours(self) -> float:
        """Hours that all processes take for all files, where they share the work evenly."""
        return self.core_hours / self.processes

    @property
    def bound_by(self) -> str:
        """The stage that takes the longest."""
        return max(self.stages, key=lambda stage: self.stages[stage])

    def lines(self) -> list[str]:
        """Return the estimate in words."""
        shares = ", ".join(f"{name} {100 * time / max(self.seconds, 1e-9):.0f}%" for name, time in self.stages.items())
        return [
            f"sample: {self.rows:,} rows of {self.sample_bytes / 1e6:,.2f} MB in {self.seconds:.2f} s on one core",
            f"rate: {self.rows_per_second:,.0f} rows/s, {self.megabytes_per_second:,.2f} MB/s a core",
            f"all {self.total_bytes / 1e6:,.1f} MB: {_duration(self.hours)} with {self.processes} processes, "
            f"{self.core_hours:,.3g} core-hours",
            f"time: {shares}; bound by {self.bound_by}",
        ]


def estimate(settings: ScoreSettings, files: Sequence[InputFile]) -> Estimate:
    """Label the first rows of some of the files and return the time that all of them take.

    Args:
        settings: Settings of `score`.
        files: Files to read.

    Raises:
        ValueError: The files hold no row, or standard input is among them.
    """
    if any(file.path == "-" for file in files):
        raise ValueError("estimate: got standard input, whose size nobody knows; expected files")
    classifier = load(settings.model)
    # Files from all over the list: the first ones may be unlike the others.
    chosen = files[:: max(1, len(files) // FILES)][:FILES]
    chunks = -(-CHUNKS // len(chosen))
    classifier.answer(["warm up"])
    readers = [Reader(file.path, settings.input_format, settings.max_line) for file in chosen]
    samples = [_sample(settings, reader, chunks, classifier) for reader in readers]
    rows = sum(sample.rows for sample in samples)
    if not rows:
        raise ValueError("estimate: got files without a row; expected some rows to label")
    stages = {name: sum(sample.stages[name] for sample in samples) for name in STAGES}
    total = sum(Reader(file.path, settings.input_format).size for file in files)
    read = sum(sample.read for sample in samples)
    return Estimate(rows, sum(stages.values()), read, total, settings.processes or cores(), stages)


class _Sample(NamedTuple):
    """The first rows of a file: their number, the bytes of the file that they take, and seconds of each stage."""

    rows: int
    read: int
    stages: dict[str, float]


def _sample(
    settings: ScoreSettings, reader: Reader, chunks: int, classifier: TextClassifier | HeadsClassifier
) -> _Sample:
    (rows, size), parsing = _timed(lambda: _first_rows(reader, chunks))
    if not rows:
        return _Sample(0, 0, dict.fromkeys(STAGES, 0.0))
    reading = _timed(lambda: _read(reader.path, size))[1]
    column = find_texts_of(rows, reader, settings.text_column, classifier)
    texts = [row.get(column) for row in rows]
    present = [valid_unicode(str(text)) for text in texts if text is not None]
    tokenizing = _timed(lambda: _encode(classifier, present))[1]
    answers, labelling = _timed(lambda: classifier.answer(present))
    writing = _timed(lambda: _write(settings, reader, rows, texts, classifier, answers))[1]
    # Parsing was timed with the reading in it, and the tables with the tokenizing.
    reading, tokenizing = min(reading, parsing), min(tokenizing, labelling)
    times = (reading, parsing - reading, tokenizing, labelling - tokenizing, writing)
    return _Sample(len(rows), size, dict(zip(STAGES, times, strict=True)))


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return function(), time.perf_counter() - started


def _first_rows(reader: Reader, chunks: int) -> tuple[list[Row], int]:
    """Return the first rows of a file, and the bytes of the file that they take."""
    rows: list[Row] = []
    taken = 0
    source = reader.chunks()
    for chunk in islice(source, chunks):
        rows += chunk
        taken = reader.bytes_read
    whole = next(source, None) is None
    return rows, reader.size if whole else taken


def _read(path: str, size: int) -> None:
    """Read and decompress about the first bytes of a file, without parsing them."""
    with open_bytes(path) as raw:
        source: Any = raw
        if path.lower().endswith(".gz"):
            import gzip

            source = gzip.open(raw)  # noqa: SIM115
        elif path.lower().endswith(".zst"):
            from ..data.io.formats import zstandard

            source = zstandard().ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        while raw.tell() < size and source.read(1 << 16):
            continue


def _encode(classifier: TextClassifier | HeadsClassifier, texts: list[str]) -> None:
    if classifier.tokens_of is not None:
        for start in range(0, len(texts), 512):
            classifier.encode(texts[start : start + 512])


def _write(
    settings: ScoreSettings,
    reader: Reader,
    rows: list[Row],
    texts: list[Any],
    classifier: TextClassifier | HeadsClassifier,
    answers: Answers | HeadAnswers,
) -> None:
    format = output_format(None, settings.output_format, str(reader.format), to_file=True)
    columns = AnswerColumns(classifier, joined=format in ("csv", "tsv"), every_class=not settings.label_only)
    columns.add(rows, texts, answers)
    ending = next((end for end in (".gz", ".zst") if reader.path.endswith(end) and format != "parquet"), "")
    with (
        tempfile.TemporaryDirectory(prefix="textcnn-") as folder,
        open_writer(str(Path(folder) / f"sample.{format}{ending}"), format) as writer,
    ):
        for start in range(0, len(rows), CHUNK):
            writer.write(rows[start : start + CHUNK])


def _duration(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{hours * 60:.1f} minutes" if hours * 60 >= 1 else f"{hours * 3600:.1f} seconds"
