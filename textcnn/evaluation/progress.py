"""Progress over texts, on standard error, where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BATCH = 2048


def batches_with_progress(texts: Sequence[str], unit: str = " texts", batch: int = BATCH) -> Iterator[Sequence[str]]:
    """Yield the texts in batches, in their order, with a bar that shows the time left."""
    from tqdm import tqdm

    with tqdm(total=len(texts), unit=unit, leave=False, disable=None) as bar:
        for start in range(0, len(texts), batch):
            some = texts[start : start + batch]
            yield some
            bar.update(len(some))
