"""Hash tables from the bytes of a word to its token ids, shared by Python and the kernels.

A slot is four 64-bit numbers, half a cache line: the word's first 16 bytes (exactly the word, for most words), its
length with the number of ids, and the ids themselves where there are at most two. Longer words keep their bytes in
a pool and are compared with them: no answer rests on a hash alone.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .jit import kernel

# Words longer than this are never stored.
LONGEST_WORD = 0xFFFF
_MOST_IDS = 0xFFFF

_M1 = np.uint64(0x9E3779B97F4A7C15)
_M2 = np.uint64(0xD6E8FEB86659FD93)
_U8, _U16, _U32, _U48 = np.uint64(8), np.uint64(16), np.uint64(32), np.uint64(48)
_LOW16, _LOW32 = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)


def new_table(words: int, long_bytes: int | None = None) -> tuple[np.ndarray, ...]:
    """An empty table for that many words: slots [S, 4], ids of long entries, bytes of long words, counters."""
    slots = 16
    while slots < 2 * words:
        slots *= 2
    return (
        np.zeros((slots, 4), dtype=np.uint64),
        np.zeros(4 * words + 16, dtype=np.int32),
        np.zeros((8 * words if long_bytes is None else long_bytes) + 64, dtype=np.uint8),
        np.zeros(3, dtype=np.int64),
    )


def build_table(words: Iterable[tuple[bytes, int]]) -> tuple[np.ndarray, ...]:
    """A table of words that are one token each."""
    words = [(word, number) for word, number in words if 0 < len(word) <= LONGEST_WORD]
    table = new_table(len(words) + 1, sum(len(word) for word, _ in words if len(word) > 16))
    insert_words(table, [word for word, _ in words], [[number] for _, number in words])
    return table


def insert_words(table: tuple[np.ndarray, ...], words: list[bytes], ids: list[list[int]]) -> bool:
    """Stores words and their ids; False where one is too large for the table."""
    data = np.frombuffer(b"".join(words), dtype=np.uint8)
    flat = np.array([number for numbers in ids for number in numbers], dtype=np.int32)
    ends = np.cumsum([len(word) for word in words], dtype=np.int64)
    id_ends = np.cumsum([len(numbers) for numbers in ids], dtype=np.int64)
    return bool(_insert_words(table, data, ends, flat, id_ends))


@kernel()
def _insert_words(table, data, ends, ids, id_ends):
    stored = True
    begin = 0
    first_id = 0
    for i in range(ends.size):
        word = data[begin : ends[i]]
        k0, k1 = word_keys(word, 0, word.size)
        stored &= insert(table, word, word.size, k0, k1, ids[first_id : id_ends[i]], id_ends[i] - first_id)
        begin, first_id = ends[i], id_ends[i]
    return stored


@kernel(inline="always")
def id_count_of(meta):
    """How many ids an entry holds, from its third number."""
    return np.int64((meta >> _U16) & _LOW16)


@kernel(inline="always")
def first_slot(k0, k1, length, mask):
    """Where the search for a word begins."""
    mixed = (k0 ^ (k1 * _M2) ^ np.uint64(length)) * _M1
    return np.int64((mixed ^ (mixed >> _U32)) & np.uint64(mask))


@kernel(inline="always")
def find_short(slots, k0, k1, length):
    """Slot of a word of at most 16 bytes, or -1; inlined, because it runs for every word."""
    mask = slots.shape[0] - 1
    slot = first_slot(k0, k1, length, mask)
    while slots[slot, 2] != 0:
        if slots[slot, 0] == k0 and slots[slot, 1] == k1 and np.int64(slots[slot, 2] & _LOW16) == length:
            return slot
        slot = (slot + 1) & mask
    return -1


@kernel()
def word_keys(word, begin, end):
    """The first 16 bytes of word[begin:end] as two numbers; of longer words, a hash and the first eight bytes."""
    k0 = np.uint64(0)
    k1 = np.uint64(0)
    length = end - begin
    for i in range(min(length, 8)):
        k0 |= np.uint64(word[begin + i]) << np.uint64(8 * i)
    for i in range(8, min(length, 16)):
        k1 |= np.uint64(word[begin + i]) << np.uint64(8 * (i - 8))
    if length > 16:
        for i in range(8, length):
            k1 = (k1 ^ np.uint64(word[begin + i])) * _M1
            k1 ^= k1 >> _U32
    return k0, k1


@kernel()
def find(table, word, begin, length, k0, k1):
    """Slot of word[begin:begin + length], or -1."""
    slots, _, pool, _ = table
    mask = slots.shape[0] - 1
    slot = first_slot(k0, k1, length, mask)
    while True:
        meta = slots[slot, 2]
        if meta == 0:
            return -1
        if slots[slot, 0] == k0 and slots[slot, 1] == k1 and np.int64(meta & _LOW16) == length:
            if length <= 16:
                return slot
            at = np.int64(meta >> _U32)
            same = True
            for i in range(length):
                if pool[at + i] != word[begin + i]:
                    same = False
                    break
            if same:
                return slot
        slot = (slot + 1) & mask


@kernel()
def insert(table, word, length, k0, k1, ids, count):
    """Stores the ids of a word that is not in the table; a table that is full forgets everything first.

    Returns whether it was stored: entries too large for the table are not.
    """
    slots, id_pool, pool, counters = table
    mask = slots.shape[0] - 1
    long_ids = count if count > 2 else 0
    long_bytes = length if length > 16 else 0
    if length > LONGEST_WORD or count > _MOST_IDS or long_ids > id_pool.size or long_bytes > pool.size:
        return False
    if (
        2 * (counters[0] + 1) > slots.shape[0]
        or counters[1] + long_ids > id_pool.size
        or counters[2] + long_bytes > pool.size
    ):
        slots[:] = 0
        counters[:] = 0
    slot = first_slot(k0, k1, length, mask)
    while slots[slot, 2] != 0:
        slot = (slot + 1) & mask
    slots[slot, 0] = k0
    slots[slot, 1] = k1
    meta = np.uint64(length) | (np.uint64(count) << _U16)
    if long_bytes:
        meta |= np.uint64(counters[2]) << _U32
        for i in range(length):
            pool[counters[2] + i] = word[i]
        counters[2] += length
    slots[slot, 2] = meta
    if long_ids:
        slots[slot, 3] = np.uint64(counters[1])
        for i in range(count):
            id_pool[counters[1] + i] = ids[i]
        counters[1] += count
    else:
        payload = np.uint64(0)
        for i in range(count):
            payload |= np.uint64(ids[i]) << np.uint64(32 * i)
        slots[slot, 3] = payload
    counters[0] += 1
    return True


@kernel()
def read_ids(table, slot, out, at):
    """Copies the ids of a slot to out[at:]; returns how many there are."""
    slots, id_pool, _, _ = table
    count = id_count_of(slots[slot, 2])
    payload = slots[slot, 3]
    if count <= 2:
        for i in range(count):
            out[at + i] = np.int32((payload >> np.uint64(32 * i)) & _LOW32)
    else:
        start = np.int64(payload)
        for i in range(count):
            out[at + i] = id_pool[start + i]
    return count


@kernel()
def id_count(table, slot):
    """How many ids a slot holds."""
    return id_count_of(table[0][slot, 2])
