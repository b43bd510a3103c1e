"""Measurements of whole processes: time from start to first label, and memory of a long run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from statistics import median

FIRST_LABEL = "import sys, textcnn; textcnn.load(sys.argv[1]).predict([sys.argv[2]])"
FIRST_LABEL_OF_FASTTEXT = """\
import sys, fasttext
model = fasttext.load_model(sys.argv[1])
model.f.multilinePredict([sys.argv[2] + "\\n"], 1, 0.0, "strict")"""
SCORE = """\
import sys
from textcnn.cli import main
main(["score", sys.argv[1], sys.argv[2], "--output", sys.argv[3], "--label_only", "--force"])
from textcnn.bench.processes import peak_memory
print(peak_memory())"""


def peak_memory() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage of a new process starts with the peak of the one that started it; this does not.
        return next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM:")) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def cold_start(directory: str, text: str, rounds: int = 7) -> tuple[float, float]:
    """Return the median seconds from process start to the first label, and to the end of `import torch`, in turns."""
    ours = [sys.executable, "-c", FIRST_LABEL, directory, text]
    theirs = [sys.executable, "-c", "import torch"]
    for command in (ours, theirs):
        subprocess.run(command, check=True)
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    return median(time for time, _ in times), median(time for _, time in times)


def first_label(directory: str, text: str, fasttext_model: str, rounds: int = 7) -> tuple[float, float]:
    """Return the median seconds from the start of a process to its first label, of ours and of fastText's, in turns.

    There is nothing to warm: no cache is written by either.
    """
    ours = [sys.executable, "-c", FIRST_LABEL, directory, text]
    theirs = [sys.executable, "-c", FIRST_LABEL_OF_FASTTEXT, fasttext_model, text]
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    return median(time for time, _ in times), median(time for _, time in times)


def resident_memory(directory: str, texts: list[str], sizes: tuple[int, ...] = (100, 1000)) -> list[float]:
    """Return the largest resident memory, in MB, of scoring text files of the given sizes in MB."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            source = Path(folder) / "texts.txt"
            with source.open("w", encoding="utf-8") as file:
                file.writelines(_lines(texts, size * 1_000_000))
            command = [sys.executable, "-c", SCORE, directory, str(source), str(Path(folder) / "labels.jsonl")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(float(done.stdout.split()[-1]))
    return found


def _lines(texts: list[str], size: int) -> Iterator[str]:
    written = 0
    for text in cycle(texts):
        line = " ".join(text.split()) + "\n"
        yield line
        written += len(line.encode())
        if written >= size:
            return


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started
