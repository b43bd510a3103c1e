"""The wheel: one library for every Python, no sources, and a first label where only numpy is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from folded_models import make_model, word_tokenizer

import textcnn
from textcnn.core import build
from textcnn.folding.fold import fold

ROOT = Path(__file__).parents[1]
FIRST_LABEL = """
import sys, textcnn
from textcnn.core import build
print(build.LIBRARY, textcnn.load(sys.argv[1]).predict(["w2 w3"])[0])
"""


@pytest.mark.timeout(900)
def test_the_wheel_gives_a_label_without_a_compiler(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"textcnn-{textcnn.__version__}-py3-none-")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    assert f"textcnn/core/{build.LIBRARY.name}" in names
    assert "textcnn/core/textcnn.h" in names
    assert "textcnn/py.typed" in names
    assert {f"textcnn/exporting/page/{name}" for name in ("page.html", "page.css", "app.js", "module.d.ts")} <= set(
        names
    )
    has_module = build.MODULE.is_file() and not build.is_stale(build.MODULE)
    assert (f"textcnn/core/{build.MODULE.name}" in names) == has_module
    assert not [name for name in names if name.endswith((".cpp", ".hpp", ".o"))]

    folded = fold(make_model(), word_tokenizer())
    folded.save(tmp_path / "model")
    # No compiler is found, and what is installed beside numpy does not matter: -S leaves site-packages out.
    numpy_at = subprocess.run(
        [sys.executable, "-c", "import numpy; print(numpy.__path__[0])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (tmp_path / "numpy_only").mkdir()
    for entry in Path(numpy_at).parent.glob("numpy*"):
        (tmp_path / "numpy_only" / entry.name).symlink_to(entry)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "CXX"},
        "PATH": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "installed"), str(tmp_path / "numpy_only")]),
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", FIRST_LABEL, str(tmp_path / "model")],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    library, label = done.stdout.split()
    assert Path(library).is_relative_to(tmp_path / "installed")
    assert label == folded.predict(["w2 w3"])[0]
