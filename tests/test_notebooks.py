"""Each notebook runs from its first cell to its last, and is kept with outputs that name no path of a machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

# Whole where TEXTCNN_LONG is set, as `make test-long` does; else on fewer rows, for fewer steps and with fewer tokens.
LONG = "TEXTCNN_LONG" in os.environ
SMALLER = """
import contextlib, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from small_defaults import shipped_from, short_runs, write_small_vectors

smaller = contextlib.ExitStack()
smaller.enter_context(shipped_from(write_small_vectors(Path("vectors/english"))))
smaller.enter_context(short_runs(rows=2510, held_out=300, steps=400))
"""
NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
PATHS = re.compile(r"(?<![\w.<])/(?:home|root|tmp|work|usr|Users|mnt|opt|var)/|site-packages|[A-Z]:\\\\")


def test_there_are_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_kept(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    for output in outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        shown = output.get("text", "") + "".join(
            str(output.get("data", {}).get(kind, "")) for kind in ("text/plain", "text/html")
        )
        assert not PATHS.search(shown), shown


# The kernel's own packages warn of each other.
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    if not LONG:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(SMALLER.format(tests=str(Path(__file__).parent))))
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=800, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
