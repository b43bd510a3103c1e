"""Access to the compiled core through its C interface; the interpreter's lock is released meanwhile."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import weakref
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import build

_ABI = 4
# Smaller arrays of the core are copied, which takes less time than looking after their memory.
_COPIED_BYTES = 1 << 16


class TablesSpec(ctypes.Structure):
    """`textcnn_tables_spec` of textcnn.h."""

    _fields_ = (
        *((name, c_int64) for name in ("vocab_size", "rows", "columns")),
        *(
            (name, c_void_p)
            for name in (
                "table", "row_of_id", "kernel_sizes", "num_filters", "scale", "bias", "norm_weight", "norm_bias",
                "head_weight", "head_bias",
            )
        ),
        ("norm_epsilon", c_double),
        *((name, c_int64) for name in ("widths", "features", "classes", "stride", "dilation")),
        *((name, c_int32) for name in ("is_int8", "padding", "activation", "means")),
        ("bag", c_void_p),
    )  # fmt: skip


class BagSpec(ctypes.Structure):
    """`textcnn_bag_spec` of textcnn.h."""

    _fields_ = (
        *((name, c_int64) for name in ("rows", "columns", "classes", "first_bucket_row", "buckets", "ngrams")),
        *((name, c_void_p) for name in ("table", "scale", "output", "row_of_bucket")),
        ("multiplier", c_double),
        *((name, c_int32) for name in ("is_int8", "pooling")),
    )


class WordsSpec(ctypes.Structure):
    """`textcnn_words_spec` of textcnn.h."""

    _fields_ = (
        ("bytes", c_char_p),
        ("ends", c_void_p),
        *((name, c_int64) for name in ("words", "labels")),
        ("prefix", c_char_p),
        *((name, c_int64) for name in ("prefix_bytes", "buckets")),
        *((name, c_int32) for name in ("min_n", "max_n")),
    )


class BagTrainingSpec(ctypes.Structure):
    """`textcnn_bag_training_spec` of textcnn.h."""

    _fields_ = (
        *((name, c_int64) for name in ("texts", "rows", "columns", "outputs")),
        *(
            (name, c_void_p)
            for name in (
                "offsets", "row_indices", "label_offsets", "labels", "input", "output", "path_begins", "path_nodes",
                "path_sides", "negatives",
            )
        ),
        *((name, c_int64) for name in ("negative_count", "negative_samples", "epoch", "epochs")),
        ("learning_rate", c_double),
        ("seed", c_uint64),
        ("loss", c_int32),
    )  # fmt: skip


class NgramMaxSpec(ctypes.Structure):
    """`textcnn_ngram_max_spec` of textcnn.h."""

    _fields_ = (
        *((name, c_int64) for name in ("texts", "tokens", "dim", "widths", "stride", "dilation")),
        *(
            (name, c_void_p)
            for name in ("index", "offsets", "kernel_sizes", "num_filters", "left", "right", "vectors", "weights")
        ),
        *((name, c_int32) for name in ("is_float64", "threads")),
    )


class RowsSpec(ctypes.Structure):
    """`textcnn_rows_spec` of textcnn.h."""

    _fields_ = (
        *((name, c_int64) for name in ("rows", "columns")),
        *((name, c_void_p) for name in ("weight", "mean", "square", "last")),
        ("is_float64", c_int32),
    )


# Result and arguments of each function; arrays are addresses.
_P, _I, _N, _D = c_void_p, c_int32, c_int64, c_double
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "textcnn_abi": (_I, ()),
    "textcnn_error": (c_char_p, ()),
    "textcnn_instructions": (c_char_p, ()),
    "textcnn_use_instructions": (_I, (c_char_p,)),
    "textcnn_digest": (c_uint64, (_P, c_size_t, c_uint64)),
    "textcnn_bag_open": (_P, (POINTER(BagSpec),)),
    "textcnn_bag_close": (None, (_P,)),
    "textcnn_bag_logits": (_I, (_P, _P, _P, _P, _P, _N, _I, _P)),
    "textcnn_bag_features": (_N, (_P, _P, _N, _P, _N, _P, _P, _P)),
    "textcnn_bag_values": (_I, (_P, _P, _N, _N, _P)),
    "textcnn_hash_of_word": (_I, (c_char_p, c_size_t)),
    "textcnn_hashes_of_ids": (_I, (_P, _N, _P)),
    "textcnn_words_open": (_P, (POINTER(WordsSpec),)),
    "textcnn_words_close": (None, (_P,)),
    "textcnn_words_row": (_I, (_P, c_char_p, c_size_t)),
    "textcnn_words_logits": (_I, (_P, _P, _P, _P, _N, _I, _P, _P)),
    "textcnn_words_label": (_N, (_P, _P, c_char_p, c_size_t)),
    "textcnn_words_features": (_N, (_P, _P, c_char_p, c_size_t, POINTER(_P), POINTER(_N), POINTER(_P))),
    "textcnn_words_subwords": (_N, (_P, c_char_p, c_size_t, POINTER(_P))),
    "textcnn_words_rows": (_N, (_P, _N, _P, _P, _N, _I, _P, POINTER(_P))),
    "textcnn_fasttext_open_memory": (_P, (c_char_p, c_size_t, c_char_p, c_size_t)),
    "textcnn_fasttext_close": (None, (_P,)),
    "textcnn_fasttext_words": (_P, (_P,)),
    "textcnn_fasttext_bag": (_P, (_P,)),
    "textcnn_train_bag": (_I, (POINTER(BagTrainingSpec), POINTER(_D))),
    "textcnn_tables_open": (_P, (POINTER(TablesSpec),)),
    "textcnn_tables_close": (None, (_P,)),
    "textcnn_logits_of_ids": (_I, (_P, _P, _P, _N, _I, _P, _P)),
    "textcnn_table_of_factors": (_I, (_P, _P, _N, _N, _N, _P)),
    "textcnn_winners": (_I, (_P, _P, _P, _N, _I, *[_P] * 7)),
    "textcnn_ngrams": (_N, (_P, _P, _N, *[_P] * 12)),
    "textcnn_bag_shares": (_N, (_P, _P, _N, _N, _P, _P, _P)),
    "textcnn_least_of_tokens": (_I, (_P, _P, _N, _N, _P, _P, _P, _P, _N, _I, _I, _P)),
    "textcnn_activate": (_I, (_P, _N, _I)),
    "textcnn_tokenizer_open": (_P, (c_char_p, c_size_t, POINTER(_I))),
    "textcnn_tokenizer_close": (None, (_P,)),
    "textcnn_tokenizer_vocab_size": (_N, (_P,)),
    "textcnn_byte_ends": (_I, (_P, _P, _N, _N, _P)),
    "textcnn_encode": (_N, (_P, _P, _P, _N, _I, _P, POINTER(_P))),
    "textcnn_spans": (_N, (_P, _P, c_size_t, POINTER(_P), POINTER(_P))),
    "textcnn_free": (None, (_P,)),
    "textcnn_label_of_text": (_N, (_P, _P, c_char_p, c_size_t)),
    "textcnn_logits_of_texts": (_I, (_P, _P, _P, _P, _N, _I, _P, _P)),
    "textcnn_open_memory": (_P, (c_char_p, c_size_t, c_char_p, c_size_t, c_char_p, c_size_t)),
    "textcnn_close": (None, (_P,)),
    "textcnn_classify": (_N, (_P, c_char_p, c_size_t, _P)),
    "textcnn_ngram_max": (_I, (POINTER(NgramMaxSpec), _P, _P, _P)),
    "textcnn_ngram_max_gradients": (_I, (POINTER(NgramMaxSpec), _P, _P, _D, _P, _P, _P)),
    "textcnn_catch_up_rows": (_I, (POINTER(RowsSpec), _P, _N, _N, _P, _P, _P, _N, _D)),
    "textcnn_step_rows": (_I, (POINTER(RowsSpec), _P, _N, _P, _N, _D, _D, _D, _D)),
}


@functools.cache
def library() -> ctypes.CDLL:
    """Return the compiled core; in a checkout it is built first where a source is newer.

    Raises:
        ImportError: there is no library, or it belongs to another version of this package.
    """
    if build.is_stale():
        try:
            build.build()
        except (OSError, RuntimeError) as error:
            raise ImportError(str(error)) from error
    try:
        core = ctypes.CDLL(str(build.LIBRARY))
    except OSError as error:
        raise ImportError(
            f"the compiled core cannot be opened ({error}); expected {build.LIBRARY.name} beside {build.FOLDER.name}; "
            "install the package again"
        ) from error
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(core, name)
        function.restype, function.argtypes = result, arguments
    if core.textcnn_abi() != _ABI:
        raise ImportError(
            f"the compiled core: got interface {core.textcnn_abi()}; expected {_ABI}; install the package again"
        )
    return core


def check(code: int) -> int:
    """Return the result of a function of the core; raise its error if the result is negative."""
    if code < 0:
        raise last_error()
    return code


def last_error() -> ValueError:
    """Return the message of the last error on this thread, as an exception."""
    # A message may quote a damaged file, whose bytes are no text.
    return ValueError(library().textcnn_error().decode("utf-8", "replace"))


def address(array: NDArray[Any] | None, dtype: Any = None) -> int | None:
    """Return the address of a contiguous array, for a function of the core; None for no array.

    Raises:
        ValueError: the array is not contiguous or has another type.
    """
    if array is None:
        return None
    if not array.flags.c_contiguous or (dtype is not None and array.dtype != dtype):
        raise ValueError(f"got an array of {array.dtype}, contiguous: {array.flags.c_contiguous}; expected {dtype}")
    # A third of the time of `array.ctypes.data`.
    return int(array.__array_interface__["data"][0])


def instructions() -> str:
    """Return the set of instructions that the kernels use on this machine."""
    return str(library().textcnn_instructions().decode())


def available_instructions() -> list[str]:
    """Return the sets of instructions that this machine has, the widest registers first."""
    names = []
    for name in build.instruction_sets():
        with contextlib.suppress(ValueError), instructions_of(name):
            names.append(name)
    return names


@contextlib.contextmanager
def instructions_of(name: str) -> Iterator[None]:
    """Use another set of instructions meanwhile, for a test or a measurement.

    Raises:
        ValueError: this machine or this build lacks them.
    """
    before = instructions()
    check(library().textcnn_use_instructions(name.encode()))
    try:
        yield
    finally:
        check(library().textcnn_use_instructions(before.encode()))


def taken(memory: c_void_p, count: int, dtype: Any) -> NDArray[Any]:
    """Return an array that the core has made; its memory is freed with it."""
    size = count * np.dtype(dtype).itemsize
    if size < _COPIED_BYTES:
        array = np.empty(count, dtype=dtype)
        ctypes.memmove(array.ctypes.data, memory, size)
        library().textcnn_free(memory)
        return array
    own = (ctypes.c_char * size).from_address(memory.value)
    weakref.finalize(own, library().textcnn_free, memory)
    return np.frombuffer(own, dtype=dtype)


def contiguous(array: Any, dtype: Any) -> NDArray[Any]:
    """Return an array as the core reads it: contiguous, aligned and of that type; copied only where it is not."""
    return np.require(array, dtype=dtype, requirements=["C_CONTIGUOUS", "ALIGNED"])
