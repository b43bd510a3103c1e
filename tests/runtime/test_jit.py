"""Compiled kernels are kept on disk, and never outlive a change of any file they may depend on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import textcnn.runtime


def test_a_change_of_any_file_makes_the_cache_void(tmp_path: Path) -> None:
    package = tmp_path / "textcnn" / "runtime"
    shutil.copytree(Path(textcnn.runtime.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package.parent / "__init__.py").touch()
    code = """
import numpy
from textcnn.runtime.word_lookup import byte_ends
byte_ends(numpy.zeros(3, numpy.uint8), numpy.array([1, 2]))
print(sum(byte_ends.stats.cache_hits.values()))
"""
    # Where numba keeps its cache must not be shared with other runs.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}

    def hits() -> int:
        command = [sys.executable, "-c", code]
        return int(subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=True).stdout)

    assert hits() == 0
    assert hits() == 1
    os.utime(package / "characters.py", (1, 1))
    assert hits() == 0
