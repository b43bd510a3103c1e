"""The embedded data set, on the Python that runs and on a small library written here."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest

from textcnn.data import docstrings
from textcnn.data.chapters import CHAPTER_OF, CHAPTERS
from textcnn.data.errors import DataError


@pytest.fixture(scope="module")
def embedded() -> datasets.DatasetDict:
    return docstrings.load()


def test_size_columns_and_classes(embedded: datasets.DatasetDict) -> None:
    sizes = {split: len(rows) for split, rows in embedded.items()}
    assert list(sizes) == ["train", "validation", "test"]
    assert 5_000 < sum(sizes.values()) < 9_000
    assert 0.78 < sizes["train"] / sum(sizes.values()) < 0.82
    for rows in embedded.values():
        assert rows.column_names == ["text", "label", "name"]
        assert rows.features["label"] == datasets.ClassLabel(names=list(CHAPTERS))
        assert set(rows["label"][:]) == set(range(9))


def test_texts_are_one_line_and_in_one_split_only(embedded: datasets.DatasetDict) -> None:
    texts = [text.casefold() for rows in embedded.values() for text in rows["text"][:]]
    assert len(set(texts)) == len(texts)
    assert all(text == " ".join(text.split()) and len(text.split()) >= 3 for text in texts)


def test_a_known_docstring(embedded: datasets.DatasetDict) -> None:
    rows = [row for split in embedded.values() for row in split if row["name"] == "threading.Thread.join"]
    assert [row["text"] for row in rows] == ["Wait until the thread terminates."]
    assert embedded["train"].features["label"].int2str(rows[0]["label"]) == "concurrency"


def test_the_same_every_time_and_quick(embedded: datasets.DatasetDict) -> None:
    start = time.perf_counter()
    again = docstrings.load()
    assert time.perf_counter() - start < 20  # some 2 seconds where nothing else runs
    assert all(again[split][:] == embedded[split][:] for split in embedded)


def test_nothing_is_imported() -> None:
    code = (
        "import sys; from pathlib import Path; import sysconfig; from textcnn.data import docstrings; "
        "library = Path(sysconfig.get_path('stdlib')); before = set(sys.modules); "
        "docstrings.read_docstrings(library); "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_module_belongs_to_one_chapter_and_most_are_named() -> None:
    assert len(CHAPTER_OF) == sum(len(modules.split()) for modules in CHAPTERS.values())
    internal = {"idlelib", "this", "antigravity", "turtledemo", "pydoc_data", "lib2to3", "nturl2path"}
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")} - internal
    assert len(public & set(CHAPTER_OF)) > 0.85 * len(public)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A standard library of four modules, one of them broken and one undocumented."""
    (tmp_path / "json" / "tests").mkdir(parents=True)
    (tmp_path / "json" / "__init__.py").write_text('"""Read and write\n   JSON texts.\n\n   More."""\n')
    (tmp_path / "json" / "tests" / "a.py").write_text('"""A test is not documented."""\n')
    (tmp_path / "queue.py").write_text(
        'class Queue:\n    """A queue\tof things."""\n    async def get(self):\n        """Take the next thing."""\n'
        'try:\n    import x\nexcept ImportError:\n    def put():\n        """Add another thing."""\n'
        'def both():\n    """In two chapters."""\ndef twice():\n    """TAKE THE next thing."""\n'
        'def short():\n    """Too short."""\n'
    )
    (tmp_path / "re.py").write_text('def both():\n    """In two chapters."""\n')
    (tmp_path / "socket.py").write_text('def broken(:\n    """Not Python at all."""\n')
    (tmp_path / "site.py").write_bytes(b'"""\xff is not UTF-8."""\n')
    (tmp_path / "unknown.py").write_text('"""Nobody knows this module."""\n')
    return tmp_path


def test_reading_of_a_small_library(library: Path) -> None:
    rows = docstrings.distinct_texts(docstrings.read_docstrings(library))
    assert rows == [
        ("A queue of things.", "concurrency", "queue.Queue"),
        ("Take the next thing.", "concurrency", "queue.Queue.get"),
        ("Add another thing.", "concurrency", "queue.put"),
        ("Read and write JSON texts.", "persistence and parsing", "json"),
    ]


def test_a_library_without_sources_is_one_clear_line(library: Path) -> None:
    with pytest.raises(DataError, match=r"has 4 docstrings; expected its \.py sources") as caught:
        docstrings.load(library)
    assert "\n" not in str(caught.value)
