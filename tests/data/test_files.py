"""Files of every kind give the same table."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcnn.data import files
from textcnn.data.errors import DataError
from textcnn.data.files import extension, iter_file, read_file

ROWS = {"text": ["a film", 'two\nlines, a "quote"', "é 漢字 🎬", "NA"], "label": ["good", "bad", "good", "null"]}


def _write(folder: Path, name: str) -> Path:
    path = folder / name
    records = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    kind = name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        pq.write_table(pa.table(ROWS), path)
        return path
    if kind in ("csv", "tsv"):
        quoted = [[cell.replace('"', '""') for cell in record.values()] for record in records]
        mark = "\t" if kind == "tsv" else ","
        content = mark.join(ROWS) + "\n" + "".join(mark.join(f'"{c}"' for c in row) + "\n" for row in quoted)
    elif kind == "jsonl":
        content = "".join(json.dumps(record) + "\n" for record in records)
    else:
        content = json.dumps(records, indent=1)
    data = content.encode("utf-8-sig" if kind == "csv" else "utf-8")
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.csv.gz", "a.json", "a.json.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"]
)
def test_every_kind_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, name)
    assert read_file(path).to_pydict() == ROWS
    streamed = [row for batch in iter_file(path) for row in batch.to_pylist()]
    assert streamed == read_file(path).to_pylist()


def test_csv_agrees_with_datasets(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.csv")
    reference = datasets.Dataset.from_csv(str(path), keep_default_na=False, cache_dir=str(tmp_path))
    assert read_file(path).to_pydict() == reference[:]


def test_a_cell_may_go_on_in_the_next_block(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 64)
    texts = [f"{i}\n" * 9 for i in range(50)]
    assert read_file(write("a.csv", "text,label", *(f'"{t}",x' for t in texts)))["text"].to_pylist() == texts


def test_csv_cells_are_null_only_where_empty(write) -> None:
    table = read_file(write("a.csv", "text,label", "NA,1", '"",2', ",3", "null,"))
    assert table.to_pydict() == {"text": ["NA", None, None, "null"], "label": [1, 2, 3, None]}


def test_a_column_is_numeric_only_where_every_cell_is(write) -> None:
    lines = [f"{number},{number / 4},{number}" for number in range(5)]
    table = read_file(write("a.csv", "whole,real,mixed", *lines, "7,1.5,seven"))
    assert [str(kind) for kind in table.schema.types] == ["int64", "double", "string"]


@pytest.mark.parametrize("cells", [["007", "010"], ["+5", "6"], ["0x10", "1"], ["01.5", "2"], ["1" * 20, "2"]])
def test_cells_that_numbers_would_change_stay_text(write, cells: list[str]) -> None:
    assert read_file(write("a.csv", "code,text", *(f"{cell},a" for cell in cells)))["code"].to_pylist() == cells


def test_cells_as_they_are_written(write) -> None:
    table = read_file(write("a.csv", "id,price,text", "7,1.50,a"), as_written=True)
    assert table.to_pydict() == {"id": ["7"], "price": ["1.50"], "text": ["a"]}


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_of_a_csv_file_is_found(write, mark: str) -> None:
    path = write("a.csv", f"text{mark}label", f"one two{mark}x")
    assert read_file(path).to_pydict() == {"text": ["one two"], "label": ["x"]}


def test_quotes_of_a_tsv_file_that_does_not_quote(write) -> None:
    lines = ('"Hi" he said\tx', '"unclosed\ty', 'a "b" c\tz')
    table = read_file(write("a.tsv", "text\tlabel", *lines))
    assert table["text"].to_pylist() == [line.split("\t")[0] for line in lines]
    assert read_file(write("b.csv", "text,label", 'a "b" c,z'))["text"].to_pylist() == ['a "b" c']


def test_categories_in_parquet_are_plain_values(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b", "c"], "label": pa.array(["x", "y", None]).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    plain = read_file(tmp_path / "a.parquet")
    assert plain.schema.field("label").type == pa.string()
    assert plain["label"].to_pylist() == ["x", "y", None]


def test_txt_is_one_text_a_line(write) -> None:
    assert read_file(write("a.txt", "one", "", "two")).to_pydict() == {"text": ["one", "", "two"]}


def test_fasttext_format(write) -> None:
    single = read_file(write("a.txt", "__label__spam Win a prize", "__label__ham See you"))
    assert single.to_pydict() == {"text": ["Win a prize", "See you"], "label": ["spam", "ham"]}
    several = read_file(write("b.txt", "__label__a __label__b one", "two"))
    assert several.to_pydict() == {"text": ["one", "two"], "label": [["a", "b"], []]}


def test_json_records_may_lack_keys_and_be_nested_under_one(write) -> None:
    assert read_file(write("a.jsonl", {"text": "x"}, {"text": "y", "label": 1}))["label"].to_pylist() == [None, 1]
    assert read_file(write("a.json", {"version": 2, "data": [{"text": "x"}]})).to_pydict() == {"text": ["x"]}


def test_json_half_an_escape_becomes_a_question_mark(write) -> None:
    assert read_file(write("a.jsonl", r'{"text": "ok \ud83d"}'))["text"].to_pylist() == ["ok ?"]


def test_extension() -> None:
    names = ["A.CSV", "a.b.jsonl.gz", "a.xlsx", "csv", "a.ndjson"]
    assert [extension(Path(name)) for name in names] == ["csv", "jsonl", None, None, "jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,label\n\xff\xfe,x\n", "not UTF-8 .*; save it as UTF-8"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "is empty"),
        ("a.csv", b"text,label\na,b,c\n", "cannot be read as csv"),
        ("a.csv", b"text,text\na,b\n", "two columns 'text'"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2"),
        ("a.jsonl", b'["a"]\n', "is a JSON list"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}\n', "'text'"),
        ("a.json", b'"a"', "no list of objects"),
        ("a.json", b"{", "is no JSON"),
        ("a.txt", b"\xff\n", "not UTF-8"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as parquet"),
        ("a.csv.gz", b"not zipped", "cannot be read as csv"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_file(tmp_path / name)
    assert "\n" not in str(caught.value)
