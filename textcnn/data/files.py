"""Reads csv, tsv, json, jsonl, parquet and txt files (plain or .gz) as arrow tables.

Every cell of a csv file is read as it stands in the file: a column is numeric only where each of
its cells is a number that nobody would miss a digit of ("007" is a name), and a cell is null only
where it is empty ("NA", "null" and "None" are texts like any other).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from .errors import DataError, one_line
from .names import delimiter_of, has_literal_quotes

EXTENSIONS = ("csv", "tsv", "json", "jsonl", "parquet", "txt")
FASTTEXT = "__label__"  # the prefix of labels in fastText's files
BATCH_ROWS = 10_000
BLOCK_BYTES = 1 << 24  # of a csv file; no row may be longer
# What a real number would change: leading zeros, a plus sign, more digits than it holds.
_NO_REAL_NUMBER = r"^-?0[0-9]|^\+|^-?[0-9]{16,}$"


def extension(path: Path) -> str | None:
    """'csv' for reviews.csv and reviews.csv.gz; None for a file that cannot be read."""
    name = path.name.lower().removesuffix(".gz")
    ending = name.rpartition(".")[2] if "." in name else ""
    ending = {"ndjson": "jsonl", "tab": "tsv", "pq": "parquet"}.get(ending, ending)
    return ending if ending in EXTENSIONS else None


def read_file(path: Path, as_written: bool = False) -> pa.Table:
    """All rows of a file. Raises DataError, in one line, where it cannot be read.

    as_written: keep the cells of a csv file as strings, to be written again.
    """
    kind = extension(path)
    tables = [pa.Table.from_batches([batch]) for batch in iter_file(path)]
    if not tables:
        raise DataError(f"{path} is empty; expected a {kind} file with at least one row")
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"{path} has a column of more than one type ({one_line(error)}); expected one type a "
            "column; correct the file"
        ) from None
    if kind in ("csv", "tsv") and not as_written:
        table = with_numbers(table)
    if kind == "txt":
        table = _single_labels(table)
    return table


def iter_file(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file in batches, in constant memory; the cells of a csv file stay strings."""
    reader = {"csv": _csv, "tsv": _csv, "parquet": _parquet, "txt": _txt}.get(extension(path) or "", _json)
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({one_line(error)}); save it as UTF-8") from None
    except (pa.ArrowException, EOFError, gzip.BadGzipFile) as error:
        if "invalid UTF8" in str(error):
            raise DataError(f"{path} is not UTF-8 ({one_line(error)}); save it as UTF-8") from None
        raise DataError(f"{path} cannot be read as {extension(path)}: {one_line(error)}; correct the file") from None


def _open(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def _lines(path: Path) -> Iterator[str]:
    with _open(path) as file:
        for number, line in enumerate(file):
            yield line.decode("utf-8-sig" if number == 0 else "utf-8").rstrip("\r\n")


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    header = next(_lines(path), "")
    if not header:
        return
    tabs = extension(path) == "tsv"
    literal = tabs and has_literal_quotes(_lines(path))
    parse = pa_csv.ParseOptions(
        delimiter=delimiter_of(header, tabs), quote_char=False if literal else '"', newlines_in_values=not literal
    )
    with _open(path) as file:
        names = pa_csv.open_csv(pa.BufferReader((header + "\n").encode()), parse_options=parse).schema.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{path} has two columns {twice!r}; expected distinct names; rename one")
        reader = pa_csv.open_csv(
            pa.input_stream(file),
            read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=parse,
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,  # writers differ in whether they quote nothing
            ),
        )
        yield from reader


def with_numbers(table: pa.Table) -> pa.Table:
    """A table whose columns of strings are numbers where they can be."""
    for index, name in enumerate(table.column_names):
        if pa.types.is_string(table.column(index).type):
            table = table.set_column(index, name, infer_numbers(table.column(index)))
    return table


def infer_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Strings as integers or real numbers, where each of them is one and none is a name such as "007"."""
    if column.null_count == len(column):
        return column
    whole = _cast(column, pa.int64())
    if whole is not None and whole.cast(column.type).equals(column):
        return whole
    real = _cast(column, pa.float64())
    if real is None or pc.any(pc.match_substring_regex(column, _NO_REAL_NUMBER)).as_py():
        return column
    return real


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return None


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    with _open(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS):
            for index, field in enumerate(batch.schema):
                if pa.types.is_dictionary(field.type):  # categories of pandas
                    plain = batch.column(index).cast(field.type.value_type)
                    batch = batch.set_column(index, field.name, plain)
            yield batch


def _txt(path: Path) -> Iterator[pa.RecordBatch]:
    """One text a line; in fastText's format (`__label__spam Win a prize`) also its labels."""
    lines = _lines(path)
    labelled: bool | None = None
    while chunk := list(islice(lines, BATCH_ROWS)):
        if labelled is None:
            labelled = chunk[0].startswith(FASTTEXT)
        if not labelled:
            yield pa.RecordBatch.from_pydict({"text": pa.array(chunk, pa.string())})
            continue
        texts, labels = [], []
        for line in chunk:
            words = line.split(" ")
            count = next((i for i, w in enumerate(words) if not w.startswith(FASTTEXT)), len(words))
            labels.append([word.removeprefix(FASTTEXT) for word in words[:count]])
            texts.append(" ".join(words[count:]))
        yield pa.RecordBatch.from_pydict(
            {"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.list_(pa.string()))}
        )


def _single_labels(table: pa.Table) -> pa.Table:
    """Plain labels instead of lists, where each line of a fastText file has exactly one."""
    if "label" in table.column_names:
        lists = table.column("label").to_pylist()
        if all(len(labels) == 1 for labels in lists):
            single = pa.array([labels[0] for labels in lists], pa.string())
            return table.set_column(1, "label", single)
    return table


def _json(path: Path) -> Iterator[pa.RecordBatch]:
    """One object a line, or one array of objects (at the top, or under a key of its own)."""
    records = _json_lines(path) if _is_json_lines(path) else _json_document(path)
    while chunk := list(islice(records, BATCH_ROWS)):
        names = list(dict.fromkeys(name for record in chunk for name in record))
        columns = {}
        for name in names:
            values = [record.get(name) for record in chunk]
            try:
                columns[name] = _array(values)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                raise DataError(
                    f"the column {name!r} of {path} has values of more than one type; expected "
                    "one type a column; correct the file"
                ) from None
        yield pa.RecordBatch.from_pydict(columns)


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except UnicodeEncodeError:  # half an escape such as "\\ud83d", which has no UTF-8
        from ..tokenization import replace_surrogates

        return pa.array([replace_surrogates(v) if isinstance(v, str) else v for v in values])


def _is_json_lines(path: Path) -> bool:
    if extension(path) == "jsonl":
        return True
    lines = list(islice((line for line in _lines(path) if line.strip()), 2))
    try:
        records = [json.loads(line) for line in lines]
    except json.JSONDecodeError:
        return False
    # a document of one line is one record, unless it holds a list of records
    return len(records) == 2 or (isinstance(records[0], dict) and not _record_lists(records[0]))


def _record_lists(document: dict[str, Any]) -> list[list[Any]]:
    """The values of an object that are lists of objects."""
    return [v for v in document.values() if isinstance(v, list) and v and isinstance(v[0], dict)]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield _record(line, f"line {number} of {path}")


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is no JSON: {error}; expected one object a line") from None
    if not isinstance(record, dict):
        raise DataError(
            f'{where} is a JSON {type(record).__name__}; expected an object such as {{"text": "...", "label": "..."}}'
        )
    return record


def _json_document(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        try:
            document = json.loads(file.read().decode("utf-8-sig"))
        except json.JSONDecodeError as error:
            raise DataError(f"{path} is no JSON: {error}; correct the file") from None
    if isinstance(document, dict):
        lists = _record_lists(document)
        document = lists[0] if len(lists) == 1 else None
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise DataError(f"{path} holds no list of objects; expected [{{...}}, ...] or one object a line (.jsonl)")
    yield from document
