"""The C program of the documentation: it labels lines as Python does, and says what is wrong."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from folded_models import make_model, word_tokenizer

from textcnn.core import build
from textcnn.folding.fold import fold
from textcnn.runtime import FoldedTextCNN

SOURCE = Path(__file__).parents[2] / "docs" / "examples" / "label_lines.c"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    target = tmp_path_factory.mktemp("c") / "label_lines"
    folder = build.FOLDER
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", str(SOURCE), f"-I{folder}", f"-L{folder}", "-ltextcnn"]
    subprocess.run([*command, f"-Wl,-rpath,{folder}", "-o", str(target)], check=True)
    return target


@pytest.mark.parametrize("factored", [False, True])
def test_lines_get_the_labels_of_python(program: Path, tmp_path: Path, factored: bool) -> None:
    lines = ["w2 w3 w4", "w5", "", "unheard of", "w9 w9 w2 " * 40]
    fold(make_model(temperature=1.5), word_tokenizer(), int8=factored, factored=factored).save(tmp_path)
    done = subprocess.run([str(program), str(tmp_path)], input="\n".join(lines) + "\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    classifier = FoldedTextCNN.load(tmp_path)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == classifier.predict(lines).tolist()
    wanted = classifier.predict_proba(lines).max(axis=1)
    assert [float(row[1]) for row in rows] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_a_directory_without_a_model_is_named(program: Path, tmp_path: Path) -> None:
    done = subprocess.run([str(program), str(tmp_path)], input="", capture_output=True, text=True)
    assert done.returncode == 2
    assert "config.json cannot be opened; expected a folded textcnn artifact" in done.stderr


def test_bytes_that_are_not_utf8_are_an_error(program: Path, tmp_path: Path) -> None:
    fold(make_model(), word_tokenizer()).save(tmp_path)
    done = subprocess.run([str(program), str(tmp_path)], input=b"w2 \xff\n", capture_output=True)
    assert done.returncode == 2
    assert b"not UTF-8 at 3" in done.stderr
