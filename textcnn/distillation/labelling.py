"""A teacher's logits for many texts: computed once a text, kept on disk as they come, taken up again after a kill.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.encoding import cache_folder
from ..errors import listed, one_line
from ..runtime.unfinished import unfinished
from .teachers import Array, Average, Teacher

CHUNK = 1024  # texts handed to the teacher at a time
_KEY_BYTES = 16
SAVE_EVERY = 30.0  # seconds of work that a kill may cost


def label_texts(
    teacher: Teacher,
    texts: Sequence[str],
    classes: int,
    cache: Path | None = None,
    progress: bool = False,
    representations: bool = False,
) -> Array:
    """Logits [N, C] of texts, or [N, C + H] with representations; those that the teacher gave before, for these or
    other texts with these among them, from the cache.

    Args:
        teacher: Whose logits.
        texts: The texts.
        classes: Number of classes.
        cache: Folder of all caches; None is that of the tokenised texts. A teacher without a fingerprint has none.
        progress: Whether to show a bar, with the time left, on standard error.
        representations: Whether the teacher's representations are wanted too.

    Raises:
        ValueError: the teacher gives logits that are no numbers, or has no representations.
    """
    from tqdm import tqdm

    if isinstance(teacher, Average) and not representations:
        # Each has its own cache: another one beside them costs no more than itself.
        return teacher.average([label_texts(one, texts, classes, cache, progress) for one in teacher.members])
    answer = teacher.represent if representations else teacher.logits
    columns = classes if not representations else answer([""]).shape[1]
    # Equal texts are one.
    place: dict[bytes, int] = {}
    rows_of = np.array([place.setdefault(_key(text), len(place)) for text in texts], dtype=np.int64)
    keys = list(place)
    distinct = [""] * len(place)
    for row, text in zip(rows_of.tolist(), texts, strict=True):
        distinct[row] = text
    logits = np.empty((len(distinct), columns), np.float32)
    done = np.zeros(len(distinct), bool)
    folder = None
    if teacher.fingerprint is not None:
        name = hashlib.sha256(f"{teacher.fingerprint} {columns}".encode()).hexdigest()[:32]
        folder = (cache or cache_folder()) / f"teacher-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        for part in sorted(folder.glob("part-*.npz")):
            saved = _read_part(part, columns)
            if saved is not None:
                known = np.array([place.get(key.tobytes(), -1) for key in saved[0]], dtype=np.int64)
                wanted = known >= 0
                logits[known[wanted]], done[known[wanted]] = saved[1][wanted], True
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
            np.savez(file, keys=own, logits=logits[rows])
        pending.clear()

    with tqdm(total=len(distinct), initial=int(done.sum()), desc="teacher", unit=" texts", disable=not progress) as bar:
        try:
            for start in range(0, len(missing), CHUNK):
                rows = missing[start : start + CHUNK]
                found = answer([distinct[i] for i in rows.tolist()])
                wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
                if len(wrong):
                    text, bad = distinct[rows[wrong[0]]], found[wrong[0]].tolist()
                    raise ValueError(
                        f"teacher: got the logits {listed(bad)} of the text {text[:60]!r}; expected finite numbers; "
                        "mend the teacher"
                    )
                logits[rows] = found
                pending.append(rows)
                bar.update(len(rows))
                if time.monotonic() - saved_at > SAVE_EVERY:
                    save()
                    saved_at = time.monotonic()
        finally:
            save()
    return logits[rows_of]


def _read_part(part: Path, columns: int) -> tuple[np.ndarray, np.ndarray] | None:
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
            f"note: {part} is damaged ({one_line(error, 100)}); set aside as {part.name}.damaged; the teacher is asked "
            "again",
            file=sys.stderr,
            flush=True,
        )
        return None
    return keys, logits


def teacher_vectors(teacher: Teacher | None, cache: Path | None = None) -> str:
    """A directory with a vector for each token of a teacher: a TextCNN's own; of a transformer, its input embeddings
    beside what it makes of each token alone.

    It reads no texts for them: what a transformer makes of a rare word in a text that it was fine-tuned on is the
    label of that text, and a student that starts from this learns nothing else. (On TREC, vectors from the training
    texts gave 95.8 % on held-out ones of them and 82.8 % on the test.)

    Raises:
        ValueError: the teacher is no transformer or TextCNN.
    """
    if teacher is None or teacher.checkpoint is None or teacher.fingerprint is None:
        raise ValueError(
            "vectors: got 'teacher', and the teacher has no token vectors; expected a transformer or a TextCNN; "
            "give a checkpoint or a word-vector file"
        )
    if not teacher.is_transformer:
        return teacher.checkpoint
    from ..finetuning.contextual import write_contextual_vectors

    folder = (cache or cache_folder()) / f"vectors-{hashlib.sha256(teacher.fingerprint.encode()).hexdigest()[:32]}"
    if not (folder / "model.safetensors").is_file():
        write_contextual_vectors(teacher.checkpoint, [], folder)
    return str(folder)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
