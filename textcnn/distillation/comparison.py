"""Teacher and student side by side: in `distillation.json` and in the model card."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.replaced import ReplacedTrainData
from ..runtime.storage import write_text
from .students.sizes import served_bytes
from .teachers import Teacher, to_probabilities

if TYPE_CHECKING:
    from ..runtime.classifier import TextClassifier


def compare(student: TextClassifier, teacher: Teacher | None, data: ReplacedTrainData, directory: Path) -> None:
    """Write teacher and student side by side into the run's folder and model card.

    Both are scored on the test split or, without one, on held-out examples; without either, only the student's size is
    given.
    """
    from sklearn.metrics import accuracy_score, f1_score

    loaders = {"test": data.test_dataloader(), "validation": data.val_dataloader()}
    role = next((role for role, loader in loaders.items() if loader), None)
    if role is None:
        _write({"split": None, "student": {"bytes": served_bytes(directory)}}, directory)
        print("no text was held out and there is no test split: teacher and student are not compared", file=sys.stderr)
        return
    texts, targets = data.texts_and_targets(role)
    answers: dict[str, np.ndarray] = {}
    result: dict[str, Any] = {"split": role, "texts": len(texts)}

    def timed(logits: Any) -> tuple[np.ndarray, float]:
        started = time.perf_counter()
        found = logits(texts)
        return found, len(texts) / (time.perf_counter() - started)

    student.logits(texts[:8])
    for name, logits in (("teacher", teacher.logits if teacher else None), ("student", student.logits)):
        if logits is None:
            continue
        found, speed = timed(logits)
        answers[name] = to_probabilities(found, True) >= 0.5 if student.multi_label else found.argmax(axis=1)
        result[name] = {
            "accuracy": float(accuracy_score(targets, answers[name])),
            "macro_f1": float(f1_score(targets, answers[name], average="macro", zero_division=0)),
            "texts_per_second": speed,
        }
    result["student"]["bytes"] = served_bytes(directory)
    if teacher is not None:
        result["agreement"] = float((answers["teacher"] == answers["student"]).mean())
    _write(result, directory)
    lines = _table(result)
    card = directory / "README.md"
    write_text(card, card.read_text(encoding="utf-8") + "\n## Distillation\n\n" + lines + "\n")


def _write(result: dict[str, Any], directory: Path) -> None:
    write_text(directory / "distillation.json", json.dumps(result, indent=2) + "\n")


def _table(result: dict[str, Any]) -> str:
    lines = [f"| {result['split']} | accuracy | macro-F1 | texts/s | size |", "|---|---|---|---|---|"]
    for name in ("teacher", "student"):
        if name in result:
            row = result[name]
            size = f"{row['bytes'] / 1e6:.2f} MB" if "bytes" in row else ""
            speed = f"{row['texts_per_second']:,.0f}"
            lines.append(f"| {name} | {row['accuracy']:.4f} | {row['macro_f1']:.4f} | {speed} | {size} |")
    if "agreement" in result:
        lines.append(f"\nThey agree on {result['agreement']:.1%} of {result['texts']:,} texts.")
    return "\n".join(lines)
