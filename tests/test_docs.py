"""The documentation builds without a warning, its blocks run, and what it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from documented_commands import ROOT, run_command

from textcnn.cli import main

PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def names(page: Path) -> list[str]:
    return [
        name.strip() for name in re.findall(r"^\{\{ README:(.*)\}\}$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def test_it_builds_without_a_warning(site):
    assert (site / "index.html").is_file()
    reference = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    for name in ("LabelFilter", "export_onnx", "TextCNNClassifier", "Architecture"):
        assert re.search(rf'id="textcnn\.[\w.]+\.{name}"', reference), name


def test_readme_and_notebooks_are_in_it(site):
    assert "{{ " not in "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    benchmarks = (site / "benchmarks" / "index.html").read_text(encoding="utf-8")
    assert "label_vs_fasttext" in benchmarks
    assert "CNN-non-static" in benchmarks
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "tutorials" / notebook.stem / "index.html").read_text(encoding="utf-8")
        assert "data:image/png;base64," in page


def test_every_section_of_the_readme_has_a_page():
    headings = set(re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    shown = {name for page in PAGES for name in names(page)}
    assert shown - headings == {""}
    assert headings - shown == {"How the code runs"}


@pytest.mark.filterwarnings("ignore:.*pipelines sequentially on GPU.*")
@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true")
def test_blocks_run(tmp_path, monkeypatch, capsys, reviews):
    """One folder for all pages and one interpreter a page; the README's blocks have their own test."""
    import textcnn

    monkeypatch.chdir(tmp_path)
    textcnn.train("python-docstrings", "runs/docs", max_epochs=1, num_filters=8, embedding_dim=16, progress=False)
    textcnn.train(str(reviews), "runs/reviews", max_epochs=1, log_every_n_steps=1, progress=False)
    main(["export", "runs/reviews", "--format", "onnx", "--output", "reviews.onnx"])
    from textcnn import LabelFilter, TextCNNClassifier

    ran = 0
    for page in PAGES:
        given = {"LabelFilter": LabelFilter, "TextCNNClassifier": TextCNNClassifier}
        for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            ran += 1
            if language == "python":
                exec(compile(block, str(page.relative_to(ROOT)), "exec"), given)
            else:
                assert language == "sh", f"{page}: a block of {language}"
                for line in block.splitlines():
                    run_command(line)
    assert ran >= 8
    assert "positive" in capsys.readouterr().out


def test_conventions_name_tests_that_exist():
    page = (ROOT / "docs" / "reference" / "conventions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .+ \| `(.+?)::(.+?)` \|$", page, re.MULTILINE)
    assert len(rows) == len(page.splitlines()) - 4
    for path, name in rows:
        assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (path, name)
