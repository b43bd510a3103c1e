"""A bounded queue in front of one thread, which computes the jobs that wait together as one batch."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .loop_batch import deliver

J = TypeVar("J")
R = TypeVar("R")


class Overloaded(Exception):
    """Error for a job that finds the queue full."""


@dataclass
class _Waiting(Generic[J, R]):
    job: J
    size: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[R]


class WorkQueue(Generic[J, R]):
    """Jobs of many requests, computed in one thread.

    Nothing waits for a batch to fill: the thread takes what came in while it computed the batch before, so that a
    lone request has no delay and a crowd is answered together.

    Args:
        compute: Function of a batch of jobs that returns the results in their order; a result that is an exception is
            raised where its job was submitted.
        max_waiting: Jobs that may wait; the next one is refused.
        max_size: Largest sum of the sizes of the jobs of one batch; a larger job is a batch of its own.
        name: Name of the thread.
    """

    def __init__(
        self, compute: Callable[[Sequence[J]], Sequence[R | Exception]], max_waiting: int, max_size: int, name: str
    ) -> None:
        self._compute, self._max_waiting, self._max_size = compute, max_waiting, max_size
        self._waiting: deque[_Waiting[J, R]] = deque()
        self._change = threading.Condition()
        self._closed = False
        self.batches = 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    async def submit(self, job: J, size: int = 1) -> R:
        """Return the result of a job.

        Raises:
            Overloaded: The queue is full or closed.
        """
        loop = asyncio.get_running_loop()
        waiting: _Waiting[J, R] = _Waiting(job, size, loop, loop.create_future())
        with self._change:
            if self._closed or len(self._waiting) >= self._max_waiting:
                raise Overloaded
            self._waiting.append(waiting)
            self._change.notify()
        return await waiting.future

    def close(self) -> None:
        """Finish the jobs that wait, and end the thread."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            self.batches += 1
            results: Sequence[R | Exception]
            try:
                results = self._compute([waiting.job for waiting in batch])
            except Exception as error:  # the thread outlives every job; the error is raised in the request
                results = [error] * len(batch)
            by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], R | Exception]]] = {}
            for waiting, result in zip(batch, results, strict=True):
                by_loop.setdefault(waiting.loop, []).append((waiting.future, result))
            for loop, pairs in by_loop.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(deliver, pairs)

    def _next_batch(self) -> list[_Waiting[J, R]]:
        """Return the jobs that wait, as many as a batch may hold; none where the queue is closed and empty."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            batch: list[_Waiting[J, R]] = []
            size = 0
            while self._waiting and (not batch or size + self._waiting[0].size <= self._max_size):
                batch.append(self._waiting.popleft())
                size += batch[-1].size
        return batch
