"""Tokenizers by the text of a tokenizer.json: compiled by the core where its tables give exactly the same ids.

The core compiles BERT's pipeline and others whose words end where the class of a character says so, and byte-level
splitting, with WordPiece, WordLevel, BPE or Unigram inside the word. Anything else is left to the library `tokenizers`,
which is imported only then.

Shapes: `N` texts, `T` ids of all texts.
"""

from __future__ import annotations

import ctypes
import warnings
import weakref
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.library import address, check, last_error, library, taken

Encoded = tuple[NDArray[np.int32], NDArray[np.int64]]
Span = tuple[int, int]


class NotCompiled(Exception):
    """The pipeline does something that the tables cannot give exactly; the message says what."""


# The UTF-8 of a longer text that is ASCII is read where it lies.
_LONG_TEXT = 1 << 18
_utf8_of = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
_utf8_of.restype, _utf8_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_void_p)


class Utf8Texts(NamedTuple):
    """Texts one after the other in UTF-8: text n ends at byte ends[n]."""

    data: bytes | str
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Utf8Texts:
        """Encode texts.

        Raises:
            ValueError: a text holds half of a surrogate pair.
        """
        try:
            joined = texts[0] if len(texts) == 1 else "".join(texts)
            if len(joined) > _LONG_TEXT and joined.isascii():
                return cls(joined, np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)).cumsum())
            data = joined.encode()
        except UnicodeEncodeError:
            for position, text in enumerate(texts):
                _check_surrogates(text, position)
            raise
        if len(texts) == 1:
            return cls(data, np.array((len(data),), dtype=np.int64))
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        if len(data) == len(joined):
            return cls(data, lengths.cumsum())
        ends = np.empty_like(lengths)
        check(library().textcnn_byte_ends(data, address(lengths), len(texts), len(data), address(ends)))
        return cls(data, ends)

    @property
    def address(self) -> Any:
        """Address of the bytes, for the core."""
        return self.data if isinstance(self.data, bytes) else _utf8_of(self.data, None)


class ReferenceTokenizer:
    """The library `tokenizers` itself.

    Args:
        text: Content of a tokenizer.json. Its padding is left out, since padding never changes an answer.

    Raises:
        ValueError: the text is not a tokenizer.json.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.vocab_size = 1 + max(self.reference.get_vocab(with_added_tokens=True).values(), default=-1)

    @cached_property
    def reference(self) -> Any:
        """The tokenizer as `tokenizers` reads it."""
        import tokenizers

        try:
            reference = tokenizers.Tokenizer.from_str(self._text)
        except Exception as error:
            raise ValueError(f"tokenizer.json cannot be read: {error}; copy it again") from error
        reference.no_padding()
        return reference

    def encode_batch(self, texts: Sequence[str], threads: int = 1) -> Encoded:
        """Return the ids [T] of all texts, and where each text begins and ends: [N + 1].

        Raises:
            ValueError: a text holds half of a surrogate pair.
        """
        try:
            rows = [encoding.ids for encoding in self.reference.encode_batch_fast(list(texts))]
        except (TypeError, UnicodeEncodeError):
            for position, text in enumerate(texts):
                _check_surrogates(text, position)
            raise
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=offsets[-1]), offsets

    def spans(self, text: str) -> list[Span]:
        """Return the first character of each token of a text and the one after its last; (0, 0) for special tokens."""
        return list(self.reference.encode(text).offsets)


class CompiledTokenizer(ReferenceTokenizer):
    """The same ids from the compiled core. Any number of threads may use one object.

    Raises:
        NotCompiled: the tables cannot give exactly these ids.
        ValueError: the text is not a tokenizer.json.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        core = library()
        content = text.encode()
        compiled = ctypes.c_int32()
        self.handle = core.textcnn_tokenizer_open(content, len(content), ctypes.byref(compiled))
        if not self.handle:
            error = last_error()
            if not compiled.value:
                raise NotCompiled(str(error))
            raise ValueError(f"tokenizer.json cannot be read: {error}")
        weakref.finalize(self, core.textcnn_tokenizer_close, self.handle)
        self.vocab_size = int(core.textcnn_tokenizer_vocab_size(self.handle))

    def encode_batch(self, texts: Sequence[str], threads: int = 1) -> Encoded:
        """Return the ids [T] of all texts, and where each text begins and ends: [N + 1].

        Raises:
            ValueError: a text holds half of a surrogate pair.
        """
        offsets = np.zeros(len(texts) + 1, dtype=np.int64)
        if not len(texts):
            return np.zeros(0, dtype=np.int32), offsets
        encoded = Utf8Texts.of(texts)
        memory = ctypes.c_void_p()
        count = library().textcnn_encode(
            self.handle, encoded.address, address(encoded.ends), len(texts), threads, address(offsets),
            ctypes.byref(memory),
        )  # fmt: skip
        return taken(memory, check(count), np.int32), offsets

    def spans(self, text: str) -> list[Span]:
        """Return the first character of each token of a text and the one after its last; (0, 0) for special tokens."""
        encoded = Utf8Texts.of([text])
        ids, spans = ctypes.c_void_p(), ctypes.c_void_p()
        count = library().textcnn_spans(
            self.handle, encoded.address, len(encoded.data), ctypes.byref(ids), ctypes.byref(spans)
        )
        check(count)
        library().textcnn_free(ids)
        return [(int(begin), int(end)) for begin, end in taken(spans, 2 * count, np.int64).reshape(-1, 2)]


def compile_tokenizer(text: str) -> ReferenceTokenizer:
    """Return the fastest tokenizer that gives exactly the ids of a tokenizer.json.

    Warns:
        RuntimeWarning: nothing faster than `tokenizers` does, and why.
    """
    try:
        return CompiledTokenizer(text)
    except NotCompiled as reason:
        warnings.warn(
            f"this tokenizer.json is not compiled ({reason}): answers are the same, tokenizing is slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return ReferenceTokenizer(text)


def _check_surrogates(text: str, position: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"texts: got half of a surrogate pair in the text at position {position}, character {error.start}; "
            "expected Unicode text; clean it with text.encode('utf-8', 'replace').decode()"
        ) from None
