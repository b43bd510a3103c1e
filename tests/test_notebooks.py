"""Each notebook runs from its first cell to its last, and is kept with outputs that name no path of a machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

# Each whole and in a process of its own where TEXTCNN_LONG is set, as by `make test-long`; else one after the other in
# one process, which imports once, on fewer rows, for fewer steps and with fewer tokens.
LONG = "TEXTCNN_LONG" in os.environ
SMALLER = """
import contextlib, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import small_defaults

small_defaults.entered = contextlib.ExitStack()
for smaller in (
    small_defaults.shipped_from(small_defaults.write_small_vectors(Path("vectors/english").absolute())),
    small_defaults.short_runs(rows=2510, held_out=300, steps=400),
):
    small_defaults.entered.enter_context(smaller)
"""
# No name of the notebook before is left.
NEXT = """
%reset -f
import os
os.makedirs({folder!r})
os.chdir({folder!r})
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


def run(notebook, folder):
    NotebookClient(
        notebook, timeout=800, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"


# The kernel's own packages warn of each other.
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(900)
@pytest.mark.skipif(LONG, reason="each is run whole")
def test_the_notebooks_run(tmp_path):
    cells = [nbformat.v4.new_code_cell(SMALLER.format(tests=str(Path(__file__).parent)))]
    for path in NOTEBOOKS:
        cells.append(nbformat.v4.new_code_cell(NEXT.format(folder=str(tmp_path / path.stem))))
        cells += nbformat.read(path, as_version=4).cells
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    run(nbformat.v4.new_notebook(cells=cells), tmp_path)
    assert len(list(tmp_path.glob("*/runs/*/config.json"))) == 6


@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not LONG, reason="TEXTCNN_LONG is not set")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_whole_notebook_runs(path, tmp_path):
    run(nbformat.read(path, as_version=4), tmp_path)
