"""A teacher's logits for many texts: computed once, kept on disk as they come, taken up again after a kill.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.encoding import cache_folder
from ..runtime.storage import unfinished
from .teachers import Array, Teacher

CHUNK = 1024  # texts handed to the teacher at a time
SAVE_EVERY = 30.0  # seconds of work that a kill may cost


def label_texts(
    teacher: Teacher,
    texts: Sequence[str],
    classes: int,
    cache: Path | None = None,
    progress: bool = False,
    representations: bool = False,
) -> Array:
    """Logits [N, C] of texts, or [N, C + H] with representations, from the cache as far as an earlier run came.

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

    answer = teacher.represent if representations else teacher.logits
    columns = classes if not representations else answer([""]).shape[1]
    logits = np.empty((len(texts), columns), np.float32)
    done = np.zeros(len(texts), bool)
    folder = None
    if teacher.fingerprint is not None:
        folder = (cache or cache_folder()) / f"teacher-{_name(f'{teacher.fingerprint} {columns}', texts)}"
        folder.mkdir(parents=True, exist_ok=True)
        for part in sorted(folder.glob("part-*.npz")):
            with np.load(part) as saved:
                logits[saved["rows"]], done[saved["rows"]] = saved["logits"], True
    # Texts of like length together: a batch costs what its longest text costs.
    missing = np.flatnonzero(~done)
    missing = missing[np.argsort([-len(texts[i]) for i in missing.tolist()], kind="stable")]
    pending: list[np.ndarray] = []
    saved_at = time.monotonic()

    def save() -> None:
        if folder is None or not pending:
            return
        rows = np.concatenate(pending)
        with unfinished(folder / f"part-{rows[0]:09d}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, rows=rows, logits=logits[rows])
        pending.clear()

    with tqdm(total=len(texts), initial=int(done.sum()), desc="teacher", unit=" texts", disable=not progress) as bar:
        try:
            for start in range(0, len(missing), CHUNK):
                rows = missing[start : start + CHUNK]
                found = answer([texts[i] for i in rows.tolist()])
                if not np.isfinite(found).all():
                    bad = texts[rows[int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])]]
                    raise ValueError(f"the teacher's logits of {bad[:60]!r} are {found[0]}; expected finite numbers")
                logits[rows] = found
                pending.append(rows)
                bar.update(len(rows))
                if time.monotonic() - saved_at > SAVE_EVERY:
                    save()
                    saved_at = time.monotonic()
        finally:
            save()
    return logits


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
    from ..contextual import write_contextual_vectors

    folder = (cache or cache_folder()) / f"vectors-{_name(teacher.fingerprint, [])}"
    if not (folder / "model.safetensors").is_file():
        write_contextual_vectors(teacher.checkpoint, [], folder)
    return str(folder)


def _name(fingerprint: str, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(fingerprint.encode())
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, sys.byteorder))
        digest.update(encoded)
    return digest.hexdigest()[:32]
