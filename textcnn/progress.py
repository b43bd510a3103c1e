"""Progress over texts and parts, on standard error, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

BATCH = 2048
FEW = 100  # texts of which each takes long


def batches_with_progress(
    texts: Sequence[str], unit: str = " texts", batch: int = BATCH, description: str | None = None
) -> Iterator[Sequence[str]]:
    """Yield the texts in batches, in their order, with a bar that shows the time left."""
    from tqdm import tqdm

    with tqdm(total=len(texts), desc=description, unit=unit, leave=False, disable=None) as bar:
        for start in range(0, len(texts), batch):
            some = texts[start : start + batch]
            yield some
            bar.update(len(some))


def each_with_progress(items: Sequence[T], description: str, unit: str = " parts") -> Iterator[T]:
    """Yield some items, each of which takes long, with a bar that shows the time left."""
    from tqdm import tqdm

    yield from tqdm(items, desc=description, unit=unit, leave=False, disable=None)


def array_with_progress(compute: Callable[[list[str]], Any], texts: Sequence[str], description: str) -> Any:
    """Return the array of `compute` for all texts, one row a text, computed batch by batch with a bar."""
    parts = [compute(list(some)) for some in batches_with_progress(texts, description=description)]
    return np.concatenate(parts) if parts else compute([])


def in_batches(compute: Callable[[list[str]], Any], texts: Sequence[str], batch: int = FEW) -> Any:
    """Return the result of `compute` for all texts, computed batch by batch, with a progress bar.

    Args:
        compute: Returns a dataclass whose arrays have one row a text.
        texts: The texts.
        batch: Texts of a batch.
    """
    parts = [compute(list(some)) for some in batches_with_progress(texts, batch=batch)] or [compute([])]
    arrays = {name: value for name, value in vars(parts[0]).items() if isinstance(value, np.ndarray)}
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays})
