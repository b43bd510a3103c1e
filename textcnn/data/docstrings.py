"""The embedded data set: docstrings of the running Python's standard library, by chapter.

A text is the first paragraph of the docstring of a module, class, function or method; its label is
the chapter of the Library Reference (https://docs.python.org/3/library/) that documents the module.
The sources are read with `ast` and nothing is imported, so the set needs no network; its rows
depend on the Python that runs (about 7,000).
"""

from __future__ import annotations

import ast
import gc
import hashlib
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .chapters import CHAPTER_OF, CHAPTERS
from .errors import DataError

if TYPE_CHECKING:
    from datasets import DatasetDict

SPLITS = ("train", "validation", "test")
MIN_WORDS = 3
MIN_TEXTS = 500  # any standard library with its sources has many times more
_NOT_DOCUMENTED = {"test", "tests", "idle_test", "__pycache__"}
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


def load(directory: str | os.PathLike[str] | None = None) -> DatasetDict:
    """Return train, validation and test (80/10/10) with the columns `text`, `label` (ClassLabel) and `name`.

    `name` is the object that the docstring belongs to.

    directory: a standard library; default: that of the running Python.
    Raises DataError where the standard library has no sources.

    >>> load()["train"].features["label"].names[:3]
    ['text processing', 'data types', 'numeric']
    """
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    root = Path(directory or sysconfig.get_path("stdlib"))
    rows = distinct_texts(read_docstrings(root))
    if len(rows) < MIN_TEXTS:
        raise DataError(
            f"the standard library in {root} has {len(rows)} docstrings; expected its .py sources; "
            "install Python with its sources, or give a file or data set as the path"
        )
    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=list(CHAPTERS)),
            "name": Value("string"),
        }
    )
    columns: dict[str, dict[str, list[str]]] = {split: {"text": [], "label": [], "name": []} for split in SPLITS}
    for text, chapter, name in rows:
        split = columns[split_of(text)]
        split["text"].append(text)
        split["label"].append(chapter)
        split["name"].append(name)
    return DatasetDict({split: Dataset.from_dict(columns[split], features=features) for split in SPLITS})


def read_docstrings(root: Path) -> list[tuple[str, str, str]]:
    """Return (first paragraph, chapter, qualified name) of all documented objects below `root`, in the
    order of the files' names."""
    rows = []
    collecting = gc.isenabled()
    gc.disable()  # syntax trees have no cycles; looking for some takes half of the time
    try:
        for file, module in _sources(root):
            chapter = CHAPTER_OF[module.partition(".")[0]]
            for name, docstring in _documented(file, module):
                text = " ".join(_PARAGRAPH.split(docstring.strip(), maxsplit=1)[0].split())
                rows.append((text, chapter, name))
    finally:
        if collecting:
            gc.enable()
    return rows


def distinct_texts(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return each text once, ignoring case, without very short texts and those that occur in several chapters."""
    chapters: dict[str, set[str]] = {}
    for text, chapter, _ in rows:
        chapters.setdefault(text.casefold(), set()).add(chapter)
    kept: dict[str, tuple[str, str, str]] = {}
    for row in rows:
        key = row[0].casefold()
        if len(key.split()) >= MIN_WORDS and len(chapters[key]) == 1:
            kept.setdefault(key, row)
    return list(kept.values())


def split_of(text: str) -> str:
    """Return the split of a text, by its hash: the same in every Python that has the text."""
    share = int.from_bytes(hashlib.sha256(text.casefold().encode()).digest()[:8]) % 10
    return "test" if share == 0 else "validation" if share == 1 else "train"


def _sources(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield (file, module name) of the sources whose chapter is known."""
    for folder, folders, files in os.walk(root):
        inside = Path(folder).relative_to(root).parts
        if inside and inside[0] not in CHAPTER_OF:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in _NOT_DOCUMENTED)
        for file in sorted(files):
            if file.endswith(".py"):
                stem = file.removesuffix(".py")
                module = ".".join(inside if stem == "__init__" else (*inside, stem))
                if module.partition(".")[0] in CHAPTER_OF:
                    yield Path(folder, file), module


def _documented(file: Path, module: str) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, docstring) of a module and of its definitions."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid escape sequence" is not ours to report
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # a file that Python itself could not import either
    pending: list[tuple[ast.AST, str]] = [(tree, module)]
    while pending:
        node, name = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield name, docstring
        children: list[tuple[ast.AST, str]] = []
        for field in ("body", "handlers", "orelse", "finalbody"):
            for child in getattr(node, field, None) or ():
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    children.append((child, f"{name}.{child.name}"))
                elif isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
                    children.append((child, name))
        pending.extend(reversed(children))
