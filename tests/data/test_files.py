"""Files of every format and compression give the same table and the same rows."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from textcnn.data.errors import DataError
from textcnn.data.io.formats import format_of
from textcnn.data.io.readers import Reader
from textcnn.data.io.tables import iter_batches, read_table

ROWS = {"text": ["a film", 'two\nlines, a "quote"', "é 漢字 🎬", "NA"], "label": ["good", "bad", "good", "null"]}


def _write(folder: Path, name: str) -> Path:
    path = folder / name
    records = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    kind = name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
    content: str | bytes
    if kind in ("csv", "tsv"):
        quoted = [[cell.replace('"', '""') for cell in record.values()] for record in records]
        mark = "\t" if kind == "tsv" else ","
        content = mark.join(ROWS) + "\n" + "".join(mark.join(f'"{c}"' for c in row) + "\n" for row in quoted)
    elif kind == "parquet":
        out = io.BytesIO()
        pq.write_table(pa.table(ROWS), out)
        content = out.getvalue()
    elif kind == "jsonl":
        content = "".join(json.dumps(record) + "\n" for record in records)
    else:
        content = json.dumps(records, indent=1)
    data = content.encode("utf-8-sig" if kind == "csv" else "utf-8") if isinstance(content, str) else content
    compress = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}.get(path.suffix, bytes)
    path.write_bytes(compress(data))
    return path


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, kind: str, compression: str) -> None:
    path = _write(tmp_path, f"a.{kind}{compression}")
    assert read_table(path).to_pydict() == ROWS
    assert [row for batch in iter_batches(Reader(path)) for row in batch.to_pylist()] == read_table(path).to_pylist()
    assert [row for rows in Reader(path).chunks() for row in rows] == read_table(path).to_pylist()


def test_csv_agrees_with_datasets(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.csv")
    reference = datasets.Dataset.from_csv(str(path), keep_default_na=False, cache_dir=str(tmp_path))
    assert read_table(path).to_pydict() == reference[:]


def test_csv_cells_are_null_only_where_empty(write) -> None:
    table = read_table(write("a.csv", "text,label", "NA,1", '"",2', ",3", "null,"))
    assert table.to_pydict() == {"text": ["NA", None, None, "null"], "label": [1, 2, 3, None]}


def test_a_column_is_numeric_only_where_every_cell_is(write) -> None:
    lines = [f"{number},{number / 4},{number}" for number in range(5)]
    table = read_table(write("a.csv", "whole,real,mixed", *lines, "7,1.5,seven"))
    assert [str(kind) for kind in table.schema.types] == ["int64", "double", "string"]


@pytest.mark.parametrize("cells", [["007", "010"], ["+5", "6"], ["0x10", "1"], ["01.5", "2"], ["1" * 20, "2"]])
def test_cells_that_numbers_would_change_stay_text(write, cells: list[str]) -> None:
    assert read_table(write("a.csv", "code,text", *(f"{cell},a" for cell in cells)))["code"].to_pylist() == cells


def test_cells_as_they_are_written(write) -> None:
    table = read_table(write("a.csv", "id,price,text", "7,1.50,a"), as_written=True)
    assert table.to_pydict() == {"id": ["7"], "price": ["1.50"], "text": ["a"]}


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_of_a_csv_file_is_found(write, mark: str) -> None:
    path = write("a.csv", f"text{mark}label", f"one two{mark}x")
    assert read_table(path).to_pydict() == {"text": ["one two"], "label": ["x"]}


def test_quotes_of_a_tsv_file_that_does_not_quote(write) -> None:
    lines = ('"Hi" he said\tx', '"unclosed\ty', 'a "b" c\tz')
    table = read_table(write("a.tsv", "text\tlabel", *lines))
    assert table["text"].to_pylist() == [line.split("\t")[0] for line in lines]
    assert read_table(write("b.csv", "text,label", 'a "b" c,z'))["text"].to_pylist() == ['a "b" c']


def test_categories_in_parquet_are_plain_values(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b", "c"], "label": pa.array(["x", "y", None]).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet")
    plain = read_table(tmp_path / "a.parquet")
    assert plain.schema.field("label").type == pa.string()
    assert plain["label"].to_pylist() == ["x", "y", None]


def test_txt_is_one_text_a_line(write) -> None:
    assert read_table(write("a.txt", "one", "", "two")).to_pydict() == {"text": ["one", "", "two"]}


def test_fasttext_format(write) -> None:
    single = read_table(write("a.txt", "__label__spam Win a prize", "__label__ham See you"))
    assert single.to_pydict() == {"text": ["Win a prize", "See you"], "label": ["spam", "ham"]}
    several = read_table(write("b.txt", "__label__a __label__b one", "two"))
    assert several.to_pydict() == {"text": ["one", "two"], "label": [["a", "b"], []]}


def test_json_records_may_lack_keys_and_be_nested_under_one(write) -> None:
    assert read_table(write("a.jsonl", {"text": "x"}, {"text": "y", "label": 1}))["label"].to_pylist() == [None, 1]
    assert read_table(write("a.json", {"version": 2, "data": [{"text": "x"}]})).to_pydict() == {"text": ["x"]}


def test_text_that_is_no_unicode_is_read_as_the_replacement_character(write, tmp_path: Path) -> None:
    assert read_table(write("a.jsonl", r'{"text": "ok \ud83d", "more": ["\udc00"]}')).to_pydict() == {
        "text": ["ok \ufffd"],
        "more": [["\ufffd"]],
    }
    for name in ("b.csv", "b.tsv", "b.txt", "b.jsonl"):
        line = {"csv": b"text\n\xff a\n", "tsv": b"text\n\xff a\n", "txt": b"\xff a\n"}.get(
            name[2:], b'{"text": "\xff a"}\n'
        )
        (tmp_path / name).write_bytes(line)
        notes: list[str] = []
        assert read_table(tmp_path / name, notes=notes)["text"].to_pylist() == ["\ufffd a"]
        assert notes == [
            f"{tmp_path / name}: 1 line with bytes that are no UTF-8, read as U+FFFD; save the file as UTF-8"
        ]


def test_a_quote_that_is_not_closed_is_named(write) -> None:
    rows = [f"text {i},a" for i in range(40)]
    rows[9] = '"text 9,a'
    rows[30] = 'text 30",a'
    notes: list[str] = []
    assert len(read_table(write("a.csv", "text,label", *rows), notes=notes)) == 19
    assert len(notes) == 1
    assert "19 rows in 41 lines; the row at line 11 holds whole rows: a quote there may not be closed" in notes[0]
    rows[30] = "text 30,a"
    with pytest.raises(DataError, match="line 11: got a quote that is never closed: the 31 lines up to the end"):
        read_table(write("b.csv", "text,label", *rows))
    path = write("c.csv", "text,label", '"a poem\nof a few\nlines",a', '"b\n\nc",b')
    read_table(path, notes=notes)
    assert notes[1:] == [f"{path}: 2 rows in 7 lines; the longest, at line 2, has 3 lines"]


@pytest.mark.parametrize("attempt", range(5))
def test_a_ragged_line_is_named(write, attempt: int) -> None:
    lines = ["text,label", *["a,b"] * 3_000, "a,b,c", *["a,b"] * 3_000]
    with pytest.raises(DataError, match=r"a\.csv, line 3002: got 3 cells; expected 2, as in the first line"):
        read_table(write("a.csv", *lines))


def test_format_of() -> None:
    names = ["A.CSV", "a.b.jsonl.gz", "a.xlsx", "csv", "a.ndjson", "a.json.zst", "a.text"]
    assert [format_of(Path(name)) for name in names] == ["csv", "jsonl", None, None, "jsonl", "json", "txt"]


def test_labels_of_a_fasttext_file_are_lists_where_one_line_has_several(write) -> None:
    lines = [f"__label__a text {i}" for i in range(9_000)]
    assert read_table(write("a.txt", *lines, "__label__a __label__b two"))["label"].to_pylist()[-2:] == [
        ["a"],
        ["a", "b"],
    ]
    assert read_table(write("b.txt", "__label__a __label__b two", *lines))["label"].to_pylist()[:2] == [
        ["a", "b"],
        ["a"],
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na,x\n".encode("utf-16"), "not UTF-8 .*; save it as UTF-8"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "is empty"),
        ("a.csv", b"text,label\na,b,c\n", "line 2: got 3 cells; expected 2"),
        ("a.csv", b"text,text\na,b\n", "two columns 'text'"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2"),
        ("a.jsonl", b'["a"]\n', "line 1: got a JSON list"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}\n', "the column 'text' of .* 1 in row 2"),
        ("a.json", b'"a"', "no list of objects"),
        ("a.json", b"{", "is no JSON"),
        ("a.jsonl.zst", b"not zipped", "is damaged"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as parquet"),
        ("a.csv.gz", b"not zipped", "is damaged"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)
