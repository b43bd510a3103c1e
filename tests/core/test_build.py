"""The build of the core: a checkout compiles it again where a source has changed, and an installed wheel never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from textcnn.core import build


def test_a_changed_source_makes_the_library_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "__file__", str(tmp_path / "build.py"))
    target = tmp_path / "libtextcnn.so"
    names = ("kernels.cpp", "simd.hpp", "textcnn.h", "build.py")
    for name in names:
        (tmp_path / name).write_text("")
    assert build.is_stale(target)  # nothing is built yet
    target.write_text("")
    later = max((tmp_path / name).stat().st_mtime for name in names) + 10
    os.utime(target, (later, later))
    assert not build.is_stale(target)
    for number, name in enumerate(names, start=1):
        os.utime(tmp_path / name, (later + number, later + number))
        assert build.is_stale(target), name
        os.utime(target, (later + number, later + number))
    # Without sources there is nothing to compile.
    os.utime(tmp_path / "simd.hpp", (later + 99, later + 99))
    (tmp_path / "kernels.cpp").unlink()
    assert not build.is_stale(target)
