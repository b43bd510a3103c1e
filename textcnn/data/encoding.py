"""Texts tokenised once, kept as two flat arrays, cached on disk and read memory-mapped.

Text b has the token ids ids[offsets[b]:offsets[b+1]].
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..runtime.digests import digest_of_file
from ..runtime.unfinished import unfinished_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from ..runtime.tokenizer import ReferenceTokenizer

CACHE_FROM = 5_000  # fewer texts than this are quicker to tokenise again than to look after
CHUNK = 4_096  # texts handed to the tokenizer at a time
FORMAT = "2"  # part of the cache key: raise it when the meaning of a cached file changes


@dataclass(frozen=True)
class EncodedTexts:
    """Token ids of all texts: ids [sum of lengths] int32, offsets [N + 1] int64; cut [N]
    bool: which texts were longer than max_length."""

    ids: np.ndarray
    offsets: np.ndarray
    cut: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, lengths: np.ndarray, cut: np.ndarray) -> EncodedTexts:
        """Build from the ids of all texts, one after the other, and the length of each."""
        return cls(ids, _offsets(lengths), cut)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text [N]."""
        return np.diff(self.offsets)

    def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of the texts in `rows` [B], one after the other, and their lengths [B]."""
        where, lengths = run_positions(self.offsets, rows)
        return self.ids[where], lengths


def run_positions(offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the elements of the runs `rows`, [sum of lengths], and the lengths [B].

    Run b is the positions offsets[b] to offsets[b + 1] - 1.

    >>> run_positions(np.array([0, 2, 5]), np.array([1, 0]))
    (array([2, 3, 4, 0, 1]), array([3, 2]))
    """
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - (ends - lengths), lengths), lengths


def text_chunks(texts: pa.ChunkedArray, size: int = CHUNK) -> Iterator[list[str]]:
    """Yield lists of at most `size` strings, in order; a null becomes the empty string."""
    for chunk in texts.chunks:
        for start in range(0, len(chunk), size):
            yield [text or "" for text in chunk.slice(start, size).to_pylist()]


def encoder(tokenizer: PreTrainedTokenizerFast) -> ReferenceTokenizer:
    """Return the fastest encoder of a tokenizer: its compiled tables, or `tokenizers` where it has none."""
    from ..runtime.tokenizer import CompiledTokenizer, NotCompiled, ReferenceTokenizer
    from ..tokenization import tokenizer_json

    text = tokenizer_json(tokenizer)
    try:
        return CompiledTokenizer(text)
    except NotCompiled:
        return ReferenceTokenizer(text)


def encode_chunk(
    texts: list[str], encode: ReferenceTokenizer, max_length: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids int32, one text after the other, lengths [N] int64 and the mask of cut texts [N]."""
    ids, offsets = encode.encode_batch(texts)
    lengths = np.diff(offsets)
    cut = np.zeros(len(lengths), dtype=bool)
    if max_length is not None:
        cut = lengths > max_length
        place = np.arange(len(ids)) - np.repeat(offsets[:-1], lengths)
        ids = ids[place < max_length]
        lengths = np.minimum(lengths, max_length)
    return ids, lengths, cut


def encode_texts(
    texts: pa.ChunkedArray, tokenizer: PreTrainedTokenizerFast, max_length: int | None = None
) -> EncodedTexts:
    """Tokenise all texts, or read the result of an earlier run from the cache.

    From CACHE_FROM texts on, the arrays live in a folder of the datasets cache whose name is a
    fingerprint of the texts, the tokenizer and max_length; they are then read memory-mapped.
    """
    if len(texts) < CACHE_FROM:
        encode = encoder(tokenizer)
        parts = [encode_chunk(chunk, encode, max_length) for chunk in text_chunks(texts)]
        ids = [part[0] for part in parts] or [np.zeros(0, np.int32)]
        lengths = np.concatenate([part[1] for part in parts] or [np.zeros(0, np.int64)])
        cut = np.concatenate([part[2] for part in parts] or [np.zeros(0, bool)])
        return EncodedTexts.of(np.concatenate(ids), lengths, cut)
    folder = cache_folder() / fingerprint(texts, tokenizer, max_length)
    cached = _open(folder, len(texts))
    if cached is None:
        _write(folder, texts, tokenizer, max_length)
        cached = _open(folder, len(texts))
        if cached is None:  # pragma: no cover - a disk that loses what it was given
            raise OSError(f"the token cache {folder} cannot be read back; delete it and try again")
    return cached


def cache_folder() -> Path:
    """Return the folder of encoded texts: `textcnn` under the cache directory of `datasets`."""
    from datasets import config

    return Path(config.HF_DATASETS_CACHE) / "textcnn"


def fingerprint(texts: pa.ChunkedArray, tokenizer: PreTrainedTokenizerFast, max_length: int | None) -> str:
    """Return a name for (texts, tokenizer, max_length) that does not depend on how the texts are chunked."""
    contents, lengths = hashlib.sha256(), hashlib.sha256()
    for chunk in text_chunks(texts):
        encoded = [text.encode() for text in chunk]
        contents.update(b"".join(encoded))
        lengths.update(np.array([len(text) for text in encoded], dtype=np.int64).tobytes())
    backend = tokenizer.backend_tokenizer
    key = [FORMAT, contents.hexdigest(), lengths.hexdigest(), str(max_length)]
    key += [str(backend.encode_special_tokens), backend.to_str()]
    return hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]


def _offsets(lengths: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _write(
    folder: Path,
    texts: pa.ChunkedArray,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int | None,
) -> None:
    """Write beside `folder`, then rename: a run that dies in between leaves nothing to be read."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(folder.parent, folder.name) as scratch:
        all_lengths, all_cut = [], []
        encode = encoder(tokenizer)
        with (scratch / "ids.bin").open("wb") as file:
            for chunk in text_chunks(texts):
                flat, lengths, cut = encode_chunk(chunk, encode, max_length)
                flat.tofile(file)
                all_lengths.append(lengths)
                all_cut.append(cut)
            _flush(file)
        offsets = _offsets(np.concatenate(all_lengths))
        for name, array in (("offsets.npy", offsets), ("cut.npy", np.concatenate(all_cut))):
            with (scratch / name).open("wb") as file:
                np.save(file, array)
                _flush(file)
        with (scratch / "digests.txt").open("wb") as file:
            file.write(_digests(scratch).encode())
            _flush(file)
        if _open(folder, len(texts)) is None:  # else: another process was quicker
            shutil.rmtree(folder, ignore_errors=True)
            scratch.rename(folder)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _digests(folder: Path) -> str:
    """Return the digests of the files of a cache; a token id that has changed would be read as another word."""
    return " ".join(digest_of_file(folder / name) for name in ("ids.bin", "offsets.npy", "cut.npy"))


def _open(folder: Path, count: int) -> EncodedTexts | None:
    """Return the arrays of a cache folder, or None where it is absent or damaged."""
    try:
        if (folder / "digests.txt").read_bytes() != _digests(folder).encode():
            return None
        offsets = np.load(folder / "offsets.npy", allow_pickle=False)
        cut = np.load(folder / "cut.npy", allow_pickle=False)
        size = (folder / "ids.bin").stat().st_size
    except (OSError, ValueError, EOFError):
        return None
    if len(offsets) != count + 1 or len(cut) != count or size != 4 * int(offsets[-1]):
        return None
    if size == 0:  # an empty file cannot be mapped
        return EncodedTexts(np.zeros(0, np.int32), offsets, cut)
    return EncodedTexts(np.memmap(folder / "ids.bin", dtype=np.int32, mode="r"), offsets, cut)
