"""A pool of threads that is started when it is needed, and again in a forked child.

The kernels release the interpreter's lock, so plain threads run them side by side; numba's own parallel loops are
not safe when several Python threads start them at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ThreadPool:
    """Maps a function over items in order, a few items ahead.

    Args:
        threads: Number of threads; 1 runs everything in the caller's.

    Raises:
        ValueError: threads is less than 1.
    """

    def __init__(self, threads: int) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads: got {threads!r}; expected a whole number of at least 1")
        self.threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._lock = Lock()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items; no more than a few items are taken ahead of the results."""
        if self.threads == 1:
            yield from map(function, items)
            return
        executor = self._start()
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(executor.submit(function, item))
                if len(waiting) > 2 * self.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _start(self) -> ThreadPoolExecutor:
        # A fork copies the executor but not its threads: the child would wait for ever. Nor can it trust a lock
        # that another thread held at that moment, so the process is looked at before the lock.
        if self._process != os.getpid():
            self._lock, self._executor, self._process = Lock(), None, os.getpid()
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="textcnn")
            return self._executor
