"""What the tokenizing kernels share: reading UTF-8, words that are in no fixed table, and how they ask for help."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from .jit import kernel
from .tokenizer_json import ASK, UNKNOWN
from .word_table import find, find_short, id_count, insert, read_ids, word_keys

# Why a kernel stopped before the last text.
FINISHED, NEEDS_BLOCK, NEEDS_REFERENCE, NEEDS_ROOM = range(4)
# Place of the first text with a word to ask for, where there is none.
NOTHING_MISSED = np.iinfo(np.int64).max
# Entries of `settings`.
ON_MISS, UNKNOWN_ID, MAX_CHARACTERS, LIMIT, LONGEST_PIECE, LETTERS = range(6)

# Keeps the first n bytes of eight.
_LOW = np.array([(1 << (8 * n)) - 1 for n in range(8)] + [0xFFFFFFFFFFFFFFFF], dtype=np.uint64)


@kernel(allocates=True)
def byte_ends(data, lengths):
    """Where each text ends in UTF-8, given their lengths in characters."""
    ends = np.empty(lengths.size, np.int64)
    position = 0
    for n in range(lengths.size):
        for _ in range(lengths[n]):
            byte = data[position]
            position += 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        ends[n] = position
    return ends


@kernel()
def decode(data, position):
    """Code point at a position of UTF-8 bytes, and the position after it."""
    byte = np.int64(data[position])
    if byte < 0x80:
        return byte, position + 1
    second = np.int64(data[position + 1]) & 0x3F
    if byte < 0xE0:
        return (byte & 0x1F) << 6 | second, position + 2
    third = np.int64(data[position + 2]) & 0x3F
    if byte < 0xF0:
        return (byte & 0x0F) << 12 | second << 6 | third, position + 3
    return (byte & 0x07) << 18 | second << 12 | third << 6 | np.int64(data[position + 3]) & 0x3F, position + 4


@kernel()
def begins_added_token(data, position, end, added, added_ends):
    """Whether the bytes at a position are an added token."""
    begin = 0
    for i in range(added_ends.size):
        size = added_ends[i] - begin
        if position + size <= end:
            same = True
            for k in range(size):
                if data[position + k] != added[begin + k]:
                    same = False
                    break
            if same:
                return True
        begin = added_ends[i]
    return False


@kernel()
def _split_word(word, length, settings, first_pieces, next_pieces, out):
    """Ids of a word's longest pieces from left to right (WordPiece); the unknown id where none fits."""
    characters = 0
    for i in range(length):
        characters += (word[i] & 0xC0) != 0x80
    if characters > settings[MAX_CHARACTERS]:
        out[0] = settings[UNKNOWN_ID]
        return 1
    longest = settings[LONGEST_PIECE]
    count = 0
    begin = 0
    while begin < length:
        table = first_pieces if begin == 0 else next_pieces
        slots = table[0]
        k0, k1 = word_keys(word, begin, min(length, begin + 16))
        size = min(length - begin, longest)
        slot = -1
        while size > 0:
            if begin + size == length or (word[begin + size] & 0xC0) != 0x80:
                if size > 16:
                    h0, h1 = word_keys(word, begin, begin + size)
                    slot = find(table, word, begin, size, h0, h1)
                elif size > 8:
                    slot = find_short(slots, k0, k1 & _LOW[size - 8], size)
                else:
                    slot = find_short(slots, k0 & _LOW[size], np.uint64(0), size)
                if slot >= 0:
                    break
            size -= 1
        if slot < 0:
            out[0] = settings[UNKNOWN_ID]
            return 1
        out[count] = np.int32(slots[slot, 3])
        count += 1
        begin += size
    return count


@kernel()
def remember_miss(text, begin, length, misses, miss_counters):
    """Notes a word for Python to ask about: its length in two bytes, then the word."""
    at = miss_counters[1]
    miss_counters[0] += 1
    if at + length + 2 > misses.size:
        return
    misses[at] = length & 0xFF
    misses[at + 1] = length >> 8
    for i in range(length):
        misses[at + 2 + i] = text[begin + i]
    miss_counters[1] = at + length + 2


@kernel()
def emit_slowly(word, length, k0, k1, settings, first_pieces, next_pieces, memory, misses, miss_counters, out, at):
    """Writes the ids of a word that is not in the fixed table; returns how many, or -1 for want of room."""
    if length > 16:
        k0, k1 = word_keys(word, 0, length)
    slot = find(first_pieces, word, 0, length, k0, k1)
    if slot >= 0:
        if at + 1 > out.size:
            return -1
        return read_ids(first_pieces, slot, out, at)
    if settings[ON_MISS] == UNKNOWN:
        if at + 1 > out.size:
            return -1
        out[at] = settings[UNKNOWN_ID]
        return 1
    slot = find(memory, word, 0, length, k0, k1)
    if slot >= 0:
        if at + id_count(memory, slot) > out.size:
            return -1
        return read_ids(memory, slot, out, at)
    if settings[ON_MISS] == ASK:
        remember_miss(word, 0, length, misses, miss_counters)
        return 0
    if at + length > out.size:
        return -1
    count = _split_word(word, length, settings, first_pieces, next_pieces, out[at:])
    insert(memory, word, length, k0, k1, out[at:], count)
    return count
