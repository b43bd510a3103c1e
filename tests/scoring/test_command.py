"""`textcnn score` against `predict_proba` on the same texts: every format, every compression, nothing lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from folded_models import write_artifact

import textcnn
from textcnn.artifact import write_calibration
from textcnn.cli import main
from textcnn.data.io import readers
from textcnn.data.io.readers import Reader

TEXTS = ["w3 w4 w5", "", 'w6, "w7"', "w8\tw9", "w10\nw11", "é w12 日本", "w13"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scoring") / "model"
    write_artifact(directory)
    textcnn.load(directory)
    return directory


def rows_of(path: Path) -> list[dict[str, Any]]:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        return pq.read_table(path).to_pylist()
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    content = (
        zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read() if path.suffix == ".zst" else content
    )
    text = content.decode()
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.split("\n") if line]
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ","))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    out = io.StringIO()
    if name.endswith(".jsonl"):
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    elif name.endswith(".json"):
        json.dump(rows, out, ensure_ascii=False)
    elif name.endswith(".txt"):
        out.writelines(row["text"].replace("\n", " ") + "\n" for row in rows)
    else:
        writer = csv.DictWriter(out, list(rows[0]), delimiter="\t" if name.endswith(".tsv") else ",")
        writer.writeheader()
        writer.writerows(rows)
    content = out.getvalue().encode()
    content = gzip.compress(content) if path.suffix == ".gz" else content
    path.write_bytes(zstandard.ZstdCompressor().compress(content) if path.suffix == ".zst" else content)
    return path


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["score", *arguments])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.zst", "tsv.gz"])
@pytest.mark.parametrize(
    "start", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.zst", "json", "json.zst", "txt", "txt.zst"]
)
def test_every_format_in_and_out(artifact: Path, tmp_path: Path, start: str, ending: str) -> None:
    rows = [{"number": i, "text": text} for i, text in enumerate(TEXTS)]
    source = write(tmp_path / f"in.{start}", rows)
    target = tmp_path / f"out.{ending}"
    main(["score", str(artifact), str(source), "--output", str(target)])
    got = rows_of(target)
    texts = [text.replace("\n", " ") for text in TEXTS] if start.startswith("txt") else TEXTS
    classifier = textcnn.load(artifact)
    # An empty cell is no text.
    empty = None if start.startswith(("csv", "tsv")) and not ending.startswith(("csv", "tsv")) else ""
    assert [row["text"] for row in got] == [text or empty for text in texts]
    if not start.startswith("txt"):
        assert [int(row["number"]) for row in got] == list(range(len(TEXTS)))
    if start.startswith(("csv", "tsv")):
        assert not got[1]["predicted_label"]
        got, texts = [row for row in got if row["text"]], [text for text in texts if text]
    assert [row["predicted_label"] for row in got] == classifier.predict(texts).tolist()
    probabilities = np.array([[float(row[f"probability_{label}"]) for label in classifier.labels] for row in got])
    np.testing.assert_allclose(probabilities, classifier.predict_proba(texts), atol=1e-6)
    np.testing.assert_allclose([float(row["probability"]) for row in got], probabilities.max(axis=1))


def test_order_and_count_over_many_chunks_and_files(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "CHUNK", 7)
    texts = [f"w{i % 40 + 2} w{i % 11 + 2}" for i in range(100)]
    first = write(tmp_path / "a.csv", [{"text": text} for text in texts[:61]])
    second = write(tmp_path / "b.jsonl", [{"text": text} for text in texts[61:]])
    main(["score", str(artifact), str(first), str(second), "--output", str(tmp_path / "o.csv"), "--threads", "2"])
    got = rows_of(tmp_path / "o.csv")
    assert [row["text"] for row in got] == texts
    assert [row["predicted_label"] for row in got] == textcnn.load(artifact).predict(texts).tolist()


def test_standard_input_to_standard_output(artifact: Path) -> None:
    command = [sys.executable, "-m", "textcnn", "score", str(artifact), "-", "--label_only"]
    done = subprocess.run(command, input=b"w3 w4\nw5\n", capture_output=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(row) for row in rows] == [["text", "predicted_label", "probability"]] * 2
    assert [row["predicted_label"] for row in rows] == textcnn.load(artifact).predict(["w3 w4", "w5"]).tolist()


def test_a_reader_that_has_enough_ends_it_quietly(artifact: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", [{"text": "w3 w4"}] * 20_000)
    command = [sys.executable, "-m", "textcnn", "score", str(artifact), str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141  # as a shell counts SIGPIPE


def test_a_row_without_a_text_is_kept_and_counted(artifact: Path, tmp_path: Path, capsys: Any) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "w3"}, {"text": None}, {"other": 1}, {"text": "w4"}])
    main(["score", str(artifact), str(source), "--output", str(tmp_path / "out.jsonl")])
    got = rows_of(tmp_path / "out.jsonl")
    assert [row["predicted_label"] is None for row in got] == [False, True, True, False]
    assert got[2]["other"] == 1
    assert "2 rows without a text, kept without a label" in capsys.readouterr().err
    wanted = textcnn.load(artifact).predict(["w3", "w4"]).tolist()
    assert [got[0]["predicted_label"], got[3]["predicted_label"]] == wanted


@pytest.mark.parametrize("mark", [",", "\t"])
def test_an_empty_cell_is_no_text_with_or_without_quotes(
    artifact: Path, tmp_path: Path, capsys: Any, mark: str
) -> None:
    source = tmp_path / ("in.csv" if mark == "," else "in.tsv")
    source.write_text("".join(f"{text}{mark}{i}\n" for i, text in enumerate(["text", "w3", "", '""', " "])))
    main(["score", str(artifact), str(source), "--output", str(tmp_path / "out.jsonl")])
    got = rows_of(tmp_path / "out.jsonl")
    assert [row["predicted_label"] is None for row in got] == [False, True, True, False]
    assert [row["probability"] is None for row in got] == [False, True, True, False]
    assert "2 rows without a text" in capsys.readouterr().err


def test_rows_that_the_model_abstains_from_are_counted_apart(artifact: Path, tmp_path: Path, capsys: Any) -> None:
    cautious = tmp_path / "model"
    shutil.copytree(artifact, cautious)
    write_calibration(cautious, abstention={"score": "probability", "threshold": 1.1})
    source = write(tmp_path / "in.jsonl", [{"text": "w3"}, {"text": None}, {"text": "w4"}])
    main(["score", str(cautious), str(source), "--output", str(tmp_path / "out.jsonl")])
    said = capsys.readouterr().err
    assert "1 row without a text, kept without a label" in said
    assert "the model abstains from 2 rows, kept without a label" in said
    assert [row["probability"] is None for row in rows_of(tmp_path / "out.jsonl")] == [False, True, False]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_columns_that_answers_replace_are_named(artifact: Path, tmp_path: Path, capsys: Any, ending: str) -> None:
    rows = [{"text": "w3", "probability": "mine", "predicted_label": "no"}]
    source = write(tmp_path / f"in.{ending}", rows)
    main(["score", str(artifact), str(source), "--output", str(tmp_path / f"out.{ending}"), "--label_only"])
    said = [line for line in capsys.readouterr().err.splitlines() if "replace" in line]
    assert len(said) == 1
    assert "probability, predicted_label" in said[0]
    assert rows_of(tmp_path / f"out.{ending}")[0]["predicted_label"] == textcnn.load(artifact).predict(["w3"])[0]


def test_parquet_whose_first_rows_have_no_text(artifact: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(readers, "CHUNK", 2)
    source = write(tmp_path / "in.jsonl", [{"text": "w3" if i > 2 else None} for i in range(4)])
    main(["score", str(artifact), str(source), "--output", str(tmp_path / "out.parquet")])
    assert [row["predicted_label"] is None for row in rows_of(tmp_path / "out.parquet")] == [True, True, True, False]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("standard_input", [False, True])
def test_the_delimiter_of_a_csv_file_is_found_and_kept(
    artifact: Path, tmp_path: Path, monkeypatch: Any, mark: str, standard_input: bool
) -> None:
    content = f"phone{mark}text\n0044{mark}w3, w4\n"
    (tmp_path / "in.csv").write_text(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content.encode()))))
    source = ["-", "--input_format", "csv"] if standard_input else [str(tmp_path / "in.csv")]
    main(["score", str(artifact), *source, "--output", str(tmp_path / "out.csv")])
    lines = (tmp_path / "out.csv").read_text().splitlines()
    got = list(csv.DictReader(lines, delimiter=mark))
    assert [(row["phone"], row["text"]) for row in got] == [("0044", "w3, w4")]
    assert lines[0].startswith(f"phone{mark}text{mark}predicted_label{mark}")


def test_bytes_that_are_no_utf8_come_out_as_they_came_in(artifact: Path, tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"text,id\nw3 \xff\xe9,1\nw4,2\n")
    main(["score", str(artifact), str(source), "--output", str(tmp_path / "out.csv")])
    lines = (tmp_path / "out.csv").read_bytes().splitlines()
    assert lines[1].startswith(b"w3 \xff\xe9,1,")
    assert len(lines) == 3
    assert "1 line with" in (said := capsys.readouterr().err)
    assert "no UTF-8" in said


def test_half_a_surrogate_pair_in_json_is_kept_as_an_escape(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "w3 \\ud83d"}\n')
    main(["score", str(artifact), str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")])
    assert rows_of(tmp_path / "out.jsonl")[0]["text"] == "w3 \ud83d"


def test_quotes_of_a_tsv_file_that_does_not_quote_swallow_no_rows(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text('text\tid\n"w3 w4\t1\nw5 "w6"\t2\nw7\t3\n')
    main(["score", str(artifact), str(tmp_path / "in.tsv"), "--output", str(tmp_path / "out.jsonl")])
    assert [row["text"] for row in rows_of(tmp_path / "out.jsonl")] == ['"w3 w4', 'w5 "w6"', "w7"]


def test_parquet_keeps_the_types_of_its_columns(artifact: Path, tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(TEXTS, pa.large_string()),
            "day": pa.array([None] * (len(TEXTS) - 1) + [3], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    main(["score", str(artifact), str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out.parquet")])
    assert pq.read_table(tmp_path / "out.parquet").select(["text", "day"]).equals(table)


def test_no_half_file_is_left_by_bad_input(artifact: Path, tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "w3"}\n' * 20_000 + "{broken\n")
    target = tmp_path / "out.jsonl"
    target.write_text("what was there before")
    line = [str(artifact), str(source), "--output", str(target)]
    assert "out.jsonl is there already" in mistake(capsys, *line)
    assert "a file that is read" in mistake(capsys, str(artifact), str(source), "--output", str(source), "--force")
    assert "line 20001" in mistake(capsys, *line, "--force")
    assert target.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_pipe_is_written_to_and_not_replaced(artifact: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    source = write(tmp_path / "in.csv", [{"text": text} for text in TEXTS])
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    main(["score", str(artifact), str(source), "--output", str(pipe)])
    reader.join()
    assert pipe.is_fifo()
    assert len(received[0].splitlines()) == len(TEXTS)


def test_an_empty_file_gives_an_empty_file(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("")
    for ending in ("csv", "jsonl", "parquet"):
        main(["score", str(artifact), str(tmp_path / "in.txt"), "--output", str(tmp_path / f"out.{ending}")])
        assert rows_of(tmp_path / f"out.{ending}") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "no file nowhere.csv"),
        (["in.csv", "--text_column", "txt"], "did you mean 'text'"),
        (["in.csv", "--output", "out.xls"], "out.xls"),
        (["in.csv", "--output_format", "parquet"], "give --output"),
        (["odd.dat"], "--input_format"),
        (["records.json", "--output", "out.csv"], "no list of objects"),
        (["wide.csv", "--output", "out.csv"], "not UTF-8"),
        (["wide.txt.zst", "--output", "out.csv"], "save it as UTF-8"),
        (["in.csv", "--outptu", "out.csv"], "did you mean '--output'"),
        (["in.csv", "--threads", "two"], "--threads"),
        (["ragged.csv", "--output", "out.csv"], "line 3"),
        (["numbers.jsonl", "--output", "out.csv"], "row 2"),
        (["two.csv", "--output", "out.csv"], "text_column"),
        (["cut.csv.gz", "--output", "out.csv"], "damaged"),
        (["in.csv", "--threads", "0"], "threads"),
    ],
)
def test_mistakes_are_one_line(
    artifact: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("text,id\nw3,1\n")
    Path("odd.dat").write_text("w3\n")
    Path("records.json").write_text('"w3"')
    Path("wide.csv").write_text("text,id\nw3,1\n", encoding="utf-16")
    Path("wide.txt.zst").write_bytes(zstandard.ZstdCompressor().compress("w3\n".encode("utf-16")))
    Path("ragged.csv").write_text("text,id\nw3,1\nw4,2,3\n")
    Path("numbers.jsonl").write_text('{"text": "w3"}\n{"text": 3}\n')
    Path("two.csv").write_text("a,b\nw3,w4\n")
    Path("cut.csv.gz").write_bytes(gzip.compress(os.urandom(5000).hex().encode())[:2000])
    assert said in mistake(capsys, str(artifact), *arguments)
    assert not Path("out.csv").exists()


def test_reading_takes_chunks_and_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("w3\n" * (3 * readers.CHUNK))
    reader = Reader(str(path))
    chunks = reader.chunks()
    assert len(next(chunks)) == readers.CHUNK
    assert 0 < reader.bytes_read < reader.size
    assert [len(chunk) for chunk in chunks] == [readers.CHUNK] * 2


def test_a_server_without_torch_scores(artifact: Path, tmp_path: Path) -> None:
    """In the environment that requirements-server.txt makes, which `make test` names."""
    python = os.environ.get("TEXTCNN_SERVER_PYTHON")
    if not python:
        pytest.skip("TEXTCNN_SERVER_PYTHON names no environment; `make test` makes one")
    listing = "from importlib.metadata import distributions; print(*(d.name for d in distributions()))"
    installed = subprocess.run([python, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    assert set(installed) == {"numpy", "tqdm", "textcnn"}
    source = write(tmp_path / "in.csv", [{"text": text} for text in TEXTS])
    command = [python, "-m", "textcnn", "score", str(artifact), str(source), "--output", str(tmp_path / "out.csv")]
    subprocess.run(command, check=True)
    answers = textcnn.load(artifact).predict(TEXTS).tolist()
    wanted = [answer if text else "" for text, answer in zip(TEXTS, answers, strict=True)]  # an empty cell is no text
    assert [row["predicted_label"] for row in rows_of(tmp_path / "out.csv")] == wanted
    program = (
        "import sys, textcnn; c = textcnn.load(sys.argv[1]); print(c.predict(['w3'])[0], c.predict_proba(['w3']).shape)"
    )
    said = subprocess.run([python, "-c", program, str(artifact)], capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == textcnn.load(artifact).predict(["w3"])[0]
    missing = tmp_path / "unfolded"
    missing.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (missing / name).write_bytes((artifact / name).read_bytes())
    refused = subprocess.run(
        [python, "-m", "textcnn", "score", str(missing), str(source)], capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "textcnn fold" in refused.stderr


def test_scoring_leaves_the_training_stack_out(artifact: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", [{"text": text} for text in TEXTS])
    program = (
        "import sys; from textcnn.cli import main; main(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'lightning', 'datasets', 'sklearn', 'pyarrow'};"
        "print(heavy & sys.modules.keys())"
    )
    command = [sys.executable, "-c", program, "score", str(artifact), str(source), "--output", str(tmp_path / "o.csv")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"
