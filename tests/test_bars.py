"""Progress of verbs that read many texts: on standard error where that is a terminal, and nothing in a pipe."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
import threading
from pathlib import Path

import numpy as np
import pytest
from folded_models import write_artifact

from textcnn.cli import main
from textcnn.core import build
from textcnn.progress import array_with_progress, batches_with_progress, each_with_progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and labelled texts that it reads."""
    folder = tmp_path_factory.mktemp("progress")
    write_artifact(folder / "run")
    rows = [f"w{n % 40 + 2} w{n % 7 + 2},{'abc'[n % 3]}" for n in range(300)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


def errors_of(arguments: list[str], folder: Path, in_terminal: bool) -> str:
    """Return the text that a command, in a process of its own, writes on standard error."""
    command = [sys.executable, "-m", "textcnn", *arguments]
    if not in_terminal:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))  # a terminal without columns shows no bar
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        seen = bytearray()
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(ours)
    assert running.returncode == 0, seen.decode()
    return seen.decode()


def errors_here(arguments: list[str], in_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the text that a command writes on standard error of this process, which has imported all that it needs."""
    ours, theirs = pty.openpty() if in_terminal else os.pipe()
    if in_terminal:
        termios.tcsetwinsize(theirs, (24, 100))
    seen = bytearray()

    def read() -> None:
        # A terminal whose other end is closed is an error, a pipe's end is empty.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 1 << 16):
                seen.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream, monkeypatch.context() as redirected:
            redirected.setattr(sys, "stderr", stream)
            main(arguments)
    finally:
        reader.join()
        os.close(ours)
    return seen.decode()


def test_a_process_shows_a_bar_in_a_terminal_and_none_in_a_pipe(folder: Path) -> None:
    arguments = ["inspect", "run", "--data", "rows.csv"]
    bar = errors_of(arguments, folder, in_terminal=True)
    assert "reading" in bar
    assert "%|" in bar
    assert "%|" not in errors_of(arguments, folder, in_terminal=False)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["inspect", "run", "--data", "rows.csv"], "reading"),
        (["evaluate", "run", "--data", "rows.csv"], "texts"),
        (["calibrate", "run", "--data", "rows.csv"], "texts"),
        (["fold", "run", "--int8", "--texts", "rows.csv"], "answering in 8 bits"),
        (["fold", "run", "--trim_vocabulary", "rows.csv"], "counting tokens"),
        (["export", "run", "--output", "model.html", "--force"], "compressing"),
    ],
    ids=["inspect", "evaluate", "calibrate", "fold", "trim", "export"],
)
def test_a_bar_in_a_terminal_and_none_in_a_pipe(
    arguments: list[str], shown: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arguments[0] == "export" and build.is_stale(build.MODULE):
        pytest.skip("no WebAssembly module")
    monkeypatch.chdir(folder)
    bar = errors_here(arguments, True, monkeypatch)
    assert shown in bar
    assert "%|" in bar
    assert "%|" not in errors_here(arguments, False, monkeypatch)


def test_batches_are_the_texts_in_their_order() -> None:
    texts = [str(n) for n in range(23)]
    assert [text for some in batches_with_progress(texts, batch=5) for text in some] == texts
    assert list(each_with_progress(texts, "reading")) == texts


def test_an_array_is_that_of_all_texts_at_once() -> None:
    def compute(texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 1.0] for text in texts]).reshape(-1, 2)

    texts = ["x" * (n % 9) for n in range(5000)]
    np.testing.assert_array_equal(array_with_progress(compute, texts, "counting"), compute(texts))
    assert array_with_progress(compute, [], "counting").shape == (0, 2)
