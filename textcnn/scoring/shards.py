"""Shards: one output file for each input file, each written whole, and a job that goes on where it was stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.errors import DataError
from ..data.io.formats import COMPRESSIONS
from ..data.io.locations import InputFile, is_file, is_remote, join, open_bytes, remove, whole_file
from ..data.io.readers import Reader
from ..errors import one_line
from ..settings import ScoreSettings
from .rows import output_format, write_labelled
from .scorer import model_digest, open_once

# Beside the shards: which model and settings made them.
RECORD = ".textcnn-score.json"


@dataclass(frozen=True)
class Shard:
    """One file to read and the file to write its rows to, with what labels them; plain values, ready for JSON.

    Args:
        model: Directory of the model.
        input, output: Files, local or remote.
        input_format, output_format: Their formats.
        text_column: Column of the texts; None finds it by its name.
        label_only: Leave out the columns probability_<label>.
        threads: Threads that compute labels.
        max_line: Characters of the longest line that is read.
    """

    model: str
    input: str
    output: str
    input_format: str | None
    output_format: str
    text_column: str | None
    label_only: bool
    threads: int
    max_line: int


@dataclass(frozen=True)
class ShardResult:
    """Outcome of a shard.

    Args:
        input: File that was read.
        rows: Rows that were written.
        notes: Lines about rows that are special.
        error: Message, where the shard could not be written.
    """

    input: str
    rows: int = 0
    notes: Sequence[str] = ()
    error: str | None = None


def is_shard_folder(output: str | Path | None, output_format: str | None = None) -> bool:
    """Return True where an output is a folder of shards: it ends in a slash, is a folder, or nothing tells a format."""
    if output is None:
        return False
    name = str(output)
    if name.endswith("/") or (not is_remote(name) and Path(name).is_dir()):
        return True
    # A name without an ending may be a pipe or a device.
    return output_format is None and "." not in name.rpartition("/")[2] and (is_remote(name) or not Path(name).exists())


def plan_shards(settings: ScoreSettings, files: Sequence[InputFile]) -> list[Shard]:
    """Return all shards of a job.

    Raises:
        ValueError: Two inputs would be written to one file, or a format cannot be read or written.
    """
    shards: list[Shard] = []
    taken: dict[str, str] = {}
    for file in files:
        if file.path == "-":
            raise ValueError("files: got standard input for a folder of shards; expected files; name one output file")
        reader = Reader(file.path, settings.input_format)
        format = output_format(None, settings.output_format, str(reader.format), to_file=True)
        output = join(str(settings.output), _output_name(file.name, format))
        if output in taken:
            raise ValueError(
                f"files: got {taken[output]} and {file.path}, which would both be written to {output}; expected "
                "distinct names; score them into two folders"
            )
        taken[output] = file.path
        if not is_remote(output) and Path(output).exists() and Path(output).samefile(file.path):
            raise ValueError(f"output: got {output}, a file that is read; expected another folder; give another name")
        shards.append(
            Shard(
                str(Path(settings.model).absolute()), file.path, output, settings.input_format, format,
                settings.text_column, settings.label_only, settings.threads, settings.max_line,
            )
        )  # fmt: skip
    return shards


def missing_shards(shards: Sequence[Shard], output: str, force: bool) -> list[Shard]:
    """Return the shards that are still to be written, and note beside them what writes them.

    Args:
        shards: All shards of the job.
        output: Their folder.
        force: Write all of them again.

    Raises:
        ValueError: The folder holds shards of another model or of other settings.
    """
    record = _record(shards[0])
    path = join(output, RECORD)
    if force:
        for shard in shards:
            remove(shard.output)
    elif is_file(path):
        before = _read_record(path)
        different = sorted(name for name in {*record, *before} if record.get(name) != before.get(name))
        if different:
            raise ValueError(
                f"output: {output} holds shards that another {', another '.join(different)} made; expected a new "
                "folder; give another name, or force=True (--force) to write all shards again"
            )
    elif any(is_file(shard.output) for shard in shards):
        raise ValueError(
            f"output: {output} holds files that this command did not write; expected a new folder; give another name, "
            "or force=True (--force) to replace them"
        )
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return [shard for shard in shards if not is_file(shard.output)]


def _read_record(path: str) -> dict[str, Any]:
    with open_bytes(path) as file:
        content = file.read()
    try:
        before = json.loads(content)
        if not isinstance(before, dict):
            raise ValueError(f"a {type(before).__name__}")
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"output: {path}, which notes what made the shards, is damaged ({one_line(error, 100)}); expected a JSON "
            "object; copy it again, or give force=True (--force) to write all shards again"
        ) from error
    return before


def score_shard(shard: Shard, progress: Callable[[Reader, int], None] = lambda reader, rows: None) -> ShardResult:
    """Write one shard; it appears under its name when it is complete.

    Returns:
        The outcome; a file that cannot be read or written gives one with an error, so that the others go on.
    """
    try:
        reader = Reader(shard.input, shard.input_format, shard.max_line)
        rows, notes = write_labelled(
            open_once(shard.model, shard.threads), [reader], shard.output, shard.output_format, shard.text_column,
            shard.label_only, progress,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # nobody is left who waits for the shard
            raise
        return ShardResult(shard.input, error=str(error))
    return ShardResult(shard.input, rows, notes)


def raise_first(results: Sequence[ShardResult]) -> None:
    """Raise an error where shards failed, with the first one's message.

    Raises:
        DataError: at least one shard has an error.
    """
    failed = [result for result in results if result.error is not None]
    if failed:
        others = f" (and {len(failed) - 1} more files)" if len(failed) > 1 else ""
        raise DataError(
            f"{failed[0].error}{others}; the other {len(results) - len(failed)} shards are written; run the command "
            "again for those that are missing"
        )


def as_json(value: Shard | ShardResult) -> dict[str, Any]:
    """Return a shard or its outcome as plain values."""
    return asdict(value)


def _record(shard: Shard) -> dict[str, Any]:
    names = ("input_format", "output_format", "text_column", "label_only")
    return {"model": model_digest(shard.model), **{name: getattr(shard, name) for name in names}}


def _output_name(name: str, format: str) -> str:
    """Return the name of a shard's output: the input's, with the ending of the format and the same compression."""
    compression = next((f".{ending}" for ending in COMPRESSIONS if name.lower().endswith(f".{ending}")), "")
    stem = re.sub(r"\.[A-Za-z]+$", "", name[: len(name) - len(compression)] if compression else name)
    return f"{stem}.{format}{'' if format == 'parquet' else compression}"
