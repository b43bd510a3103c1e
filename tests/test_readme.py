"""Every block of the README runs, and its tree names every module."""

from __future__ import annotations

import re

import pytest
from documented_commands import ROOT, run_command

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
QUICK = ["--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"]


def test_there_are_blocks():
    assert {language for language, _ in BLOCKS} == {"sh", "python"}


@pytest.mark.filterwarnings("ignore:.*pipelines sequentially on GPU.*")
def test_python_blocks(tmp_path, monkeypatch, capsys, reviews):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for language, block in BLOCKS:
        if language == "python":
            exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert any(label in printed for label in names["classifier"].labels)


def test_shell_blocks(tmp_path, monkeypatch, reviews):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text("text\na lovely film\nawful\n")
    (tmp_path / "vectors.txt").write_text("film 1 2 3\nplot 3 2 1\ngreat 0 1 0\n")
    quick = {"train": ["--max_epochs", "1", "--log_every_n_steps", "1", "--no_progress"], "fit": QUICK}
    quick["calibrate"] = ["--data", "reviews.csv"]
    for language, block in BLOCKS:
        for line in block.splitlines() if language == "sh" else []:
            run_command(line, quick)
    assert (tmp_path / "labelled.csv").is_file()


def test_the_tree_names_every_module():
    modules = {path.relative_to(ROOT / "textcnn") for path in (ROOT / "textcnn").rglob("*.py")}
    modules = {path for path in modules if path.name != "__init__.py" and "__pycache__" not in path.parts}
    missing = [str(path) for path in modules if not re.search(rf"^ +{re.escape(path.name)} ", README, re.MULTILINE)]
    assert missing == []
