"""Commands that are killed: what they wrote is whole or not there, and the next run ends as if nothing had been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_ledger import Ledger
from forked_commands import ForkedCommands

from textcnn.runtime.unfinished import remove_abandoned, unfinished, unfinished_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "textcnn", *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def run(arguments: list[str]) -> float:
    """Run a command to its end; return the seconds that it took."""
    started = time.monotonic()
    process = start(arguments)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()[-3000:]
    return time.monotonic() - started


def kill(arguments: list[str], seconds: float, how: int = signal.SIGKILL) -> bool:
    """Start a command and end it after some seconds; return True if it had not ended by itself."""
    process = start(arguments)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode in (-how, 128 + how)


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".*") if ".unfinished." in path.name)


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    program = f"""
import os, pathlib, time
from textcnn.runtime.unfinished import unfinished, unfinished_folder
parent = pathlib.Path({str(tmp_path)!r})
with unfinished(parent / "big.bin") as path, unfinished_folder(parent, "folder") as folder:
    path.write_bytes(b"x" * 1000)
    (folder / "inside").write_bytes(b"y")
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], env=ENVIRONMENT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    with unfinished(tmp_path / "other") as path:
        path.write_text("whole")
    assert len(left_behind(tmp_path)) == 2, "its writer lives"
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(left_behind(tmp_path)) == 2
    (tmp_path / ".hidden").write_text("not ours")
    (tmp_path / ".123.unfinished.old").write_text("of an earlier version")
    with unfinished_folder(tmp_path, "next") as folder:
        assert left_behind(tmp_path) == [folder.name]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "other"]
    remove_abandoned(tmp_path / "not there")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_score(
    how: signal.Signals, artifact: Path, tmp_path: Path, count: Callable[[int, int], int], ledger: Ledger
) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out" / "labelled.jsonl"
    source.write_text("".join(f"w{i % 48 + 2} w{i % 7 + 2} odd\n" for i in range(count(200_000, 600_000))))
    command = ["score", str(artifact), str(source), "--output", str(target)]
    run(command)  # the first one reads everything from disk
    target.unlink()
    took = run(command)
    whole = target.read_bytes()
    killed, tries, times = 0, 0, count(2, 10)
    while killed < times and tries < 3 * times:
        target.unlink(missing_ok=True)
        killed += kill(command, took * (0.1 + 0.7 * (tries % times + 1) / (times + 1)), how)
        assert not target.exists() or target.read_bytes() == whole
        assert how == signal.SIGKILL or left_behind(tmp_path) == []
        tries += 1
    target.unlink(missing_ok=True)
    run(command)
    assert target.read_bytes() == whole
    assert left_behind(tmp_path) == []
    assert killed
    ledger.note(
        f"`score`, {how.name} at {times} moments and started again", killed,
        "no half file; nothing left behind; the bytes of a run that was not stopped",
    )  # fmt: skip


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedCommands]:
    """Starts commands without their imports."""
    with ForkedCommands(tmp_path_factory.mktemp("commands")) as commands:
        yield commands


def job(verb: str, data: Path, output: Path, models: dict[str, str]) -> list[str]:
    small = ["--num_filters", "16", "--batch_size", "2", "--max_epochs", "4"]
    if verb == "fit":
        return ["fit", "--data.path", str(data), "--output_dir", str(output), "--model.architecture.num_filters", "16",
                "--data.batch_size", "2", "--trainer.max_epochs", "4"]  # fmt: skip
    if verb == "distill":
        return ["distill", models["textcnn"], "--data", str(data), "--output", str(output), *small, "--no_progress"]
    if verb == "teach":
        return ["teach", models["transformer"], "--data", str(data), "--output", str(output), "--max_epochs", "4",
                "--batch_size", "2"]  # fmt: skip
    if verb == "train":
        return ["train", str(data), "--output", str(output), *small]
    return ["fold", str(output)]


def again(command: list[str], output: Path) -> list[str]:
    """The command that goes on."""
    last = output / "checkpoints"
    if command[0] == "fit" and any((last / name).is_file() for name in ("last.ckpt", "previous.ckpt")):
        return ["fit", "--config", str(output / "config.yaml"), "--output_dir", str(output), "--ckpt_path", "last"]
    return command


@pytest.mark.skipif(os.environ.get("TEXTCNN_FAULTS") != "long", reason="minutes; make test-faults")
@pytest.mark.parametrize("verb", ["train", "fit", "distill", "teach", "fold"])
def test_a_run_that_is_killed_ends_with_the_same_weights(
    verb: str, reviews: Path, transformer: str, tmp_path: Path, commands: ForkedCommands, ledger: Ledger
) -> None:
    run(["train", str(reviews), "--output", str(tmp_path / "teacher"), "--max_epochs", "1", "--num_filters", "8"])
    models = {"textcnn": str(tmp_path / "teacher"), "transformer": transformer}

    def prepared(output: Path) -> list[str]:
        if verb == "fold":
            shutil.copytree(tmp_path / "teacher", output)
        return job(verb, reviews, output, models)

    # One process as a user starts it, which imports everything itself, gives the bytes that the others are compared to.
    name = "folded.safetensors" if verb == "fold" else "model.safetensors"
    run(prepared(tmp_path / "whole"))
    wanted = (tmp_path / "whole" / name).read_bytes()
    took = commands.run(prepared(tmp_path / "whole again"))
    assert (tmp_path / "whole again" / name).read_bytes() == wanted
    times, killed, tries, went_on = 10, 0, 0, 0
    while killed < times and tries < 3 * times:
        output = tmp_path / f"killed-{tries}"
        command = prepared(output)
        killed += commands.kill(command, took * (tries % times + 0.5) / times)
        went_on += (output / "checkpoints").is_dir() and any((output / "checkpoints").glob("*.ckpt"))
        if not (output / name).is_file() or verb == "fold":
            commands.run(again(command, output))
        assert (output / name).read_bytes() == wanted, f"{verb}, moment {tries}"
        assert left_behind(output) == []
        json.loads((output / "config.json").read_text())
        shutil.rmtree(output)
        tries += 1
    assert killed >= times // 2
    ended = 0
    for part in (0.2, 0.5, 0.8):
        output = tmp_path / f"ended-{part}"
        command = prepared(output)
        ended += commands.kill(command, took * part, signal.SIGTERM)
        assert left_behind(output) == []
        if not (output / name).is_file() or verb == "fold":
            commands.run(again(command, output))
        assert (output / name).read_bytes() == wanted
        shutil.rmtree(output)
    assert ended
    ledger.note(
        f"`{verb}`, SIGTERM at 3 moments and started again", ended,
        "ended with nothing left behind; the bytes of one that was not stopped",
    )  # fmt: skip
    checkpoints = f"{went_on} with a checkpoint; " if verb != "fold" else ""
    ledger.note(
        f"`{verb}`, SIGKILL at {times} moments and started again", killed,
        f"{checkpoints}the {'tables' if verb == 'fold' else 'weights'} of one that was not killed, bit by bit",
    )  # fmt: skip
