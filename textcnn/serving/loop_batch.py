"""Jobs that come in during one turn of the event loop, computed in it as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")


class LoopBatch(Generic[J, R]):
    """Small jobs of many requests, computed in the event loop.

    A job waits for those that the loop reads in the same turn, and for nothing else. They share what a call costs,
    which for one short text is several times what the text costs.

    Args:
        compute: Function of a batch of jobs that returns the results in their order; a result that is an exception is
            raised where its job was submitted. The loop stands still meanwhile.
        max_size: Sum of the sizes of the jobs from which a batch is computed at once.
    """

    def __init__(self, compute: Callable[[Sequence[J]], Sequence[R | Exception]], max_size: int) -> None:
        self._compute, self._max_size = compute, max_size
        self._waiting: list[tuple[J, asyncio.Future[R]]] = []
        self._size = 0
        self.batches = 0

    async def submit(self, job: J, size: int = 1) -> R:
        """Return the result of a job."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._answer)
        self._waiting.append((job, future))
        self._size += size
        if self._size >= self._max_size:
            self._answer()
        return await future

    def _answer(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if not waiting:  # answered before the end of the turn, because they were many
            return
        self.batches += 1
        results: Sequence[R | Exception]
        try:
            results = self._compute([job for job, _ in waiting])
        except Exception as error:  # raised in the requests
            results = [error] * len(waiting)
        deliver([(future, result) for (_, future), result in zip(waiting, results, strict=True)])


def deliver(pairs: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    """Give futures their results; exceptions are raised where they are awaited."""
    for future, result in pairs:
        if future.done():  # the client has gone
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
