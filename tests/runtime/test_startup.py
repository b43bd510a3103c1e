"""What is left out at the start of a process, and that nothing is left switched off."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from folded_models import make_model, word_tokenizer

from textcnn.fold import fold
from textcnn.runtime.startup import collection_paused


def run(code: str, *arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True).stdout


def test_a_label_needs_no_linear_algebra(tmp_path: Path) -> None:
    fold(make_model(), word_tokenizer(), int8=True).save(tmp_path)
    code = "import sys, textcnn; textcnn.load(sys.argv[1]).predict(['w2 w3']); print('scipy.linalg' in sys.modules)"
    assert run(code, str(tmp_path)).strip() == "False"


def test_functions_that_need_linear_algebra_still_find_it() -> None:
    pytest.importorskip("scipy")
    code = """
import numpy, textcnn.runtime.jit, numba
print(numba.njit(lambda a: (a @ a)[0, 0] + numpy.correlate(a[0], a[1])[0])(numpy.full((2, 2), 2.0)))
"""
    assert float(run(code)) == 16


def test_garbage_is_collected_again_afterwards() -> None:
    assert gc.isenabled()
    with collection_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), collection_paused():
        raise KeyError
    assert gc.isenabled()


def test_garbage_is_not_collected_where_it_was_not_before() -> None:
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
