"""`score`: labels for files of any size, in constant memory and in the order of their rows."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.io.locations import InputFile, expand, is_file, is_remote
from ..data.io.readers import Reader
from ..errors import MissingPackage
from ..loading import load_with_heads
from ..outputs import check_output
from ..settings import ScoreSettings, takes
from .estimate import Estimate, estimate
from .rows import output_format, write_labelled
from .shards import is_shard_folder, missing_shards, plan_shards, raise_first


@dataclass(frozen=True)
class ScoreReport:
    """Numbers of a run of `score`.

    Args:
        rows: Rows that were read and written.
        seconds: Time that it took.
        output: File or folder that was written; None for standard output.
        notes: Lines about rows that are special: without a text, without a label, with bytes that are not UTF-8.
        estimate: Estimated cost of the whole, if only that was requested; then nothing was written.
    """

    rows: int
    seconds: float
    output: Path | None
    notes: list[str]
    estimate: Estimate | None = None


@takes(ScoreSettings)
def score(settings: ScoreSettings) -> ScoreReport:
    """Write the rows of files with predicted_label, probability and probability_<label> beside them.

    A regression has the column prediction in their place, a model with heads these columns for each head, after its
    name: topic_predicted_label.
    Rows keep their order. A row without a text (null, or an empty cell of csv or tsv) is kept, without a label, and so
    is one that the model abstains from; both are counted. Bytes that are not UTF-8 are written as they came. An output
    appears under its name only when it is complete.

    Files may be anywhere that `fsspec` reads, and patterns or folders. Where the output is a folder, each file becomes
    a shard of its own there, several processes share the work, and shards that are there already are left as they are.
    `textcnn.ScoreSettings` documents the settings.

    Example:
        >>> textcnn.score("runs/reviews", "new.csv", "labelled.csv").rows
        120

    Raises:
        FileNotFoundError: There is no such model or file.
        ValueError: A format is unknown, the text column is not found, or the output is there already.
    """
    files = expand([settings.files] if isinstance(settings.files, (str, Path)) else settings.files)
    if not files:
        raise ValueError("files: got none; expected at least one file to read")
    if settings.estimate:
        found = estimate(settings, files)
        return ScoreReport(found.rows, found.seconds, None, [], found)
    folder = is_shard_folder(settings.output, settings.output_format)
    return _to_folder(settings, files) if folder else _to_file(settings, files)


def _to_file(settings: ScoreSettings, files: Sequence[InputFile]) -> ScoreReport:
    output = None if settings.output is None else str(settings.output)
    if settings.engine == "ray" or settings.processes is not None:
        raise ValueError(
            f"output: got {output or 'standard output'} for several processes; expected a folder, which gets a file "
            "for each input; give a name that ends in /"
        )
    readers = [Reader(file.path, settings.input_format, settings.max_line) for file in files]
    _refuse_to_overwrite(output, readers, settings.force)
    format = output_format(output, settings.output_format, str(readers[0].format))
    classifier = load_with_heads(settings.model, settings.threads)
    started = time.perf_counter()
    with _Progress({reader.path: reader.size for reader in readers}) as progress:
        count, notes = write_labelled(
            classifier, readers, output, format, settings.text_column, settings.label_only,
            lambda reader, rows: progress.update(reader.path, rows, reader.bytes_read, in_order=True),
        )  # fmt: skip
    return ScoreReport(count, time.perf_counter() - started, None if output is None else Path(output), notes)


def _to_folder(settings: ScoreSettings, files: Sequence[InputFile]) -> ScoreReport:
    shards = plan_shards(settings, files)
    missing = missing_shards(shards, str(settings.output), settings.force)
    started = time.perf_counter()
    if settings.engine == "ray":
        try:
            from .ray import score_shards_on_ray
        except MissingPackage as error:
            raise ValueError(f"engine: {error}") from None
        results = score_shards_on_ray(missing, settings.processes)
    else:
        from .local import score_shards

        sizes = {shard.input: Reader(shard.input, shard.input_format).size for shard in missing}
        with _Progress(sizes) as progress:
            results = score_shards(missing, settings.processes, progress.update)
    raise_first(results)
    notes = [note for result in results for note in result.notes]
    if len(missing) < len(shards):
        notes.append(f"{len(shards) - len(missing):,} of {len(shards):,} shards were there already")
    rows = sum(result.rows for result in results)
    return ScoreReport(rows, time.perf_counter() - started, Path(str(settings.output)), notes)


def _refuse_to_overwrite(output: str | None, readers: Sequence[Reader], force: bool) -> None:
    if output is None:
        return
    if is_remote(output):
        if is_file(output) and not force:
            raise ValueError(
                f"output: {output} is there already; expected a new file; give another name, or force=True (--force)"
            )
        return
    for reader in readers:
        is_local = reader.path != "-" and not is_remote(reader.path)
        if is_local and Path(output).exists() and Path(output).samefile(reader.path):
            raise ValueError(f"output: got {output}, a file that is read; expected another one; give another name")
    if Path(output).is_file() or Path(output).is_dir():
        check_output(output, force)


class _Progress:
    """A bar on standard error: how much of the files is read, and rows a second.

    Args:
        sizes: Bytes of each file, in the order of reading.
    """

    def __init__(self, sizes: dict[str, int]) -> None:
        from tqdm import tqdm

        self._sizes = sizes
        self._done: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        total = sum(sizes.values())
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

    def update(self, path: str, rows: int, size: int, in_order: bool = False) -> None:
        """Note how far a file is.

        Args:
            path: The file.
            rows: Its rows so far; where files are read in order, those of all files so far.
            size: Its bytes so far; -1 for all of them.
            in_order: The files before it are read to their ends.
        """
        if in_order and path not in self._done:
            self._done = {other: self._sizes[other] for other in self._done}
        self._done[path] = self._sizes[path] if size < 0 else size
        self._rows = {path: rows} if in_order else {**self._rows, path: rows}
        count = sum(self._rows.values())
        rate = count / (time.perf_counter() - self._started)
        self._bar.set_postfix_str(f"{count:,} rows, {rate:,.0f} rows/s", refresh=False)
        self._bar.n = sum(self._done.values())
        self._bar.refresh()
