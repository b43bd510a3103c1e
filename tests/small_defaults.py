"""Smaller defaults of a run: the vectors and the data set that ship with the package, and the steps.

A run with the shipped vectors reads, folds and writes 30,522 rows, which takes seconds where the data takes none. The
small copy has the same files and a tenth of the tokens.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from textcnn.data import defaults, docstrings, tokenizer_choice
from textcnn.vectors import shipped
from textcnn.vectors.shipped import ENGLISH

# BERT's vocabulary begins with the special tokens, characters and frequent words.
FIRST = 3000
# Less frequent words of the texts that tests make.
WORDS = "lovely awful dull boring wonderful hated mess plot acting liked film fun tedious delightful terrible superb"


def write_small_vectors(folder: Path) -> Path:
    """Write the copy, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in ENGLISH.iterdir():
        if path.name not in ("tokenizer.json", "model.safetensors"):
            shutil.copy(path, folder)
    tokenizer = json.loads((ENGLISH / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = tokenizer["model"]["vocab"]
    words = set(WORDS.split())
    kept = [
        token for token in sorted(vocab, key=vocab.get)
        if (vocab[token] < FIRST and not token.startswith("[unused")) or token in words
    ]  # fmt: skip
    tokenizer["model"]["vocab"] = {token: row for row, token in enumerate(kept)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    tensors = load_file(ENGLISH / "model.safetensors")
    tensors["embeddings"] = tensors["embeddings"][[vocab[token] for token in kept]]
    save_file(tensors, folder / "model.safetensors")
    return folder


@contextlib.contextmanager
def shipped_from(folder: Path) -> Iterator[None]:
    """Let the package take what ships with it from another folder."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (shipped, tokenizer_choice):
            patch.setattr(module, "ENGLISH", folder)
        shipped.shipped_tokenizer.cache_clear()
        yield
    shipped.shipped_tokenizer.cache_clear()


@contextlib.contextmanager
def short_runs(rows: int, held_out: int, steps: int) -> Iterator[None]:
    """Let the embedded data set have fewer rows, and a run without a number of epochs fewer steps.

    Args:
        rows: Rows of the train split.
        held_out: Rows of the other splits.
        steps: Steps that a run takes at least.
    """
    data = docstrings.load()
    for split in data:
        data[split] = data[split].shuffle(seed=0).select(range(rows if split == "train" else held_out))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docstrings, "load", lambda: data)
        patch.setattr(defaults, "STEPS", steps)
        patch.setattr(defaults, "EPOCHS", 1)
        yield
