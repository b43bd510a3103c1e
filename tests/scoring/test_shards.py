"""Folders of shards: one output for each input, processes that die, jobs that are killed; and the estimate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard
from conftest import TEXTS

import textcnn
from textcnn.cli import main
from textcnn.data.io.locations import expand
from textcnn.scoring import local
from textcnn.scoring.shards import RECORD


def write_shards(folder: Path, count: int = 4, rows: int = 30, ending: str = "jsonl") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for shard in range(count):
        lines = [json.dumps({"id": shard * rows + i, "text": TEXTS[(shard + i) % len(TEXTS)]}) for i in range(rows)]
        content = ("\n".join(lines) + "\n").encode()
        content = zstandard.ZstdCompressor().compress(content) if ending.endswith(".zst") else content
        paths.append(folder / f"part-{shard:02}.{ending}")
        paths[-1].write_bytes(content)
    return paths


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for path in sorted(folder.rglob("*.jsonl*")):
        content = path.read_bytes()
        if path.suffix == ".zst":
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        rows += [json.loads(line) for line in content.splitlines()]
    return rows


def check(artifact: Path, folder: Path, count: int) -> None:
    """Each row once, each with the label of the classifier, and nothing unfinished beside the shards."""
    rows = rows_of(folder)
    assert [row["id"] for row in rows] == list(range(count))
    labels = textcnn.load(artifact).predict([row["text"] for row in rows]).tolist()
    assert [row["predicted_label"] for row in rows] == labels
    assert not list(folder.rglob(".*unfinished*"))


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.zst"])
def test_a_shard_for_each_file(artifact: Path, tmp_path: Path, ending: str, capsys: Any) -> None:
    paths = write_shards(tmp_path / "crawl", ending=ending)
    output = tmp_path / "scored"
    main(
        ["score", str(artifact), str(tmp_path / "crawl" / f"*.{ending}"), "--output", f"{output}/", "--processes", "2"]
    )
    check(artifact, output, 120)
    assert sorted(path.name for path in output.iterdir()) == [RECORD, *(path.name for path in paths)]
    assert capsys.readouterr().err.startswith("120 rows in ")
    # Each shard has the bytes that one process writes into one file.
    one = tmp_path / f"one.{ending}"
    main(["score", str(artifact), str(paths[1]), "--output", str(one)])
    assert one.read_bytes() == (output / paths[1].name).read_bytes()


def test_a_folder_in_and_formats_out(artifact: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "crawl" / "2024", 2)
    write_shards(tmp_path / "crawl" / "2025", 2)
    (tmp_path / "crawl" / "_temporary").mkdir()
    (tmp_path / "crawl" / "_temporary" / "half.jsonl").write_text("{")
    report = textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", output_format="csv", processes=2)
    assert report.rows == 120
    names = sorted(str(path.relative_to(tmp_path / "scored")) for path in (tmp_path / "scored").rglob("*.csv"))
    assert names == [f"{year}/part-0{i}.csv" for year in (2024, 2025) for i in range(2)]
    # A folder is also read as one file after the other.
    assert textcnn.score(artifact, tmp_path / "crawl", tmp_path / "all.jsonl").rows == 120


def test_a_job_goes_on_with_the_shards_that_are_missing(artifact: Path, tmp_path: Path, capsys: Any) -> None:
    paths = write_shards(tmp_path / "crawl")
    output = tmp_path / "scored"
    line = [str(artifact), str(tmp_path / "crawl"), "--output", f"{output}/"]
    main(["score", *line])
    (output / paths[2].name).unlink()
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("*.jsonl")}
    capsys.readouterr()
    main(["score", *line])
    assert "3 of 4 shards were there already" in capsys.readouterr().err
    check(artifact, output, 120)
    after = {path.name: path.stat().st_mtime_ns for path in output.glob("*.jsonl")}
    assert {name: after[name] for name in before} == before
    with pytest.raises(SystemExit):
        main(["score", *line, "--label_only"])
    assert "holds shards that another label_only made" in capsys.readouterr().err
    main(["score", *line, "--label_only", "--force"])
    assert set(rows_of(output)[0]) == {"id", "text", "predicted_label", "probability"}


def test_files_of_others_are_not_taken_for_shards(artifact: Path, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "crawl")
    (tmp_path / "scored").mkdir()
    (tmp_path / "scored" / paths[0].name).write_text("mine")
    with pytest.raises(ValueError, match="holds files that this command did not write"):
        textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/")
    with pytest.raises(ValueError, match="a file that is read"):
        textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/crawl/")
    assert (tmp_path / "scored" / paths[0].name).read_text() == "mine"


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path / "crawl", 4, 30_000)
    killed: list[int] = []
    take = local._take

    def kill_once(worker: Any, said: dict[str, Any], *others: Any) -> None:
        # In the middle of a shard: the worker has told how far it is.
        if not killed and "result" not in said:
            killed.append(worker.process.pid)
            os.kill(worker.process.pid, signal.SIGKILL)
        take(worker, said, *others)

    monkeypatch.setattr(local, "_take", kill_once)
    report = textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", processes=2)
    assert len(killed) == 1
    assert report.rows == 120_000
    check(artifact, tmp_path / "scored", 120_000)


def test_a_file_that_ends_every_process_ends_the_job(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path / "crawl", 2)
    monkeypatch.setattr(local, "_PROGRAM", "import sys, os; sys.stdin.readline(); os._exit(7) # {path}")
    with pytest.raises(ValueError, match=r"part-0\d.jsonl: the process that labelled it ended 3 times \(exit code 7\)"):
        textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", processes=2)


def test_a_job_that_is_killed_goes_on(artifact: Path, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "crawl", 6, 20_000)
    output = tmp_path / "scored"
    command = [sys.executable, "-m", "textcnn", "score", str(artifact), str(tmp_path / "crawl"), "--output"]
    command += [f"{output}/", "--processes", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as job:
        while not list(output.glob("part-*.jsonl")) and job.poll() is None:
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
    # The process that labels ends when nobody listens to it any more.
    deadline = time.monotonic() + 60
    while list(output.glob(".*unfinished*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    done = sorted(path.name for path in output.glob("part-*.jsonl"))
    assert 0 < len(done) < len(paths)
    subprocess.run(command, check=True, capture_output=True)
    check(artifact, output, 120_000)


def test_a_broken_file_does_not_stop_the_others(artifact: Path, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "crawl", 3)
    good = paths[1].read_text()
    paths[1].write_text("{broken\n")
    with pytest.raises(
        ValueError, match=r"part-01.jsonl, line 1.*; the other 2 shards are written; run the command again"
    ):
        textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", processes=2)
    assert sorted(path.name for path in (tmp_path / "scored").glob("*.jsonl")) == [paths[0].name, paths[2].name]
    paths[1].write_text(good)
    assert textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", processes=2).rows == 30
    check(artifact, tmp_path / "scored", 90)


def test_remote_files(artifact: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    paths = write_shards(tmp_path / "crawl", 3)
    for path in paths:
        memory.pipe(f"/bucket/crawl/{path.name}", path.read_bytes())
    assert [file.name for file in expand(["memory://bucket/crawl/*.jsonl"])] == [path.name for path in paths]
    assert [file.name for file in expand(["memory://bucket/crawl"])] == [path.name for path in paths]
    for files in ("memory://bucket/crawl/part-0*.jsonl", "memory://bucket/crawl/"):
        report = textcnn.score(artifact, files, "memory://bucket/all.jsonl", force=True)
        assert report.rows == 90
        local_file = tmp_path / "all.jsonl"
        textcnn.score(artifact, paths, local_file, force=True)
        assert memory.cat("/bucket/all.jsonl") == local_file.read_bytes()
    with pytest.raises(ValueError, match="is there already"):
        textcnn.score(artifact, paths[0], "memory://bucket/all.jsonl")
    with pytest.raises(FileNotFoundError, match=r"no file memory://bucket/nothing\.jsonl"):
        textcnn.score(artifact, "memory://bucket/nothing.jsonl", tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match=r"nosuch://a.jsonl cannot be opened \(Protocol not known"):
        textcnn.score(artifact, "nosuch://a.jsonl", tmp_path / "none.jsonl")


def test_shards_of_a_remote_folder_in_processes(artifact: Path, tmp_path: Path) -> None:
    """file:// goes through fsspec, and other processes see the same files."""
    pytest.importorskip("fsspec")
    write_shards(tmp_path / "crawl")
    source, target = f"file://{tmp_path}/crawl", f"file://{tmp_path}/scored"
    assert textcnn.score(artifact, f"{source}/*.jsonl", f"{target}/", processes=2).rows == 120
    check(artifact, tmp_path / "scored", 120)
    (tmp_path / "scored" / "part-01.jsonl").unlink()
    assert textcnn.score(artifact, source, f"{target}/", processes=2).rows == 30
    check(artifact, tmp_path / "scored", 120)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["*.nothing", "--output", "out/"], "no file matches *.nothing"),
        (["a.jsonl", "--output", "out.jsonl", "--processes", "2"], "got out.jsonl for several processes"),
        (["a.jsonl", "--output", "out.jsonl", "--engine", "ray"], "expected a folder"),
        (["a.jsonl", "--output", "out/", "--engine", "rai"], "did you mean 'ray'"),
        (["a.jsonl", "a.txt", "--output", "out/"], "would both be written to"),
        (["-", "--output", "out/"], "got standard input for a folder of shards"),
        (["-", "--estimate"], "estimate: got standard input"),
        (["a.jsonl", "--output", "out/", "--processes", "0"], "processes: got 0"),
        (["empty", "--output", "out/"], "the folder empty has no data file"),
    ],
)
def test_mistakes_are_one_line(
    artifact: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"text": "w3"}\n')
    Path("a.txt").write_text("w3\n")
    Path("empty").mkdir()
    with pytest.raises(SystemExit) as stop:
        main(["score", str(artifact), *arguments])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not list(Path().glob("out/*.jsonl"))


def test_the_estimate_is_near_the_time_that_it_takes(artifact: Path, tmp_path: Path, capsys: Any) -> None:
    write_shards(tmp_path / "crawl", 6, 30_000, "jsonl.zst")
    main(["score", str(artifact), str(tmp_path / "crawl"), "--estimate", "--processes", "1"])
    said = capsys.readouterr().out
    assert "core-hours" in said
    assert any(f"bound by {stage}" in said for stage in ("reading", "parsing", "tokenizing", "tables", "writing"))
    assert not (tmp_path / "scored").exists()
    found = textcnn.score(artifact, tmp_path / "crawl", processes=1, estimate=True).estimate
    assert found is not None
    assert found.total_bytes == sum(path.stat().st_size for path in (tmp_path / "crawl").iterdir())
    assert found.core_hours > 0
