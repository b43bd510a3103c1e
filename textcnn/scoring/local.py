"""Shards on every core of this machine: processes that map the same tables, started again when one dies."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from .shards import Shard, ShardResult, as_json

# A shard whose process died this many times is given up: a text that ends the process would end every next one.
TRIES = 3
_PROGRAM = "import sys; sys.path[:] = {path!r}; from textcnn.scoring.worker import main; main()"

Progress = Callable[[str, int, int], None]


@dataclass
class _Worker:
    """A process, the shard that it works on, and the start of a line that it has not ended."""

    process: subprocess.Popen[bytes]
    shard: Shard | None = None
    pending: bytes = b""

    def lines(self) -> list[bytes] | None:
        """Return the lines that there are to read, or None where the process has ended."""
        # Not readline: lines behind the first would stay in a buffer that no selector sees.
        data = os.read(self.process.stdout.fileno(), 1 << 16)  # type: ignore[union-attr]
        if not data:
            return None
        *lines, self.pending = (self.pending + data).split(b"\n")
        return lines


def score_shards(
    shards: Sequence[Shard], processes: int | None = None, progress: Progress = lambda path, rows, size: None
) -> list[ShardResult]:
    """Label shards with several processes; one that dies is started again and its shard repeated.

    Args:
        shards: What to label.
        processes: Number of processes. Default: one for each core.
        progress: Called with the input of a shard, its rows and its bytes so far.

    Returns:
        The outcome of each shard, in the order of `shards`.

    Raises:
        DataError: A shard ended its process each time it was tried.
    """
    waiting = deque(shards)
    results: dict[str, ShardResult] = {}
    tries: dict[str, int] = {}
    with selectors.DefaultSelector() as selector:
        workers: list[_Worker] = []
        try:
            for _ in range(min(processes or cores(), len(shards))):
                workers.append(_start(selector))
                _give(workers[-1], waiting)
            while len(results) < len(shards):
                for key, _ in selector.select():
                    worker: _Worker = key.data
                    lines = worker.lines()
                    if lines is None:
                        workers.remove(worker)
                        _end(worker, selector)
                        if worker.shard is not None:
                            _again(worker.shard, waiting, tries, worker.process.returncode)
                        if waiting:
                            workers.append(_start(selector))
                            _give(workers[-1], waiting)
                    for line in lines or ():
                        _take(worker, json.loads(line), results, progress)
                        if worker.shard is None:
                            _give(worker, waiting)
        finally:
            for worker in workers:
                _end(worker, selector)
    return [results[shard.output] for shard in shards]


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(selector: selectors.BaseSelector) -> _Worker:
    command = [sys.executable, "-c", _PROGRAM.format(path=sys.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    worker = _Worker(process)
    selector.register(process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
    return worker


def _give(worker: _Worker, waiting: deque[Shard]) -> None:
    """Hand the next shard to a process; one that has died shows when its output is read."""
    worker.shard = waiting.popleft() if waiting else None
    if worker.shard is not None and worker.process.stdin is not None:
        try:
            worker.process.stdin.write(json.dumps(as_json(worker.shard)).encode() + b"\n")
        except BrokenPipeError:
            return


def _take(worker: _Worker, said: dict[str, Any], results: dict[str, ShardResult], progress: Progress) -> None:
    """Note what a process says of its shard: how far it is, or its outcome."""
    shard = worker.shard
    if shard is None:
        return
    if "result" in said:
        results[shard.output] = ShardResult(**said["result"])
        progress(shard.input, results[shard.output].rows, -1)
        worker.shard = None
    else:
        progress(shard.input, said["rows"], said["bytes"])


def _again(shard: Shard, waiting: deque[Shard], tries: dict[str, int], code: int) -> None:
    tries[shard.input] = tries.get(shard.input, 0) + 1
    if tries[shard.input] >= TRIES:
        raise DataError(
            f"{shard.input}: the process that labelled it ended {TRIES} times (exit code {code}); expected a file that "
            "fits into memory; look at its longest text, or use fewer processes"
        )
    waiting.appendleft(shard)


def _end(worker: _Worker, selector: selectors.BaseSelector) -> None:
    process = worker.process
    if process.stdout is not None and not process.stdout.closed:
        selector.unregister(process.stdout)
    if worker.shard is not None:
        process.terminate()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
