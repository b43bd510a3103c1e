"""`textcnn fold`."""

from __future__ import annotations

import json
from pathlib import Path

from ..settings import FoldSettings
from .options import Verb, print_json, replaced

VERB = Verb(
    "fold",
    FoldSettings,
    "Make folded.safetensors, the look-up tables that a model answers from, in its directory. float32 tables give the "
    "answers of the network; the error of 8 bits and of a trimmed vocabulary is measured on texts, printed and stored.",
    [
        "textcnn fold runs/reviews --int8 --texts reviews.csv",
        "textcnn fold runs/reviews --trim_vocabulary crawl.txt",
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    path = Path(call.settings.model) / "folded.safetensors"
    note = replaced(path)
    from .. import fold

    folded = fold(**call.values)
    rows, columns = folded.table_shape
    kind = "int8" if call.settings.int8 else "float32"
    names = ("error", "int8_error", "int8_error_held_out", "trim")
    measured = {name: json.loads(folded.metadata[name]) for name in names if name in folded.metadata}
    if call.json:
        print_json(
            {"path": path, "rows": rows, "columns": columns, "kind": kind, "bytes": path.stat().st_size, **measured}
        )
        return
    print(f"{path}: {rows:,} rows of {columns:,} {kind} values, {path.stat().st_size / 1e6:.1f} MB{note}")
    for name, values in measured.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.6g}" for key, value in values.items()))
