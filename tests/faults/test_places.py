"""Models that are opened where little is allowed, and by many at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fault_ledger import Ledger

import textcnn

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and users")
# The first lines take root's right to write anywhere, which a container's tests have.
OPEN = """
import ctypes, os, resource, sys
if {powerless} and os.geteuid() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
    assert not os.access({directory!r}, os.W_OK)
if {limit}:
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
import textcnn
print(repr(textcnn.load({directory!r}).predict_proba(["w3 w4 w5"]).tolist()))
"""


def opened(
    directory: Path, limit: int = 0, powerless: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    program = OPEN.format(directory=str(directory), limit=limit, powerless=powerless)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)


@posix_only
def test_a_full_disk(artifact: Path, tmp_path: Path, count: Callable[[int, int], int], ledger: Ledger) -> None:
    """No file may grow beyond some bytes, as under a quota: the tables stay in memory, and nothing is left."""
    shutil.copytree(artifact, tmp_path / "model", ignore=shutil.ignore_patterns("folded*"))
    before = sorted(path.name for path in (tmp_path / "model").iterdir())
    limits = [1000, 1, 10, 4096][: count(1, 4)]
    for limit in limits:
        done = opened(tmp_path / "model", limit)
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip() == repr(textcnn.load(artifact).predict_proba(["w3 w4 w5"]).tolist())
        assert sorted(path.name for path in (tmp_path / "model").iterdir()) == before
    ledger.note("a model without tables opened on a full disk", len(limits), "answers from memory; nothing left behind")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities of Linux")
def test_read_only_and_without_a_home(artifact: Path, tmp_path: Path, ledger: Ledger) -> None:
    shutil.copytree(artifact, tmp_path / "model", ignore=shutil.ignore_patterns("folded*"))
    (tmp_path / "model").chmod(0o555)
    try:
        done = opened(
            tmp_path / "model",
            powerless=True,
            HOME="/nonexistent",
            XDG_CACHE_HOME="/nonexistent/c",
            HF_HOME="/nonexistent/h",
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip() == repr(textcnn.load(artifact).predict_proba(["w3 w4 w5"]).tolist())
        assert not (tmp_path / "model" / "folded.safetensors").exists()
    finally:
        (tmp_path / "model").chmod(0o755)
    ledger.note("a read-only model opened by a user without a home", 1, "answers from memory")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities of Linux")
def test_a_read_only_installation_without_a_home(artifact: Path, tmp_path: Path, ledger: Ledger) -> None:
    """The package lies in a folder that its user cannot write to, as in a container."""
    package = Path(textcnn.__file__).parent
    installed = tmp_path / "installed" / "textcnn"
    shutil.copytree(package, installed, ignore=shutil.ignore_patterns(".build", "__pycache__", "*.wasm"))
    shutil.copytree(artifact, tmp_path / "model")
    folders = [tmp_path / "installed", installed, *(path for path in installed.rglob("*") if path.is_dir())]
    files = sorted(path for path in installed.rglob("*") if path.is_file())
    folders.append(tmp_path / "model")
    for folder in folders:
        folder.chmod(0o555)
    nothing = "/nonexistent"
    try:
        done = opened(
            tmp_path / "model", powerless=True, PYTHONPATH=str(tmp_path / "installed"), HOME=nothing,
            XDG_CACHE_HOME=nothing, HF_HOME=nothing, TMPDIR=nothing,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip() == repr(textcnn.load(artifact).predict_proba(["w3 w4 w5"]).tolist())
        assert sorted(path for path in installed.rglob("*") if path.is_file()) == files
    finally:
        for folder in folders:
            folder.chmod(0o755)
    ledger.note("a read-only installation without a home or a folder for temporary files", 1, "answers")


def test_many_threads_open_an_unfolded_model(
    artifact: Path, tmp_path: Path, count: Callable[[int, int], int], ledger: Ledger
) -> None:
    wanted = textcnn.load(artifact).predict_proba(["w3 w4 w5"])
    times = count(1, 10)
    for number in range(times):
        directory = tmp_path / f"model-{number}"
        shutil.copytree(artifact, directory, ignore=shutil.ignore_patterns("folded*"))
        before = {path.name for path in directory.iterdir()}
        threads = count(8, 32)
        with ThreadPoolExecutor(threads) as pool:
            for classifier in pool.map(textcnn.load, [directory] * threads):
                answer = classifier.predict_proba(["w3 w4 w5"])
                np.testing.assert_array_equal(answer, wanted)
        assert {path.name for path in directory.iterdir()} == before | {"folded.safetensors"}
    ledger.note(
        f"{count(8, 32)} threads open one unfolded model at once", times * count(8, 32), "all opened, the same answers"
    )


@posix_only
def test_many_processes_open_an_unfolded_model(
    artifact: Path, tmp_path: Path, count: Callable[[int, int], int], ledger: Ledger
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(artifact, directory, ignore=shutil.ignore_patterns("folded*"))
    wanted = repr(textcnn.load(artifact).predict_proba(["w3 w4 w5"]).tolist())
    processes = count(3, 8)
    with ThreadPoolExecutor(processes) as pool:
        for done in pool.map(lambda _: opened(directory), range(processes)):
            assert done.stdout.strip() == wanted, done.stderr[-2000:]
    assert not [path for path in directory.iterdir() if "unfinished" in path.name]
    ledger.note(f"{processes} processes open one unfolded model at once", processes, "all opened, the same answers")


def test_a_damaged_object_of_the_core_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textcnn.core import build

    objects = [tmp_path / "a.o", tmp_path / "b.o"]
    linked: list[bool] = []

    def compile_objects(*_: object) -> list[Path]:
        for path in objects:
            path.write_text(path.read_text() if path.is_file() else "whole")
        return objects

    def link(compiler: object, found: list[Path], target: Path, *_: object) -> Path:
        linked.append(all(path.read_text() == "whole" for path in found))
        if not linked[-1]:
            raise RuntimeError("file not recognized")
        return target

    monkeypatch.setattr(build, "compile_objects", compile_objects)
    monkeypatch.setattr(build, "_link", link)
    objects[1].write_text("dam")
    assert build.build(tmp_path / "library") == tmp_path / "library"
    assert linked == [False, True]
