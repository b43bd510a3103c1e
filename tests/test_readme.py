"""The README is one page, each of its blocks runs, and what it names exists."""

from __future__ import annotations

import re

import pytest
from documented_commands import ROOT, run_command

import textcnn

pytestmark = pytest.mark.shipped_vectors

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
TREE = re.search(r"^    textcnn/\n((?:      .*\n)+)", README, re.MULTILINE)


def test_it_is_one_page():
    assert len(README.splitlines()) <= 220
    assert len(README.split()) <= 1500


def test_there_are_blocks():
    assert {language for language, _ in BLOCKS} == {"sh", "python", "text"}


@pytest.mark.filterwarnings("ignore:.*pipelines sequentially on GPU.*")
def test_python_blocks(tmp_path, monkeypatch, capsys, reviews):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for language, block in BLOCKS:
        if language == "python":
            exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    # The numbers that the README shows are of one version of Python, whose docstrings are the data.
    shown = next(block for language, block in BLOCKS if language == "text")
    assert [re.sub(r"[\d.]+", "0", line) for line in shown.splitlines()[:3]] == [
        re.sub(r"[\d.]+", "0", line) for line in printed.splitlines() if line.startswith(("[", "networking"))
    ]


def test_shell_blocks(tmp_path, monkeypatch, reviews):
    monkeypatch.chdir(tmp_path)
    textcnn.train("python-docstrings", "runs/docs", max_epochs=1, num_filters=8, embedding_dim=16, progress=False)
    (tmp_path / "new.csv").write_text("text\na lovely film\nawful\n")
    for language, block in BLOCKS:
        for line in block.splitlines() if language == "sh" else []:
            run_command(line)
    assert (tmp_path / "labelled.csv").is_file()


def test_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len([link for link in links if link.startswith("docs/how-to/")]) >= 10
    assert [link for link in links if not (ROOT / link.partition("#")[0]).is_file()] == []


def test_the_tree_names_every_folder():
    assert TREE is not None
    named = re.findall(r"^      (\w+)/ +\S", TREE[1], re.MULTILINE)
    assert len(named) == len(TREE[1].splitlines())
    folders = {path.parent.name for path in (ROOT / "textcnn").glob("*/__init__.py")}
    assert set(named) == folders
    assert named == sorted(named)
