"""Answers of a saved classifier in a process of its own: seconds to the first label, texts a second, memory.

    python -m textcnn.comparison.answering KIND FOLDER TEXTS

prints one line of JSON. The process has one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

# Texts that are timed, and for how long; slow classifiers answer fewer.
MOST_TEXTS, SECONDS, ROUNDS = 2_000, 0.3, 5
FEWEST_TEXTS = 64
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def measure_answers(kind: str, folder: Path, texts: list[str]) -> dict[str, float]:
    """Return first_label (seconds), texts_per_second and memory (bytes) of a saved classifier.

    Args:
        kind: Name of its class in `peers`.
        folder: The folder that `save` wrote.
        texts: Texts to label.

    Raises:
        RuntimeError: The process failed.
    """
    file = folder.parent / "texts.json"
    file.write_text(json.dumps(texts[:MOST_TEXTS]), encoding="utf-8")
    environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "textcnn.comparison.answering", kind, str(folder), str(file)]
    started = time.time()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"the process that answers ended with {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["first_label"] = max(0.0, found.pop("first_label_at") - started)
    return found


def main(kind: str, folder: str, file: str) -> None:
    """Open a classifier, answer, and print the figures."""
    from .peers import peer_class

    texts: list[str] = json.loads(Path(file).read_text(encoding="utf-8"))
    peer = peer_class(kind).load(Path(folder))
    peer.scores(texts[:1])
    first_label_at = time.time()
    figures = {"first_label_at": first_label_at, "texts_per_second": _speed(peer.scores, texts), "memory": _memory()}
    print(json.dumps(figures))


def _speed(scores: Any, texts: list[str]) -> float:
    """Return texts a second, by the time of this process, not of the clock: other work is no part of it."""
    few = texts[:FEWEST_TEXTS]
    started = time.process_time()
    scores(few)
    seconds = time.process_time() - started
    # A transformer answers in one second what a table answers in a millisecond.
    some = texts[: max(FEWEST_TEXTS, int(len(few) / max(seconds, 1e-9)))]
    speeds = []
    for _ in range(ROUNDS):
        answered, started, elapsed = 0, time.process_time(), 0.0
        while elapsed < SECONDS:
            scores(some)
            answered += len(some)
            elapsed = time.process_time() - started
        speeds.append(answered / elapsed)
        if seconds > SECONDS:
            break
    return median(speeds)


def _memory() -> int:
    """Return the largest resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage would count what the process was before it became this program.
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
