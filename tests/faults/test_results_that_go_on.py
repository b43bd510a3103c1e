"""Searches, comparisons, shards and served models whose files are damaged, half written, or a killed process's."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fault_ledger import Ledger

import textcnn
from textcnn.cli import main
from textcnn.comparison.cells import Cell, CellStore
from textcnn.data import TextDataModule
from textcnn.scoring.shards import RECORD
from textcnn.serving.served_models import ServedModel
from textcnn.settings import TuneSettings
from textcnn.tuning.limits import read_limits

CELL = Cell("reviews", "nbsvm", 0, None, 0.9123, 0.9, 0.05, 3.5, 1000, 2000.5, 0.1, 10_000, "1101" * 30)


def test_a_damaged_cell_of_a_comparison_is_fitted_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: Callable[[int, int], int], rng: np.random.Generator,
    ledger: Ledger,
) -> None:  # fmt: skip
    candidate: Any = SimpleNamespace(name="nbsvm")
    store = CellStore(tmp_path, set())
    path = tmp_path / "reviews" / "nbsvm-seed0-0123.json"
    store.put(path, CELL)
    content = path.read_bytes()
    found = {"set aside": 0, "the same figures": 0}
    times = count(60, 2000)
    for number in range(times):
        damaged = bytearray(content)
        if number % 4 == 0:
            damaged = damaged[: rng.integers(len(content) - 1)]
        else:
            damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        cell = store.get(path, candidate)
        said = capsys.readouterr().err
        assert cell in (None, CELL), damaged
        if cell is None:
            assert f"{path} is damaged" in said
            assert path.with_name(f"{path.name}.damaged").read_bytes() == damaged
            assert not path.exists()
        found["set aside" if cell is None else "the same figures"] += 1
    assert found["set aside"] > 0.9 * times
    ledger.note(
        "a fit of `compare`, cut short or with one bit flipped", times,
        ", ".join(f"{number:,} {result}" for result, number in found.items()),
    )  # fmt: skip
    # A file of before there were digests.
    path.write_text(json.dumps(asdict(CELL)))
    assert store.get(path, candidate) == CELL


@pytest.fixture
def search(reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Open the search of one folder; a training takes no time, and its score is the dropout."""
    pytest.importorskip("optuna")
    from textcnn.tuning import search as module

    fits: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "train", lambda data, output, **settings: fits.append(settings))
    monkeypatch.setattr(
        module, "info", lambda folder: SimpleNamespace(scores={"val_micro_f1": fits[-1]["dropout"] / 2})
    )
    data = TextDataModule(str(reviews))

    def open_search() -> Any:
        settings = TuneSettings(data=str(reviews), output=tmp_path / "out", progress=False, max_trials=4)
        return module.Search(settings, data, read_limits(settings), tmp_path / "out")

    return open_search


def test_a_search_takes_up_the_trial_that_was_killed(search: Callable[..., Any]) -> None:
    killed = search()
    killed.study.enqueue_trial({"dropout": 0.5})
    killed.study.ask()  # its process ends here
    again = search()
    again.run(600)
    assert [trial.state.name for trial in again.study.trials] == ["FAIL", *["COMPLETE"] * 4]
    assert again.study.trials[1].params["dropout"] == 0.5
    assert again.default.number == 1
    assert again.confirm(600).number in {trial.number for trial in again.finished}


def test_a_line_that_a_killed_search_did_not_finish(search: Callable[..., Any], tmp_path: Path) -> None:
    search().run(600)
    journal = tmp_path / "out" / "study.journal"
    content = journal.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for end in (last + 1, last + 20, len(content) - 1):
        journal.write_bytes(content[:end])
        again = search()
        again.run(600)
        assert len(again.finished) == 4
        # The journal is whole: it opens once more.
        assert len(search().finished) == 4


def test_a_damaged_journal_is_named(
    search: Callable[..., Any], tmp_path: Path, count: Callable[[int, int], int], rng: np.random.Generator
) -> None:
    search().run(600)
    journal = tmp_path / "out" / "study.journal"
    content = journal.read_bytes()
    refused, messages = 0, set[str]()
    for _ in range(count(30, 400)):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        journal.write_bytes(damaged)
        try:
            search()
        except ValueError as error:
            refused += 1
            messages.add(
                re.sub(r".*(study\.journal is damaged|holds a search with other settings).*", r"\1", str(error))
            )
    assert messages <= {"study.journal is damaged", "holds a search with other settings"}
    assert refused


@pytest.mark.skipif(os.environ.get("TEXTCNN_FAULTS") != "long", reason="minutes; make test-faults")
def test_shards_of_a_killed_job(artifact: Path, tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "in").mkdir()
    for number in range(6):
        lines = (f"w{i % 48 + 2} w{(i + number) % 7 + 2} odd\n" for i in range(60_000))
        (tmp_path / "in" / f"{number}.txt").write_text("".join(lines))
    output = tmp_path / "out"
    command = ["score", str(artifact), str(tmp_path / "in"), "--output", f"{output}/", "--processes", "2"]

    def shards() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in output.glob("[0-9].jsonl")}

    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "textcnn", *command], check=True, capture_output=True)
    took, whole = time.monotonic() - started, shards()
    assert len(whole) == 6
    times, tries, killed, left = 10, 0, 0, 0
    while killed < times and tries < 3 * times:
        shutil.rmtree(output, ignore_errors=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "textcnn", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(took * (0.3 + 0.6 * (tries % times) / times))
        except subprocess.TimeoutExpired:
            # It and its workers, or it alone, as where it took the memory.
            (os.kill if tries % 2 else os.killpg)(process.pid, signal.SIGKILL)
            killed += 1
        else:
            took *= 0.8  # less work beside it than before
            process.wait()
            tries += 1
            continue
        process.wait()
        tries += 1
        for name, content in shards().items():
            assert whole[name] == content
        left += len(shards())
        subprocess.run([sys.executable, "-m", "textcnn", *command], check=True, capture_output=True)
        assert shards() == whole
        assert sorted(path.name for path in output.iterdir()) == [RECORD, *sorted(whole)]
    assert killed >= times // 2
    ledger.note(
        f"`score` into 6 shards with 2 processes, SIGKILL at {times} moments and started again", killed,
        f"no half shard; the {left} that were there stay; the bytes of a job that was not killed",
    )  # fmt: skip


def test_a_damaged_note_of_shards_is_named(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.txt").write_text("w3\n")
    command = ["score", str(artifact), str(tmp_path / "in.txt"), "--output", f"{tmp_path}/out/"]
    main(command)
    for content in (b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000):
        (tmp_path / "out" / RECORD).write_bytes(content)
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main(command)
        said = capsys.readouterr().err
        assert f"{RECORD}, which notes what made the shards, is damaged" in said
        assert said.count("\n") == 1
    main([*command, "--force"])


def test_a_served_model_whose_files_are_half_written(
    artifact: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, other = tmp_path / "model", tmp_path / "other"
    shutil.copytree(artifact, directory)
    textcnn.load(directory)
    shutil.copytree(directory, other)
    config = json.loads((other / "config.json").read_text())
    del config["digests"]
    (other / "config.json").write_text(json.dumps(config | {"id2label": {"0": "x", "1": "y", "2": "z"}}))
    served = ServedModel("model", directory)
    before = served.classifier.predict(["w3 w4 w5"]).tolist()

    def changed(name: str, content: bytes) -> bool:
        # Under another name and moved, as textcnn writes.
        (directory / f"{name}.new").write_bytes(content)
        (directory / f"{name}.new").replace(directory / name)
        served.refresh()
        return served.refresh()

    with caplog.at_level(logging.WARNING, "textcnn.serving"):
        for name in ("config.json", "tokenizer.json", "folded.safetensors"):
            content = (directory / name).read_bytes()
            for half in (content[: len(content) // 2], b"", b"\xff" * 100, b"[]"):
                assert not changed(name, half)
                assert served.problem
                assert served.classifier.predict(["w3 w4 w5"]).tolist() == before
            assert changed(name, content)
            assert not served.problem
        # What no test thought of does not end the thread that watches.
        with monkeypatch.context() as odd:
            odd.setattr("textcnn.serving.served_models.load_with_heads", lambda directory: {}["nothing"])
            assert not changed("config.json", (other / "config.json").read_bytes())
            assert "nothing" in served.problem
    assert changed("config.json", (other / "config.json").read_bytes() + b"\n")
    assert set(served.classifier.labels) == {"x", "y", "z"}
