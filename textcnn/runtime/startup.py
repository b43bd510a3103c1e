"""What keeps the time from the start of a process to its first label short."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec


@contextmanager
def collection_paused() -> Iterator[None]:
    """No search for garbage meanwhile: importing makes a million objects that all stay, and each search visits them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def import_numba_arrays() -> None:
    """Imports numba's array functions, without SciPy's linear algebra.

    They import it only to see whether it is there, which takes a tenth of the time to the first label. A function that
    needs it still imports it when it is compiled. Not public: a numba that looks elsewhere takes its time.
    """
    from numba.np import linalg

    if "numba.np.arraymath" in sys.modules or find_spec("scipy") is None or not hasattr(linalg, "ensure_blas"):
        return
    look = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        arraymath = import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = look
    arraymath.ensure_blas = look  # type: ignore[attr-defined]
