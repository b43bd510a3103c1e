"""Rows of numbers that something slow computes of texts: once a text, kept on disk as they come.

Shapes: `N` texts, `C` columns.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.unfinished import unfinished
from .encoding import cache_folder
from .errors import listed, one_line

CHUNK = 1024  # texts handed to the function at a time
SAVE_EVERY = 30.0  # seconds of work that a kill may cost
_KEY_BYTES = 16

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
    """Return the values of a function on texts, [N, C]; values computed earlier come from a cache.

    A run that is killed loses at most SAVE_EVERY seconds of work. Equal texts are computed once.

    Args:
        compute: Function from a list of texts to rows [N, C].
        texts: The texts.
        columns: C.
        fingerprint: Identity of the function; None where it has none, and then nothing is kept.
        cache: Folder of all caches. Default: that of the tokenised texts.
        progress: Show a bar, with the time left, on standard error.
        name: Name of the model, for the bar and for messages.
        values: Name of the computed values, for messages.

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
            saved = _read_part(part, columns, name)
            if saved is not None:
                known = np.array([place.get(key.tobytes(), -1) for key in saved[0]], dtype=np.int64)
                wanted = known >= 0
                table[known[wanted]], done[known[wanted]] = saved[1][wanted], True
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


def _read_part(part: Path, columns: int, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return keys and logits of a part of a cache; None for a damaged one, which is named and set aside."""
    try:
        with part.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            keys, logits = saved["keys"], saved["logits"]
        if keys.dtype != np.uint8 or keys.shape != (len(logits), _KEY_BYTES) or logits.shape != (len(keys), columns):
            raise ValueError(f"shapes {keys.shape} and {logits.shape}")
        if not np.isfinite(logits).all():
            raise ValueError("logits that are not finite")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        part.replace(part.with_name(f"{part.name}.damaged"))
        print(
            f"note: {part} is damaged ({one_line(error, 100)}); set aside as {part.name}.damaged; the {name} "
            "computes it again",
            file=sys.stderr,
            flush=True,
        )
        return None
    return keys, logits


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
