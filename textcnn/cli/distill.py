"""`textcnn distill`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..settings import DistillSettings
from .options import Verb, print_json, table

VERB = Verb(
    "distill",
    DistillSettings,
    "Train a student on a teacher's answers to labelled and unlabelled texts. --budget 3MB trains the best student "
    "whose deployed files (int8 tables, tokenizer, settings) take at most 3 MB; --budget '400k texts/s' the best one "
    "that labels at least that many texts a second, from text to label, on one core of this machine.",
    [
        "textcnn teach sentence-transformers/all-MiniLM-L6-v2 --data reviews.csv --output runs/teacher",
        "textcnn distill runs/teacher --data reviews.csv --texts crawl.txt --budget 3MB --output runs/student",
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import distill

    values, texts = call.values, call.settings.texts
    if texts is not None:
        values["texts"] = [Path(name) for name in ([texts] if isinstance(texts, str) else texts)]
    student = distill(**values)
    result = json.loads((Path(call.settings.output) / "distillation.json").read_text(encoding="utf-8"))
    if call.json:
        print_json(result)
    elif result["split"] is None:
        print(f"student: {result['student']['bytes'] / 1e6:.2f} MB")
    else:
        print(_compared(result))
    print(f"The student is in {call.settings.output}: {len(student.labels)} labels", file=sys.stderr)


def _compared(result: dict[str, Any]) -> str:
    rows = [(result["split"], "accuracy", "macro-F1", "texts/s", "size")]
    for name in ("teacher", "student"):
        if name in result:
            row = result[name]
            size = f"{row['bytes'] / 1e6:.2f} MB" if "bytes" in row else ""
            rows.append(
                (name, f"{row['accuracy']:.4f}", f"{row['macro_f1']:.4f}", f"{row['texts_per_second']:,.0f}", size)
            )
    text = table(rows, right=(1, 2, 3, 4))
    if "agreement" in result:
        text += f"\nThey agree on {result['agreement']:.1%} of {result['texts']:,} texts."
    return text
