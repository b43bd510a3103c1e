"""Commands that README and documentation show: those that take seconds run here, of the others the verb must exist."""

from __future__ import annotations

import contextlib
import importlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from textcnn.cli import VERBS, bench, main

ROOT = Path(__file__).parent.parent
# Word vectors and Hub names that a reader has and a test has not.
STAND_INS = {
    "glove.6B.300d.txt": "vectors.txt",
    "minilm-vectors": "vectors.txt",
    "glove.6B.100d.txt": "vectors.txt",
    "reviews.vec": "vectors.txt",
}


def read_line(words: Sequence[str]) -> None:
    """Reads a command line without running it."""
    verb, *rest = words
    assert verb in VERBS
    if verb == "bench":
        if rest[0] != "accuracy":
            bench.VERBS[rest[0]].read(rest[1:])
        return
    importlib.import_module(f"textcnn.cli.{verb}").VERB.read(rest)


def run_command(line: str, further: Mapping[str, Sequence[str]] | None = None) -> None:
    """Runs one line of a block in `sh`; `further` are options that make a verb quick."""
    words = [STAND_INS.get(word, word) for word in shlex.split(line, comments=True)]
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
    elif words[0] == "python":
        # Minutes, and another library's; the data are the reader's.
        if words[1:3] != ["-m", "gensim.scripts.word2vec_standalone"]:
            compile(words[2] if words[1] == "-c" else (ROOT / words[1]).read_text(), line, "exec")
    elif words[0] == "pip":
        assert words == ["pip", "install", "-c", "constraints.txt", "."]
        assert (ROOT / "constraints.txt").is_file()
    else:
        assert words[0] == "textcnn", line
        if words[-1] == "--help":
            with pytest.raises(SystemExit, match="0") if len(words) > 2 else contextlib.nullcontext():
                main(words[1:])
        elif words[1] in ("bench", "distill", "pretrain", "teach") or any("sentence-transformers/" in w for w in words):
            # Minutes, and a download; the data, the checkpoint and the teacher are the reader's. The line is read.
            read_line(words[1:])
        else:
            main([*words[1:], *(further or {}).get(words[1], [])])
