"""The decorator of all kernels: compiled once, kept on disk, free of the interpreter's lock.

numba compiles a kernel again when its own file changes, but not when a constant or a function that it uses from
another file does. Machine code that mixes two versions of this package reads memory that is not its own, so that
here every kernel depends on every file beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba as nb

from .startup import import_numba_arrays

import_numba_arrays()


def kernel(allocates: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """numba.njit with nogil and a cache on disk that any change of this package makes void.

    Args:
        allocates: Whether the kernel makes arrays. One that does not leaves them to its caller, and does not count
            the references to them: counting takes as long as the work on a short text or a word.
    """
    options = {**options, "_nrt": allocates}

    def compiled(function: Callable[..., Any]) -> Any:
        dispatcher = nb.njit(nogil=True, cache=True, **options)(function)
        try:
            # Not public; a numba that has it no more gets no cache rather than a wrong one.
            index = dispatcher._cache._cache_file
            index._source_stamp = (index._source_stamp, _stamp())
        except AttributeError:
            return nb.njit(nogil=True, **options)(function)
        return dispatcher

    return compiled


@cache
def _stamp() -> tuple[tuple[str, float, int], ...]:
    """Name, time and size of the files of this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((path.name, (status := path.stat()).st_mtime, status.st_size) for path in files)
