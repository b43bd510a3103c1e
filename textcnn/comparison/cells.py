"""Cells of a comparison: one classifier, fitted on one data set with one seed, and its measurements.

A cell is a JSON file; one that is there is not computed again.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import one_line
from ..evaluation.calibration import claims, expected_calibration_error
from ..evaluation.scores import counts, f_scores
from ..runtime.checks import read_json
from ..runtime.storage import write_text
from ..runtime.thresholds import f1_threshold
from .answering import measure_answers
from .candidates import Candidate
from .peers.base import Peer, silence
from .peers.choosing import decide
from .splits import Splits

# Entry of the file: a flipped bit in a figure is not taken for the figure.
_DIGEST = "digest"


@dataclass(frozen=True)
class Cell:
    """One fit and its figures.

    Args:
        data: Name of the data set.
        candidate: Name of the classifier.
        seed: Seed of the fit and, with `per_class`, of the draw of its texts.
        per_class: Labelled texts of each class, or None for all.
        accuracy: Fraction of the test texts with the right label, or with all right labels.
        macro_f1: Mean F1 of the classes that occur.
        calibration_error: Expected calibration error, or None where the scores are no probabilities.
        train_seconds: Seconds of training, the choice of settings included.
        size: Bytes on disk that a server needs.
        texts_per_second: Texts labelled in a second on one core.
        first_label: Seconds from the start of a process to its first label.
        memory: Largest resident memory of that process, in bytes.
        correct: Ones and zeros: test texts whose label, or all of whose labels, are right.
    """

    data: str
    candidate: str
    seed: int
    per_class: int | None
    accuracy: float
    macro_f1: float
    calibration_error: float | None
    train_seconds: float
    size: int
    texts_per_second: float
    first_label: float
    memory: int
    correct: str

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Mask [N] of test texts that are right."""
        return np.frombuffer(self.correct.encode("ascii"), dtype=np.uint8) == ord("1")


class CellStore:
    """Cells in a folder.

    Args:
        folder: Folder of the JSON files.
        redo: Names of candidates whose cells are computed again; None for all.
    """

    def __init__(self, folder: Path, redo: set[str] | None) -> None:
        self.folder, self.redo = folder, redo

    def path(self, splits: Splits, candidate: Candidate, seed: int, per_class: int | None) -> Path:
        """Return the file of a cell. Its name has a hash of everything that the figures depend on."""
        facts = {
            "data": splits.fingerprint(), "settings": candidate.make().settings(), "seed": seed, "per_class": per_class,
        }  # fmt: skip
        key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:12]
        few = "" if per_class is None else f"-{per_class}_per_class"
        name = f"{_plain(candidate.name)}{few}-seed{seed}-{key}.json"
        return self.folder / _plain(splits.name) / name

    def get(self, path: Path, candidate: Candidate) -> Cell | None:
        """Return the cell of a file, or None where it is to be computed; a damaged file is named and set aside."""
        if self.redo is None or candidate.name in self.redo or not path.is_file():
            return None
        try:
            content = read_json(path)
            digest = content.pop(_DIGEST, None)
            cell = Cell(**content)
            if digest not in (None, _digest_of(content)):
                raise ValueError("other figures than when it was written")
        except (ValueError, TypeError, AttributeError) as error:
            path.replace(path.with_name(f"{path.name}.damaged"))
            print(f"note: {path} is damaged ({one_line(error, 100)}); set aside as {path.name}.damaged; fitted again",
                  file=sys.stderr, flush=True)  # fmt: skip
            return None
        return cell

    def put(self, path: Path, cell: Cell) -> None:
        """Write a cell."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(cell)
        write_text(path, json.dumps({**content, _DIGEST: _digest_of(content)}, indent=1) + "\n")


def _digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def compute(splits: Splits, candidate: Candidate, seed: int, per_class: int | None) -> Cell:
    """Fit a candidate and measure it.

    Args:
        splits: The data set, its train texts drawn already.
        candidate: The classifier.
        seed: Seed of the fit.
        per_class: Labelled texts of each class, or None for all.
    """
    peer = candidate.make()
    with silence():
        peer.prepare()
        started = time.perf_counter()
        peer.fit(splits, seed)
        seconds = time.perf_counter() - started
        found = score(peer.scores(splits.test.texts), splits, peer.probabilistic, best_threshold(peer, splits))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        folder.mkdir()
        peer.save(folder)
        size = peer.size(folder)
        del peer  # the process that answers needs the memory
        answers: dict[str, Any] = measure_answers(candidate.kind, folder, splits.test.texts)
    return Cell(
        data=splits.name, candidate=candidate.name, seed=seed, per_class=per_class, train_seconds=seconds, size=size,
        **found, **answers,
    )  # fmt: skip


def best_threshold(peer: Peer, splits: Splits) -> float:
    """Return the score from which a classifier gives one of several labels.

    It is the one with the largest micro-F1 on the validation texts, for each classifier alike, as 0.5 suits rare labels
    badly. Where these are a part of the train split, on which some classifiers are fitted again, it is 0.5, or 0 of
    distances.
    """
    rows = splits.validation
    if not splits.multi_label or rows is None or splits.held_out or not rows.targets.any():
        return 0.5 if peer.probabilistic else 0.0
    return f1_threshold(np.asarray(peer.scores(rows.texts)).ravel(), rows.targets.ravel() > 0)


def score(scores: NDArray[Any], splits: Splits, probabilistic: bool, threshold: float) -> dict[str, Any]:
    """Return accuracy, macro_f1, calibration_error and correct of scores [N, C] of the test texts."""
    targets = splits.test.targets
    predicted = decide(scores, splits.multi_label, threshold)
    right = predicted == targets
    right = right.all(axis=1) if splits.multi_label else right
    table = counts(predicted, targets, len(splits.labels))
    occurs = table[:, 1:].sum(axis=1) > 0
    error = expected_calibration_error(*claims(scores, targets)) if probabilistic else None
    return {
        "accuracy": float(right.mean()),
        "macro_f1": float(f_scores(table)[2][occurs].mean()),
        "calibration_error": error,
        "correct": "".join("1" if hit else "0" for hit in right.tolist()),
    }


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
