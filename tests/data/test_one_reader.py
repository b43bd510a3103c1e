"""One reader: a file that training accepts is read alike for labelling, evaluation and calibration."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from textcnn.data import TextDataModule
from textcnn.data.columns import find_text_column, head_of
from textcnn.data.io.readers import Reader
from textcnn.evaluation.labelled import read_labelled

# Null, empty, not Unicode, with line breaks.
ROWS: list[tuple[str | None, str | None]] = [
    ("a good film", "x"), (None, "y"), ("", "x"), ("two\nlines", "y"), ("NA", "x"), ("007", None),
    ("\udcff bytes", "y"), ("a bad film", "x"), ("one", "y"), ("two", "x"),
]  # fmt: skip
KINDS = ["csv", "tsv", "json", "jsonl", "txt", "parquet"]


def write(folder: Path, kind: str, compression: str) -> Path:
    path = folder / f"in.{kind}{compression}"
    records: list[dict[str, Any]] = [{"body": text, "kind": label} for text, label in ROWS]
    if kind == "parquet":
        for record in records:
            record["body"] = record["body"] and record["body"].replace("\udcff", "\ufffd")
        out = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(records), out)
        content = out.getvalue().to_pybytes()
    elif kind in ("json", "jsonl"):
        lines = [json.dumps(record) for record in records]
        content = ("[" + ",\n".join(lines) + "]" if kind == "json" else "\n".join(lines)).encode()
    elif kind == "txt":
        lines = [
            f"__label__{label or 'x'} {(text or '').splitlines()[:1] and text.splitlines()[0]}" for text, label in ROWS
        ]
        content = "\n".join(lines).encode(errors="surrogateescape")
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, ["body", "kind"], delimiter="\t" if kind == "tsv" else ",")
        writer.writeheader()
        writer.writerows(records)
        content = text.getvalue().encode(errors="surrogateescape")
    compress: Any = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}.get(compression, bytes)
    path.write_bytes(compress(content))
    return path


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_trained_on_is_what_is_evaluated_and_labelled(tmp_path: Path, kind: str, compression: str) -> None:
    path = write(tmp_path, kind, compression)
    data = TextDataModule(str(path), validation_fraction=0.0, tokenizer="char")
    texts, _ = data.texts_and_targets("train")
    columns = {"text_column": data._data.columns.text, "label_column": data._data.columns.label}
    rows = read_labelled(
        str(path), SimpleNamespace(labels=data.labels, multi_label=False, regression=False, config=columns)
    )  # type: ignore[arg-type]
    assert rows.texts == texts
    assert any("\ufffd bytes" in text for text in texts)
    reader = Reader(path)
    read = [row for chunk in reader.chunks() for row in chunk]
    name = find_text_column(head_of(read), None, "the file", columns["text_column"])
    assert name == columns["text_column"]
    with_label = [row for row in read if row.get(columns["label_column"]) is not None]
    seen = [
        row[name].encode(errors="surrogateescape").decode(errors="replace")
        for row in with_label
        if row[name] is not None
    ]
    assert seen == texts
    assert rows.without_text == sum(row[name] is None for row in read)
    if kind in ("csv", "tsv"):
        assert rows.without_text == 2, "an empty cell is no text, quoted or not"
        assert len(texts) == 7
