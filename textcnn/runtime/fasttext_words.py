"""Words of a text as fastText reads them, through the compiled core: rows of the table, hashes, n-grams and subwords.

Shapes: `N` texts, `C` columns of the scores.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.library import WordsSpec, address, check, contiguous, last_error, library, taken
from .bag import Bag
from .tokenizer import Utf8Texts

END_OF_TEXT = "</s>"


class Features(NamedTuple):
    """Features of one text.

    words: [W, 3] first byte of each word, the byte after its last, and its row, -1 for an unknown word.
    features: [G, 5] row of the table, first word, number of words (0 for a subword of it), first byte, byte after the
        last.
    """

    words: NDArray[np.int64]
    features: NDArray[np.int64]


class FastTextWords:
    """The dictionary of a model, opened by the core.

    Args:
        settings: `fasttext` of config.json.
        tensors: word_bytes and word_ends: the words one after the other, in the order of their rows.
        labels: Tokens that are labels.

    Raises:
        ValueError: A tensor is missing, or a number does not fit.
    """

    def __init__(
        self, settings: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], labels: Sequence[bytes]
    ) -> None:
        for name, kind in (("word_bytes", np.int8), ("word_ends", np.int64)):
            if name not in tensors or tensors[name].dtype != kind or tensors[name].ndim != 1:
                raise ValueError(f"{name}: got none of type {np.dtype(kind)}; convert the model again")
        ends = contiguous(tensors["word_ends"], np.int64)
        data = tensors["word_bytes"].tobytes()
        if (len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any())) or (ends[-1] if len(ends) else 0) != len(data):
            raise ValueError("word_ends: got ends that do not fit word_bytes; convert the model again")
        self.count = len(ends)
        self._ends, self._data = ends, data
        all_ends = np.concatenate([ends, len(data) + np.cumsum([len(label) for label in labels], dtype=np.int64)])
        all_bytes = data + b"".join(labels)
        prefix = str(settings["skipped_prefix"]).encode()
        all_ends = contiguous(all_ends, np.int64)
        spec = WordsSpec(
            bytes=all_bytes,
            ends=address(all_ends),
            words=len(ends),
            labels=len(labels),
            prefix=prefix,
            prefix_bytes=len(prefix),
            buckets=int(settings["buckets"]),
            min_n=int(settings["min_n"]),
            max_n=int(settings["max_n"]),
        )
        core = library()
        self.handle = core.textcnn_words_open(ctypes.byref(spec))
        if not self.handle:
            raise last_error()
        weakref.finalize(self, core.textcnn_words_close, self.handle)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> bytes:
        return self._data[int(self._ends[row - 1]) if row else 0 : int(self._ends[row])]

    def row(self, word: str | bytes) -> int:
        """Return the row of a word; -1 for an unknown word, -2 for a label."""
        data = word if isinstance(word, bytes) else word.encode()
        return int(library().textcnn_words_row(self.handle, data, len(data)))

    def scores(
        self, bag: Bag, texts: Sequence[str] | Utf8Texts, threads: int = 1
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the scores [N, C] of texts, and the number of rows [N] that each is the mean of.

        Raises:
            ValueError: A text holds half of a surrogate pair.
        """
        count = len(texts.ends) if isinstance(texts, Utf8Texts) else len(texts)
        scores, counts = np.empty((count, bag.classes), dtype=np.float32), np.empty(count, dtype=np.int64)
        if count:
            encoded = texts if isinstance(texts, Utf8Texts) else Utf8Texts.of(texts)
            code = library().textcnn_words_logits(
                self.handle, bag.handle, encoded.address, address(encoded.ends), count, threads, address(scores),
                address(counts),
            )  # fmt: skip
            check(code)
        return scores, counts

    def label_of_text(self, bag: Bag, text: str) -> int:
        """Return the column with the largest score of one text."""
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = Utf8Texts.of([text]).data  # type: ignore[assignment]
        return check(library().textcnn_words_label(self.handle, bag.handle, data, len(data)))

    def features(self, bag: Bag, text: bytes) -> Features:
        """Return the words of a text and the rows that it adds."""
        words, features, count = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int64()
        found = library().textcnn_words_features(
            self.handle, bag.handle, text, len(text), ctypes.byref(words), ctypes.byref(count), ctypes.byref(features)
        )
        check(found)
        return Features(
            taken(words, 3 * count.value, np.int64).reshape(-1, 3), taken(features, 5 * found, np.int64).reshape(-1, 5)
        )

    def rows(self, texts: Utf8Texts, ngrams: int, threads: int = 1) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the rows of all texts, bucket b at `len(self) + b`, and where those of each text begin: [N + 1]."""
        offsets, memory = np.zeros(len(texts.ends) + 1, dtype=np.int64), ctypes.c_void_p()
        count = library().textcnn_words_rows(
            self.handle, ngrams, texts.address, address(texts.ends), len(texts.ends), threads, address(offsets),
            ctypes.byref(memory),
        )  # fmt: skip
        return taken(memory, check(count), np.int32), offsets

    def subwords(self, word: bytes) -> NDArray[np.int64]:
        """Return bucket, first byte and byte after the last of each subword of a word: [G, 3]."""
        places = ctypes.c_void_p()
        count = check(library().textcnn_words_subwords(self.handle, word, len(word), ctypes.byref(places)))
        return taken(places, 3 * count, np.int64).reshape(-1, 3)
