"""Texts are tokenised as the tokenizer does it, and once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from textcnn.data import encoding
from textcnn.data.encoding import encode_texts, fingerprint, run_positions
from textcnn.tokenization import train_tokenizer

TEXTS = ["good film", "", "a bad film and a bad plot", None, "[PAD] good", "漢字 🎬"]


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "CACHE_FROM", 1)


def _column(texts: list[str | None], *, chunks: int = 2, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    size = -(-len(texts) // chunks)
    parts = [pa.array(texts[i : i + size], kind or pa.string()) for i in range(0, len(texts), size)]
    return pa.chunked_array(parts)


@pytest.mark.parametrize("cache_from", [1, 100])
@pytest.mark.parametrize("max_length", [None, 2])
def test_ids_are_those_of_the_tokenizer(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, cache_from: int, max_length: int | None
) -> None:
    monkeypatch.setattr(encoding, "CACHE_FROM", cache_from)
    monkeypatch.setattr(encoding, "CHUNK", 2)
    full = [tokenizer(text or "")["input_ids"] for text in TEXTS]
    for _ in range(2):  # the second time from the cache
        encoded = encode_texts(_column(TEXTS), tokenizer, max_length)
        rows = np.array([4, 0, 1, 2, 5, 3, 2])
        ids, lengths = encoded.gather(rows)
        assert ids.tolist() == [token for row in rows for token in full[row][:max_length]]
        assert lengths.tolist() == [len(full[row][:max_length]) for row in rows]
        assert encoded.cut.tolist() == [max_length is not None and len(text) > max_length for text in full]


@pytest.mark.usefixtures("cached")
def test_tokenised_once(tokenizer: Any, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    first = encode_texts(_column(TEXTS), tokenizer)
    assert len(list(cache.iterdir())) == 1

    def forbidden(*_: Any) -> None:
        raise AssertionError("tokenised a second time")

    monkeypatch.setattr(encoding, "encode_chunk", forbidden)
    second = encode_texts(_column(TEXTS, chunks=3), tokenizer)
    assert isinstance(second.ids, np.memmap)
    np.testing.assert_array_equal(second.ids, first.ids)
    with pytest.raises(AssertionError, match="second time"):
        encode_texts(_column(TEXTS), tokenizer, 1)


def test_fingerprint_depends_on_texts_tokenizer_and_length_only(tokenizer: Any) -> None:
    name = fingerprint(_column(TEXTS), tokenizer, None)
    assert name == fingerprint(_column(TEXTS, chunks=6, kind=pa.large_string()), tokenizer, None)
    others = [
        fingerprint(_column(["good", "filmbad"]), tokenizer, None),
        fingerprint(_column(["goodfilm", "bad"]), tokenizer, None),
        fingerprint(_column(TEXTS), tokenizer, 5),
        fingerprint(_column(TEXTS), train_tokenizer([], kind="byte"), None),
    ]
    assert len({name, *others}) == 5


@pytest.mark.usefixtures("cached")
def test_an_interrupted_write_leaves_nothing_to_be_read(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            encode_texts(_column(TEXTS), tokenizer)
    assert list(cache.iterdir()) == []
    assert len(encode_texts(_column(TEXTS), tokenizer)) == len(TEXTS)


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("name", ["ids.bin", "offsets.npy", "cut.npy"])
def test_a_damaged_cache_is_made_again(tokenizer: Any, cache: Path, name: str) -> None:
    first = np.array(encode_texts(_column(TEXTS), tokenizer).ids)
    file = next(cache.iterdir()) / name
    os.truncate(file, file.stat().st_size - 4)
    np.testing.assert_array_equal(encode_texts(_column(TEXTS), tokenizer).ids, first)


@pytest.mark.usefixtures("cached")
def test_texts_without_any_token(tokenizer: Any) -> None:
    for _ in range(2):
        ids, lengths = encode_texts(_column(["", None]), tokenizer).gather(np.array([1, 0]))
        assert ids.tolist() == []
        assert lengths.tolist() == [0, 0]


def test_run_positions_of_no_rows() -> None:
    where, lengths = run_positions(np.array([0, 2]), np.zeros(0, np.int64))
    assert where.tolist() == lengths.tolist() == []
