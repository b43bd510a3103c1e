"""Commands that README and documentation show: those that take seconds run here; the options of the others are read."""

from __future__ import annotations

import contextlib
import importlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from textcnn.cli import JOBS, VERBS, main
from textcnn.cli.jobs import check_names

ROOT = Path(__file__).parent.parent
# Word vectors that a reader has and a test has not.
STAND_INS = {"glove.6B.300d.txt": "vectors.txt", "glove.6B.100d.txt": "vectors.txt", "minilm-vectors": "vectors.txt"}
STAND_INS["reviews.vec"] = "vectors.txt"
# Options that make a verb quick; a run or a file of an earlier block is replaced.
QUICK = {
    "train": ["--max_epochs", "1", "--num_filters", "8", "--no_progress", "--force"],
    "export": ["--force"],
    "score": ["--force"],
    "inspect": ["--force"],
}
QUIET = ["--trainer.enable_progress_bar", "false"]
LIGHTNING = {
    "fit": ["--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1", *QUIET],
    "validate": QUIET,
    "test": QUIET,
    "predict": QUIET,
}
# Minutes, no end, a download, or data, checkpoints and teachers of the reader.
LONG = {"adapt", "bench", "compare", "distill", "generate", "pretrain", "serve", "teach", "tune", "vectors"}


def run_command(line: str, further: Mapping[str, Sequence[str]] | None = None) -> None:
    """Run one line of a block in `sh`; `further` are options for a verb, beside those that make it quick."""
    words = [STAND_INS.get(word, word) for word in shlex.split(line, comments=True)]
    if not words:
        return
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
    elif words[0] == "python":
        # Another library's, or the reader's data.
        if words[1:3] != ["-m", "gensim.scripts.word2vec_standalone"]:
            compile(words[2] if words[1] == "-c" else (ROOT / words[1]).read_text(), line, "exec")
    elif words[0] == "pip":
        check_pip(words, line)
    else:
        assert words[0] == "textcnn", line
        run_verb(words[1], words[2:], line, further or {})


def check_pip(words: Sequence[str], line: str) -> None:
    """Hold a command of pip to what there is to install."""
    assert words[1] == "install", line
    for word in words[2:]:
        if word.startswith("-"):
            continue
        name, _, extra = word.rstrip("]").partition("[")
        assert name in (".", "textcnn") or (ROOT / name).is_file(), line
        assert not extra or f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8"), line


def run_verb(verb: str, words: Sequence[str], line: str, further: Mapping[str, Sequence[str]]) -> None:
    """Run a verb, or read its options where it takes minutes."""
    if "--help" in (verb, *words):
        with pytest.raises(SystemExit, match="0") if words else contextlib.nullcontext():
            main([verb, *words])
    elif verb in JOBS:
        check_names(verb, words)
        with contextlib.suppress(SystemExit) if "--print_config" in words else contextlib.nullcontext():
            main([verb, *words, *([] if "--print_config" in words else LIGHTNING[verb]), *further.get(verb, [])])
    else:
        assert verb in VERBS, line
        if verb in LONG or any("sentence-transformers/" in word for word in words):
            read_options(verb, words)
        else:
            quick = QUICK.get(verb, [])
            if "--init" in words:  # the network is the other run's
                quick = [word for word in quick if word not in ("--num_filters", "8")]
            main([verb, *words, *quick, *further.get(verb, [])])


def read_options(verb: str, words: Sequence[str]) -> None:
    """Read the options of a verb without running it: unknown, missing and unusable ones are errors."""
    module = importlib.import_module(f"textcnn.cli.{verb}")
    if verb != "bench":
        module.VERB.read(words)
        return
    what, *rest = words
    if what == "accuracy":
        rest, recipe = module._split_recipe(rest)
        check_names("fit", recipe)
    module.VERBS[what].read(rest)
