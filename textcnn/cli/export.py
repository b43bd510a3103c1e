"""`textcnn export`."""

from __future__ import annotations

import json
from pathlib import Path

from ..settings import ExportSettings
from .options import Verb

VERB = Verb(
    "export",
    ExportSettings,
    "Write a trained model for a program that has neither Python nor textcnn. An ONNX file takes input_ids and "
    "attention_mask of any size and gives logits, already divided by the temperature; its metadata hold id2label, "
    "problem_type, temperature, thresholds and the tokenizer.json. An HTML file is a page that classifies and explains "
    "in the browser, without a network. A js file is the same as an ES module for Node and browsers.",
    [
        "textcnn export runs/reviews --output reviews.onnx",
        "textcnn export runs/reviews --output reviews.html --int8 --texts reviews.csv",
        "textcnn export runs/reviews --output reviews.js",
    ],
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import export
    from ..runtime.encoder import TextEncoder

    written = export(**call.values)
    path, onnx = Path(call.settings.output), call.settings.kind == "onnx"
    model = written.engine if isinstance(written, TextEncoder) else written
    precision = ("int8" if call.settings.int8 else "float32") if onnx else model.precision
    several = "" if len(model.labels) == 1 else "s"
    kind = "dimension" if model is not written else "number" if getattr(model, "regression", False) else "label"
    size = f"{len(model.labels)} {kind}{several}"
    print(f"{path}: {precision}, {path.stat().st_size / 1e6:.1f} MB, {size}")
    if measured := json.loads(written.metadata.get("int8_error", "{}")):
        print("int8_error: " + ", ".join(f"{key} {value:.6g}" for key, value in measured.items()))
    elif not onnx and precision == "float32":
        print("--int8 --texts FILE makes the tables a quarter of this size")
