"""Every block of the README runs, and its tree names every module."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from textcnn.cli import VERBS, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
# Word vectors and Hub names that a reader has and a test has not.
STAND_INS = {
    "glove.6B.300d.txt": "vectors.txt",
    "[minilm-vectors, glove.6B.100d.txt, reviews.vec]": "[vectors.txt, vectors.txt]",
}
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
    makefile = (ROOT / "Makefile").read_text()
    for language, block in BLOCKS:
        for line in block.splitlines() if language == "sh" else []:
            words = [STAND_INS.get(word, word) for word in shlex.split(line, comments=True)]
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
            elif words[0] == "python":
                # Minutes, and another library's; the data are the reader's.
                if words[1:3] != ["-m", "gensim.scripts.word2vec_standalone"]:
                    compile(words[2] if words[1] == "-c" else (ROOT / words[1]).read_text(), line, "exec")
            elif words[0] == "pip":
                assert words == ["pip", "install", "-c", "constraints.txt", "."]
                assert (ROOT / "constraints.txt").is_file()
            elif "bench" in words or "distill" in words or any("sentence-transformers/" in word for word in words):
                # Minutes, and a download; the data, the checkpoint and the teacher are the reader's.
                assert words[0] == "textcnn"
                assert words[1] in VERBS
            else:
                assert words[0] == "textcnn", line
                quick = {"fit": QUICK, "validate": QUICK[-2:], "predict": QUICK[-2:]}
                main([*words[1:], *quick.get(words[1], [])])
    assert (tmp_path / "labelled.csv").is_file()


def test_the_tree_names_every_module():
    modules = {path.relative_to(ROOT / "textcnn") for path in (ROOT / "textcnn").rglob("*.py")}
    modules = {path for path in modules if path.name != "__init__.py" and "__pycache__" not in path.parts}
    missing = [str(path) for path in modules if not re.search(rf"^ +{re.escape(path.name)} ", README, re.MULTILINE)]
    assert missing == []
