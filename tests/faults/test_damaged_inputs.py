"""Data that is damaged, hostile or without an end: one line that names the file, and nothing read as something else."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fault_ledger import Ledger

import textcnn
from textcnn.cli import main
from textcnn.data import TextDataModule
from textcnn.data.encoding import CACHE_FROM, _open, cache_folder, encode_texts
from textcnn.data.io.readers import Reader
from textcnn.data.io.writers import open_writer
from textcnn.errors import DataError
from textcnn.tokenization import train_tokenizer

ROWS = [{"text": f"a text of number {i}, é {i * 7919 % 1000}", "n": i} for i in range(300)]


def content_of(ending: str) -> bytes:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
    if ending == "jsonl.gz":
        return gzip.compress(lines)
    if ending == "jsonl.zst":
        half = len(lines) // 2
        return b"".join(
            zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in (lines[:half], lines[half:])
        )
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), target, write_page_checksum=True)
    return target.getvalue()


@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl.zst", "parquet"])
@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_compressed_files(
    ending: str, kind: str, tmp_path: Path, count: Callable[[int, int], int], rng: np.random.Generator, ledger: Ledger
) -> None:
    content, path = content_of(ending), tmp_path / f"rows.{ending}"
    path.write_bytes(content)
    wanted = [row for rows in Reader(path).chunks() for row in rows]
    assert wanted == ROWS
    found: dict[str, int] = {}
    times = count(40, 2000)
    for _ in range(times):
        damaged = bytearray(content)
        if kind == "flipped":
            damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        else:
            damaged = damaged[: rng.integers(len(content))]
        path.write_bytes(damaged)
        result = outcome(path)
        # Two files that are whole: an empty one, and one that ends where the first of two zstandard frames does.
        if result == "other rows" and not damaged:
            result = "an empty file"
        if result == "other rows" and ending == "jsonl.zst" and kind == "truncated" and is_one_frame(bytes(damaged)):
            result = "the first of two frames"
        assert result not in ("other rows", "an error without the name"), damaged
        assert result != "a column of another name or type" or (ending, kind) == ("parquet", "flipped")
        found[result] = found.get(result, 0) + 1
    how = "with one bit flipped" if kind == "flipped" else "cut short"
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(found.items()))
    ledger.note(f"a .{ending} file {how}", times, told)


def outcome(path: Path) -> str:
    """Outcomes of reading a damaged file."""
    try:
        rows = [row for rows in Reader(path).chunks() for row in rows]
    except DataError as error:
        return "refused" if str(path) in str(error) else "an error without the name"
    if rows == ROWS:
        return "the same rows"
    # The footer of parquet has no checksum. A text is then its bytes, which every verb refuses, or a number a time.
    same = [(encoded(row), row_of(row)) for row in rows] == [(encoded(row), row_of(row)) for row in ROWS]
    return "a column of another name or type" if same else "other rows"


def encoded(row: dict[str, Any]) -> bytes:
    """The text of a row, whose column may have another name."""
    text = next(iter(row.values()))
    return text.encode() if isinstance(text, str) else bytes(text)


def row_of(row: dict[str, Any]) -> float:
    """The number of a row, which may have become a time."""
    number = list(row.values())[1]
    return number.total_seconds() if isinstance(number, timedelta) else number


def test_no_bit_of_the_footer_of_a_parquet_file_drops_rows(tmp_path: Path, count: Callable[[int, int], int]) -> None:
    """pyarrow reads 0 to 296 of 300 rows, without an error, where one of some 16 bits of the footer is flipped."""
    content, path = content_of("parquet"), tmp_path / "rows.parquet"
    begin = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    counts = [at for at in range(begin, len(content) - 8) if content[at : at + 2] == b"\xd8\x04"]  # 300, as Thrift does
    assert len(counts) >= 3
    places = range(begin - 60, len(content)) if count(0, 1) else [place for at in counts for place in (at, at + 1)]
    for place in places:
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            assert outcome(path) not in ("other rows", "an error without the name"), (place, bit)


def is_one_frame(content: bytes) -> bool:
    frame = zstandard.ZstdDecompressor().decompressobj()
    frame.decompress(content)
    return frame.eof and not frame.unused_data


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_json_that_is_nested_too_deep(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"deep.{ending}"
    path.write_text('{"text": "a"}\n' * (ending == "jsonl") + "[" * 100_000 + "]" * 100_000 + "\n")
    with pytest.raises(DataError, match=r"deep\.jsonl?.*nested too deep"):
        list(Reader(path).chunks())


@pytest.mark.parametrize("ending", ["txt", "jsonl", "csv", "tsv", "txt.gz", "json"])
def test_a_line_without_an_end(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"long.{ending}"
    with (gzip.open if ending.endswith("gz") else open)(path, "wt") as file:
        file.write('{"text": "a"}\n' * 2 if ending == "jsonl" else "text\nshort\n")
        file.write("x" * 5000)
    with pytest.raises(DataError, match=r"long\..*, line 3: got more than 4,999 characters; .*raise max_line"):
        list(Reader(path, max_line=4999).chunks())
    if ending == "txt":
        assert [len(row["text"]) for rows in Reader(path, max_line=5000).chunks() for row in rows] == [4, 5, 5000]


def test_max_line_of_score(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.txt").write_text("w3 w4\n" + "w5 " * 400 + "\n")
    command = ["score", str(artifact), str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.jsonl")]
    with pytest.raises(SystemExit):
        main([*command, "--max_line", "1000"])
    assert "line 2: got more than 1,000 characters" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
    main([*command, "--max_line", "1200"])
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "csv.gz"])
def test_a_header_without_rows_gives_one(ending: str, artifact: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,text\n")
    target = tmp_path / f"out.{ending}"
    textcnn.score(artifact, source, target)
    wanted = ["id", "text", "predicted_label", "probability", "probability_a", "probability_b", "probability_c"]
    if ending == "parquet":
        assert pq.read_table(target).column_names == wanted
        assert pq.read_table(target).num_rows == 0
    else:
        text = gzip.decompress(target.read_bytes()).decode() if ending.endswith("gz") else target.read_text()
        assert text == ("\t" if ending == "tsv" else ",").join(wanted) + "\n"


def test_what_is_written_is_json(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        '{"text": "w3", "x": NaN}\n{"text": "w4", "x": [1.5, -Infinity]}\n{"text": "w5", "x": 2}\n'
    )
    report = textcnn.score(artifact, tmp_path / "in.jsonl", tmp_path / "out.jsonl")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=refuse)["x"] for line in lines] == [None, [1.5, None], 2]
    assert "NaN or infinity in 2 rows, which JSON does not have, written as null" in report.notes


def test_a_link_stays_a_link(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("w3\n")
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.jsonl"
    link.symlink_to(tmp_path / "real" / "target.jsonl")
    textcnn.score(artifact, tmp_path / "in.txt", link, force=True)
    assert link.is_symlink()
    assert json.loads((tmp_path / "real" / "target.jsonl").read_text())["text"] == "w3"
    with open_writer(str(link), "jsonl") as writer:
        writer.write([{"text": "again"}])
    assert link.is_symlink()
    assert "again" in link.read_text()


def test_a_damaged_token_cache_is_made_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: Callable[[int, int], int],
    rng: np.random.Generator,
    ledger: Ledger,
) -> None:
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", str(tmp_path))
    texts = pa.chunked_array([pa.array([f"a text of number {i}" for i in range(CACHE_FROM)])])
    tokenizer = train_tokenizer(["a text of number 1 2 3"] * 3, vocab_size=60)
    encode_texts(texts, tokenizer)
    (folder,) = cache_folder().iterdir()
    files = sorted(folder.iterdir())
    assert len(files) == 4
    times = count(5, 200)
    for path in files:
        content = path.read_bytes()
        for _ in range(times):
            damaged = bytearray(content)
            damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            assert _open(folder, CACHE_FROM) is None, path
        if path.name == "ids.bin":
            again = encode_texts(texts, tokenizer)
            assert again.ids.max() < 60
            assert path.read_bytes() == content
        path.write_bytes(content)
    ledger.note("a cache of tokens with one bit flipped", times * len(files), f"{times * len(files):,} made again")


def test_a_label_that_is_half_a_surrogate_pair(tmp_path: Path) -> None:
    rows = [
        {"text": f"word {i} {'good' if i % 2 else 'bad'}", "label": "yes" if i % 2 else "n\ud83do"} for i in range(40)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for data in (str(path), rows, ([row["text"] for row in rows], [row["label"] for row in rows])):
        assert TextDataModule(data, vectors=None).labels == ["n\ufffdo", "yes"]


def test_a_very_long_text_comes_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": f"word {'good' if i % 2 else 'bad'} {i}", "label": "yes" if i % 2 else "no"} for i in range(60)]
    rows[7]["text"] = "long " * 8_000_000
    TextDataModule(rows, tokenizer="word", batch_size=64).train_dataloader()
    said = capsys.readouterr().err
    assert "the longest train text, row 8, has 8,000,000 tokens" in said
    assert "about 1 GB of memory; set max_length" in said
    assert said.count("\n") == 1
    TextDataModule(rows, tokenizer="word", max_length=500).train_dataloader()
    assert capsys.readouterr().err == ""


def test_a_very_long_text_is_trained_on_in_the_memory_of_its_tokens(tmp_path: Path) -> None:
    """A batch is not padded to it: that took 16 bytes for each of its tokens and each text of the batch."""
    rows = [{"text": f"word {'good' if i % 2 else 'bad'} {i}", "label": "yes" if i % 2 else "no"} for i in range(200)]
    rows[7]["text"] = "long bad " * 1_000_000
    data = TextDataModule(rows, tokenizer="word", batch_size=64)
    batches = list(data.train_dataloader())
    sizes = [batch["input_ids"].flatten().numel() for batch in batches]
    assert max(sizes) < 3_000_000
    assert sum(len(batch["input_ids"]) for batch in batches) == len(data.train_dataloader().dataset)
    options = {"kernel_sizes": [2, 3], "num_filters": 4, "embedding_dim": 8, "vectors": None, "tokenizer": "word"}
    model = textcnn.train(
        rows,
        tmp_path / "run",
        **options,
        batch_size=64,
        max_epochs=2,
        progress=False,
        summary=False,
        learning_rate=0.05,
    )
    assert model.predict(["good", "bad", rows[7]["text"]]).tolist() == ["yes", "no", "yes"]


NAUGHTY = [
    "", " ", "\0", "\0" * 100, "\ufeff", "\u202e", "a\u0300" * 500, "\U0001f469\u200d\U0001f4bb", "\ufdfa" * 300,
    "\x1b[31m", "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "'; DROP TABLE", "<script>", "%s%n", "NaN", "null",
    "__label__x", "\r\n\t",
]  # fmt: skip


def test_naughty_strings(
    artifact: Path, tmp_path: Path, count: Callable[[int, int], int], rng: np.random.Generator, ledger: Ledger
) -> None:
    """The same answers from a list, one by one, from files, and from torch."""
    from textcnn.artifact import read_artifact
    from textcnn.loading import TorchClassifier

    points = np.concatenate([np.arange(0xD800), np.arange(0xE000, 0x110000)])
    texts = [*NAUGHTY, *("".join(map(chr, rng.choice(points, rng.integers(1, 60)))) for _ in range(count(200, 20_000)))]
    classifier = textcnn.load(artifact)
    wanted = classifier.predict_proba(texts)
    assert np.isfinite(wanted).all()
    one_by_one = np.concatenate([classifier.predict_proba([text]) for text in texts])
    np.testing.assert_array_equal(one_by_one, wanted)
    np.testing.assert_allclose(TorchClassifier(*read_artifact(artifact)).predict_proba(texts), wanted, atol=1e-5)
    with open_writer(str(tmp_path / "in.jsonl"), "jsonl") as writer:
        writer.write([{"text": text} for text in texts])
    textcnn.score(artifact, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert [row["text"] for row in rows] == texts
    found = np.array([[row[f"probability_{label}"] for label in "abc"] for row in rows])
    np.testing.assert_allclose(found, wanted, atol=1e-7)
    ledger.note("naughty and random strings: a list, one by one, torch, a file", 4 * len(texts), "the same answers")


def test_a_full_device(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "in.txt").write_text("w3\n" * 100_000)
    with pytest.raises(SystemExit):
        main(["score", str(artifact), str(tmp_path / "in.txt"), "--output", "/dev/full", "--output_format", "jsonl"])
    assert "No space left on device" in capsys.readouterr().err
