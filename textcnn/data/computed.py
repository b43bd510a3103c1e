"""Rows of numbers that something slow computes of texts: once a text, kept on disk as they come.

Shapes: `N` texts, `C` columns.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.storage import unfinished
from .encoding import cache_folder
from .errors import listed

CHUNK = 1024  # texts handed to the function at a time
SAVE_EVERY = 30.0  # seconds of work that a kill may cost

Array = NDArray[np.float32]


def computed_rows(
    compute: Callable[[list[str]], Array],
    texts: Sequence[str],
    columns: int,
    fingerprint: str | None,
    cache: Path | None = None,
    progress: bool = False,
    name: str = "teacher",
    values: str = "logits",
) -> Array:
    """Return what a function computes of texts, [N, C], from a cache where it did so before.

    A run that is killed loses at most SAVE_EVERY seconds of work. Equal texts are computed once.

    Args:
        compute: Function from a list of texts to rows [N, C].
        texts: The texts.
        columns: C.
        fingerprint: Identity of the function; None where it has none, and then nothing is kept.
        cache: Folder of all caches. Default: that of the tokenised texts.
        progress: Show a bar, with the time left, on standard error.
        name: What computes, for the bar and for messages.
        values: What is computed, for messages.

    Raises:
        ValueError: A value is not a finite number.
    """
    from tqdm import tqdm

    place: dict[bytes, int] = {}
    rows_of = np.array([place.setdefault(_key(text), len(place)) for text in texts], dtype=np.int64)
    keys = list(place)
    distinct = [""] * len(place)
    for row, text in zip(rows_of.tolist(), texts, strict=True):
        distinct[row] = text
    table = np.empty((len(distinct), columns), np.float32)
    done = np.zeros(len(distinct), bool)
    folder = None
    if fingerprint is not None:
        digest = hashlib.sha256(f"{fingerprint} {columns}".encode()).hexdigest()[:32]
        folder = (cache or cache_folder()) / f"{name}-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
        for part in sorted(folder.glob("part-*.npz")):
            with np.load(part) as saved:
                known = np.array([place.get(key.tobytes(), -1) for key in saved["keys"]], dtype=np.int64)
                wanted = known >= 0
                table[known[wanted]], done[known[wanted]] = saved["logits"][wanted], True
    # Texts of like length together: a batch costs what its longest text costs.
    missing = np.flatnonzero(~done)
    missing = missing[np.argsort([-len(distinct[i]) for i in missing.tolist()], kind="stable")]
    pending: list[np.ndarray] = []
    saved_at = time.monotonic()

    def save() -> None:
        if folder is None or not pending:
            return
        rows = np.concatenate(pending)
        own = np.frombuffer(b"".join([keys[row] for row in rows.tolist()]), np.uint8).reshape(len(rows), -1)
        with unfinished(folder / f"part-{time.time_ns()}-{os.getpid()}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, keys=own, logits=table[rows])
        pending.clear()

    with tqdm(total=len(distinct), initial=int(done.sum()), desc=name, unit=" texts", disable=not progress) as bar:
        try:
            for start in range(0, len(missing), CHUNK):
                rows = missing[start : start + CHUNK]
                computed = compute([distinct[i] for i in rows.tolist()])
                wrong = np.flatnonzero(~np.isfinite(computed).all(axis=1))
                if len(wrong):
                    text, bad = distinct[rows[wrong[0]]], computed[wrong[0]].tolist()
                    raise ValueError(
                        f"{name}: got the {values} {listed(bad)} of the text {text[:60]!r}; expected finite numbers; "
                        f"mend the {name}"
                    )
                table[rows] = computed
                pending.append(rows)
                bar.update(len(rows))
                if time.monotonic() - saved_at > SAVE_EVERY:
                    save()
                    saved_at = time.monotonic()
        finally:
            save()
    return table[rows_of]


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
