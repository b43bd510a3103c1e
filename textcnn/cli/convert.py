"""`textcnn convert`."""

from __future__ import annotations

import json
from pathlib import Path

from ..settings import ConvertSettings
from .options import Verb, print_json

VERB = Verb(
    "convert",
    ConvertSettings,
    "Convert a supervised fastText model, .bin or quantised .ftz, into a directory with the same answers, which every "
    "verb opens. fastText is not needed. The input matrix times the output matrix is a table of one row for each word "
    "and n-gram; float32 tables give fastText's answers up to rounding, the error of 8 bits is measured on texts.",
    [
        "textcnn convert model.bin runs/model",
        "textcnn convert model.bin runs/model --int8 --texts crawl.txt",
        "textcnn score runs/model new.csv --output labelled.csv",
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import convert

    classifier = convert(**call.values)
    directory, before = Path(call.settings.output), Path(call.settings.model).stat().st_size
    after = sum(path.stat().st_size for path in directory.iterdir() if path.is_file())
    rows, columns = classifier.tensors["table"].shape
    measured = {name: json.loads(classifier.metadata[name]) for name in ("int8_error",) if name in classifier.metadata}
    if call.json:
        print_json({"output": directory, "rows": rows, "columns": columns, "kind": classifier.precision,
                    "bytes": after, "bytes_before": before, **measured})  # fmt: skip
        return
    print(
        f"{directory}: {len(classifier.labels)} labels, {rows:,} rows of {columns:,} {classifier.precision} values, "
        f"{after / 1e6:.1f} MB; {call.settings.model}: {before / 1e6:.1f} MB"
    )
    for name, values in measured.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.6g}" for key, value in values.items()))
