"""`textcnn export`."""

from __future__ import annotations

import json
from pathlib import Path

from ..settings import ExportSettings
from .options import Verb

VERB = Verb(
    "export",
    ExportSettings,
    "Write a trained model for a program that has neither Python nor textcnn. The ONNX file takes input_ids and "
    "attention_mask of any size and gives logits, already divided by the temperature. Its metadata hold id2label, "
    "problem_type, temperature, thresholds and the tokenizer.json.",
    [
        "textcnn export runs/reviews --output reviews.onnx",
        "textcnn export runs/reviews --output reviews.onnx --int8 --texts reviews.csv",
    ],
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import export

    written = export(**call.values)
    path, kind = Path(call.settings.output), "int8" if call.settings.int8 else "float32"
    print(f"{path}: {kind}, {path.stat().st_size / 1e6:.1f} MB, {len(written.labels)} labels")
    if call.settings.int8:
        measured = json.loads(written.metadata["int8_error"])
        print("int8_error: " + ", ".join(f"{key} {value:.6g}" for key, value in measured.items()))
