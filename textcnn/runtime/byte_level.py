"""Text bytes to token ids for byte-level BPE: GPT-2's regular expression as a loop, then a table of words.

The expression (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners") is
    's|'t|'re|'ve|'m|'ll|'d| ?[letters]+| ?[numbers]+| ?[others]+|\\s+(?!\\S)|\\s+
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from .characters import BLOCK, BLOCK_BITS, GPT_SPACE, MOVABLE, UNITS
from .jit import kernel
from .word_lookup import (
    FINISHED,
    LIMIT,
    NEEDS_BLOCK,
    NEEDS_REFERENCE,
    NEEDS_ROOM,
    NOTHING_MISSED,
    begins_added_token,
    decode,
    remember_miss,
)
from .word_table import LONGEST_WORD, find, id_count, read_ids, word_keys


@kernel()
def _contraction(text, starts, i, count):
    """Characters of the contraction that begins at character i, which is an apostrophe; 0 for none."""
    if i + 1 >= count:
        return 0
    first = text[starts[i + 1]]
    if first == 0x73 or first == 0x74 or first == 0x6D or first == 0x64:  # s t m d
        return 2
    if i + 2 >= count:
        return 0
    second = text[starts[i + 2]]
    if (first == 0x72 or first == 0x76) and second == 0x65:  # re ve
        return 3
    return 3 if first == 0x6C and second == 0x6C else 0  # ll


@kernel()
def _word_end(text, starts, kinds, i, count):
    """The character after the word that begins at character i."""
    if text[starts[i]] == 0x27:
        size = _contraction(text, starts, i, count)
        if size > 0:
            return i + size
    kind = kinds[i]
    if kind != GPT_SPACE:
        i += 1
        while i < count and kinds[i] == kind:
            i += 1
        return i
    if text[starts[i]] == 0x20 and i + 1 < count and kinds[i + 1] != GPT_SPACE:
        kind = kinds[i + 1]
        i += 2
        while i < count and kinds[i] == kind:
            i += 1
        return i
    # White space: all of it at the end of the text, else all but the last, which may belong to the next word.
    end = i + 1
    while end < count and kinds[end] == GPT_SPACE:
        end += 1
    return end - 1 if end < count and end - i > 1 else end


@kernel(allocates=True)
def tokenize_byte_level(
    data, ends, first_text, settings, add_prefix_space, prefix, suffix, maybe_added, added, added_ends,
    block_of, records, pool, memory, misses, miss_counters, out, offsets, result,
):  # fmt: skip
    """Ids of the texts from `first_text` on; as word_kernels.tokenize."""
    longest = 0
    for n in range(first_text, ends.size):
        longest = max(longest, ends[n] - (ends[n - 1] if n > 0 else 0))
    room = 2 * longest + 8
    text = np.empty(room, np.uint8)
    starts = np.empty(room + 1, np.int64)
    kinds = np.empty(room, np.uint8)
    limit = settings[LIMIT]
    at = offsets[first_text]
    miss_counters[:] = 0
    missed = 0
    result[3] = NOTHING_MISSED
    for n in range(first_text, ends.size):
        result[1] = n
        position = ends[n - 1] if n > 0 else 0
        end = ends[n]
        text_at = at
        if at + prefix.size + suffix.size > out.size:
            result[0] = NEEDS_ROOM
            return
        for i in range(prefix.size):
            out[at + i] = prefix[i]
        at += prefix.size

        # 1. Normalised characters, their classes, and where each begins.
        size = 0
        count = 0
        if add_prefix_space and end > position and data[position] != 0x20:
            text[0] = 0x20
            kinds[0] = GPT_SPACE
            starts[0] = 0
            size = 1
            count = 1
        while position < end:
            if maybe_added[data[position]] and begins_added_token(data, position, end, added, added_ends):
                result[0] = NEEDS_REFERENCE
                return
            code, position = decode(data, position)
            block = block_of[code >> BLOCK_BITS]
            if block < 0:
                result[0], result[2] = NEEDS_BLOCK, code
                return
            record = np.int64(records[block, code & (BLOCK - 1)])
            if pool[record] & MOVABLE:
                result[0] = NEEDS_REFERENCE
                return
            units = np.int64(pool[record] & UNITS)
            record += 1
            for _ in range(units):
                unit_size = np.int64(pool[record + 1])
                if size + unit_size > room:
                    result[0] = NEEDS_REFERENCE
                    return
                kinds[count] = pool[record]
                starts[count] = size
                count += 1
                for i in range(unit_size):
                    text[size + i] = pool[record + 2 + i]
                size += unit_size
                record += 2 + unit_size
        starts[count] = size

        # 2. Words, and their ids.
        i = 0
        while i < count:
            next_i = _word_end(text, starts, kinds, i, count)
            begin = starts[i]
            length = starts[next_i] - begin
            i = next_i
            if length > LONGEST_WORD:
                result[0] = NEEDS_REFERENCE
                return
            k0, k1 = word_keys(text, begin, begin + length)
            slot = find(memory, text, begin, length, k0, k1)
            if slot < 0:
                remember_miss(text, begin, length, misses, miss_counters)
                continue
            if at + id_count(memory, slot) > out.size:
                result[0] = NEEDS_ROOM
                return
            at += read_ids(memory, slot, out, at)
        if miss_counters[0] > missed:
            # Goes on, to ask for the words of many texts at once; this one is done again afterwards.
            missed = miss_counters[0]
            result[3] = min(result[3], n)
            if 2 * miss_counters[1] > misses.size:
                return
            at = text_at
            offsets[n + 1] = at
            continue
        if limit >= 0 and at - text_at - prefix.size > limit:
            at = text_at + prefix.size + limit
        if at + suffix.size > out.size:
            result[0] = NEEDS_ROOM
            return
        for i in range(suffix.size):
            out[at + i] = suffix[i]
        at += suffix.size
        offsets[n + 1] = at
    result[0], result[1] = FINISHED, ends.size
