"""Shards on every core of this machine: processes that map the same tables, started again when one dies."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from ..errors import DataError
from .shards import Shard, ShardResult, as_json

# A shard whose process died this many times is given up: a text that ends the process would end every next one.
TRIES = 3
_PROGRAM = "import sys; sys.path[:] = {path!r}; from textcnn.scoring.worker import main; main()"

Progress = Callable[[str, int, int], None]


@dataclass(eq=False)
class _Worker:
    """A process, and the shard that it works on."""

    process: subprocess.Popen[bytes]
    shard: Shard | None = None


# What processes say, and None where one has ended; a thread for each process waits for it, on every platform alike.
_Said = SimpleQueue[tuple[_Worker, bytes | None]]


def score_shards(
    shards: Sequence[Shard], processes: int | None = None, progress: Progress = lambda path, rows, size: None
) -> list[ShardResult]:
    """Label shards with several processes; one that dies is started again and its shard repeated.

    Args:
        shards: Shards to label.
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
    said: _Said = SimpleQueue()
    workers: list[_Worker] = []
    try:
        for _ in range(min(processes or cores(), len(shards))):
            workers.append(_start(said))
            _give(workers[-1], waiting)
        while len(results) < len(shards):
            worker, line = said.get()
            if line is not None:
                _take(worker, json.loads(line), results, progress)
                if worker.shard is None:
                    _give(worker, waiting)
                continue
            workers.remove(worker)
            _end(worker)
            if worker.shard is not None:
                _again(worker.shard, waiting, tries, worker.process.returncode)
            if waiting:
                workers.append(_start(said))
                _give(workers[-1], waiting)
    finally:
        for worker in workers:
            _end(worker)
    return [results[shard.output] for shard in shards]


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(said: _Said) -> _Worker:
    command = [sys.executable, "-c", _PROGRAM.format(path=sys.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    worker = _Worker(process)

    def listen() -> None:
        with io.BufferedReader(process.stdout) as lines:  # type: ignore[type-var]
            for line in lines:
                if line.endswith(b"\n"):  # a process that is killed may leave half a line
                    said.put((worker, line))
        said.put((worker, None))

    threading.Thread(target=listen, daemon=True).start()
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


def _end(worker: _Worker) -> None:
    """End a process: one without a shard by the end of its input, another one at once."""
    if worker.process.stdin is not None:
        worker.process.stdin.close()
    if worker.shard is not None:
        worker.process.terminate()
    worker.process.wait()
