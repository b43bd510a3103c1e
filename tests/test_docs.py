"""The documentation builds without a warning, its blocks run, and what it names exists."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from documented_commands import ROOT, run_command
from small_defaults import short_runs

from textcnn.cli import JOBS, VERBS, main
from textcnn.data.io.writers import open_writer

PAGES = sorted((ROOT / "docs").rglob("*.md"))
# Language, attributes and code.
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = ROOT / "docs" / "examples" / "label_lines.c"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def test_it_builds_without_a_warning(site):
    assert (site / "index.html").is_file()
    reference = "".join(page.read_text(encoding="utf-8") for page in (site / "reference" / "python").rglob("*.html"))
    for name in ("LabelFilter", "export_onnx", "TextCNNClassifier", "Architecture", "train", "distill", "Explanation"):
        assert re.search(rf'id="textcnn\.[\w.]+\.{name}"', reference), name


def test_marks_are_filled_in(site):
    assert "{{ " not in "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    benchmarks = (site / "benchmarks" / "index.html").read_text(encoding="utf-8")
    assert "label_vs_fasttext" in benchmarks
    assert "CNN-non-static" in benchmarks
    front = (site / "index.html").read_text(encoding="utf-8")
    assert "fold.svg" in front
    assert 'class="token"' in front
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "tutorials" / notebook.stem / "index.html").read_text(encoding="utf-8")
        assert "data:image/png;base64," in page


def test_every_verb_is_in_the_reference(site):
    pages = "".join(
        page.read_text(encoding="utf-8") for page in (site / "reference" / "command-line").rglob("index.html")
    )
    for verb in VERBS:
        assert f"usage: textcnn {verb} " in pages, verb
    overview = (site / "reference" / "command-line" / "index.html").read_text(encoding="utf-8")
    assert all(f"textcnn {verb}" in overview for verb in (*VERBS, *JOBS))


def test_the_program_in_c_is_on_its_page(site):
    page = (site / "explanation" / "core" / "index.html").read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]+>", "", page).replace("&quot;", '"').replace("&lt;", "<").replace("&amp;", "&")
    shown = shown.replace("&gt;", ">").replace("&#39;", "'")
    for line in PROGRAM.read_text(encoding="utf-8").splitlines():
        assert line in shown, line


@pytest.fixture
def short():
    """Without settings, a run on the reviews takes 1,000 steps, and one on the embedded data set has 5,000 rows."""
    with short_runs(rows=400, held_out=100, steps=20):
        yield


@pytest.mark.filterwarnings("ignore:.*pipelines sequentially on GPU.*")
@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true")
@pytest.mark.filterwarnings("ignore:calibrate")
@pytest.mark.timeout(900)  # the WebAssembly module may be compiled on the way
def test_blocks_run(tmp_path, monkeypatch, capsys, reviews, short):
    """One folder for all pages and one interpreter a page; the README's blocks have their own test.

    A block of Python with a title is another library's: it only parses.
    """
    import textcnn

    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text("text\na lovely film\nawful\n")
    shutil.copy(reviews, tmp_path / "test.csv")
    (tmp_path / "scopes.csv").write_text(reviews.read_text() + "what time is it,oos\n")
    (tmp_path / "test.txt").write_text("__label__positive a lovely film\n__label__negative an awful plot\n")
    with open_writer(str(tmp_path / "crawl" / "part-00000.jsonl.zst"), "jsonl") as crawl:
        crawl.write([{"id": "0", "text": "a lovely film"}, {"id": "1", "text": "an awful plot"}])
    (tmp_path / "texts.txt").write_text("a lovely film\n")
    (tmp_path / "vectors.txt").write_text("film 1 2 3\nplot 3 2 1\ngreat 0 1 0\n")
    (tmp_path / "job.yaml").write_text("data: {path: reviews.csv}\noutput_dir: runs/job\n")
    small = {"max_epochs": 1, "progress": False, "num_filters": 32, "embedding_dim": 16}
    textcnn.train("python-docstrings", "runs/docs", **small)
    textcnn.train(str(reviews), "runs/reviews", log_every_n_steps=1, **small)
    main(["export", "runs/reviews", "--output", "reviews.onnx"])
    ran = 0
    for page in PAGES:
        names: dict = {}
        for language, attributes, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            where = str(page.relative_to(ROOT))
            ran += 1
            if language == "python":
                if "title=" in attributes:
                    ast.parse(block, where)
                else:
                    exec(compile(block, where, "exec"), names)
            elif language == "sh":
                for line in block.splitlines():
                    if not line.startswith(("core=", "cc ", "./label_lines")):
                        run_command(line)
            elif language == "js":
                (tmp_path / "program.mjs").write_text(block, encoding="utf-8")
                if shutil.which("node"):
                    subprocess.run(["node", "program.mjs"], check=True)
            elif language == "yaml":
                assert yaml.safe_load(block)
            else:
                assert language in ("text", "csv", "c"), f"{where}: a block of {language}"
    assert ran >= 60
    assert "positive" in capsys.readouterr().out


def test_conventions_name_tests_that_exist():
    page = (ROOT / "docs" / "reference" / "conventions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .+ \| `(.+?)::(.+?)` \|$", page, re.MULTILINE)
    assert len(rows) == len(page.splitlines()) - 4
    for path, name in rows:
        assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (path, name)
