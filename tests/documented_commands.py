"""Commands that README and documentation show: those that take seconds run here, of the others the verb must exist."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from textcnn.cli import VERBS, main

ROOT = Path(__file__).parent.parent
# Word vectors and Hub names that a reader has and a test has not.
STAND_INS = {
    "glove.6B.300d.txt": "vectors.txt",
    "[minilm-vectors, glove.6B.100d.txt, reviews.vec]": "[vectors.txt, vectors.txt]",
}


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
        elif words[1] in ("adapt", "bench", "distill", "teach") or any("sentence-transformers/" in w for w in words):
            # Minutes, and a download; the data, the checkpoint and the teacher are the reader's.
            assert words[1] in VERBS
        else:
            main([*words[1:], *(further or {}).get(words[1], [])])
