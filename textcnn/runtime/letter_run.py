"""A run of ASCII letters, eight bytes at a time: what most of most texts is made of.

The eight bytes of a 64-bit number are tested at once: adding to each byte what it lacks to reach 128 sets its highest
bit where it is at least a bound, and no byte carries into the next, because their own highest bits are off.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import kernel

# What a tokenizer does to ASCII letters: not all are parts of words (or not as they are), kept, or lower-cased.
UNLIKE, KEPT, LOWERED = range(3)

_EACH = 0x0101010101010101
_HIGH = np.uint64(0x80 * _EACH)
_LOW_BITS = np.uint64(0x7F * _EACH)
_CASE = np.uint64(0x20 * _EACH)
_FROM_A = np.uint64((0x80 - ord("a")) * _EACH)
_BEYOND_Z = np.uint64((0x80 - ord("z") - 1) * _EACH)


@intrinsic
def _load(typing_context, address):
    """The eight bytes at an address, which need not be a multiple of eight."""

    def generate(context, builder, signature, values):
        word = builder.load(builder.inttoptr(values[0], ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(types.int64), generate


@intrinsic
def store_eight(typing_context, address, number):
    """Writes a number as eight bytes to an address."""

    def generate(context, builder, signature, values):
        builder.store(values[1], builder.inttoptr(values[0], ir.IntType(64).as_pointer())).align = 1
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), generate


@intrinsic
def _trailing_zeros(typing_context, number):
    """How many of the lowest bits are 0; 64 for 0."""

    def generate(context, builder, signature, values):
        return builder.cttz(values[0], ir.IntType(1)(0))

    return types.uint64(types.uint64), generate


@kernel(inline="always")
def letters_at(address, letters):
    """The letters that begin at an address, as they are looked up, in a number; and how many of the eight they are."""
    text = _load(address)
    lowered = text | _CASE
    seven = lowered & _LOW_BITS
    is_letter = (seven + _FROM_A) & ~(seven + _BEYOND_Z) & ~text & _HIGH
    count = np.int64(_trailing_zeros(is_letter ^ _HIGH) >> np.uint64(3))
    word = lowered if letters == LOWERED else text
    if count < 8:
        word &= (np.uint64(1) << np.uint64(8 * count)) - np.uint64(1)
    return word, count
