"""Text bytes to token ids, for tokenizers whose words end where the class of a character says so.

One pass over the bytes: a word is gathered in two registers (and a buffer, for the few that are longer than 16
bytes) while its characters are normalised, and looked up when it ends.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from .characters import (
    ADDED,
    BLOCK,
    BLOCK_BITS,
    BYTES,
    EXPANDS,
    ISOLATED,
    LETTER,
    MOVABLE,
    SEPARATOR,
    SPACE_RUN,
    SYMBOL,
    UNITS,
    UNSURE,
    WORD_START,
)
from .jit import kernel
from .letter_run import UNLIKE, letters_at, store_eight
from .word_lookup import (
    FINISHED,
    LETTERS,
    LIMIT,
    NEEDS_BLOCK,
    NEEDS_REFERENCE,
    NEEDS_ROOM,
    NOTHING_MISSED,
    begins_added_token,
    decode,
    emit_slowly,
)
from .word_table import find_short, id_count_of, word_keys

_U32, _LOW32 = np.uint64(32), np.uint64(0xFFFFFFFF)


@kernel()
def tokenize(
    data, ends, first_text, settings, prefix, suffix, ascii_class, ascii_byte, maybe_added, added, added_ends,
    block_of, records, pool, first_pieces, next_pieces, memory, word, misses, miss_counters, start_word,
    out, offsets, result,
):  # fmt: skip
    """Ids of the texts from `first_text` on, to `out` from offsets[first_text]; stops where it needs help.

    data: bytes of all texts; text n ends at ends[n]. memory: the words met before, this thread's own.
    result: why it stopped, at which text, for which code point, and the first text with words to ask for.
    """
    slots = first_pieces[0]
    memory_slots = memory[0]
    memory_ids = memory[1]
    limit = settings[LIMIT]
    letters = settings[LETTERS]
    data_at, word_at = data.ctypes.data, word.ctypes.data
    at = offsets[first_text]
    miss_counters[:] = 0
    missed = 0
    result[3] = NOTHING_MISSED
    for n in range(first_text, ends.size):
        position = ends[n - 1] if n > 0 else 0
        end = ends[n]
        text_at = at
        if at + prefix.size + suffix.size > out.size:
            result[0], result[1] = NEEDS_ROOM, n
            return
        for i in range(prefix.size):
            out[at + i] = prefix[i]
        at += prefix.size
        length = 0
        k0 = np.uint64(0)
        k1 = np.uint64(0)
        joins = LETTER  # the class that goes on with the present word, or ISOLATED for none
        space_pending = False
        any_word = False
        units_left = 0
        unit_at = 0
        pieces_at = 0  # bytes of a unit that go out one by one
        pieces_end = 0
        if start_word.size and end > position:
            # Metaspace: the text begins as if it followed a space, unless it does.
            begins = data[position] == 0x20
            if not begins and end - position >= start_word.size:
                begins = True
                for i in range(start_word.size):
                    begins = begins and data[position + i] == start_word[i]
            if not begins:
                for i in range(start_word.size):
                    word[i] = start_word[i]
                length = start_word.size
                k0, k1 = word_keys(word, 0, length)
        while True:
            # 1. The next character: its class and where its normalised bytes are.
            flush = False
            stop = False
            add_from_pool = -1
            add_size = 0
            add_byte = np.uint8(0)
            kind = SEPARATOR
            whole_word = -1
            if pieces_at < pieces_end:
                kind = ISOLATED
                add_size = 1
                add_byte = pool[pieces_at]
                pieces_at += 1
            elif units_left > 0:
                kind = np.int64(pool[unit_at])
                add_size = np.int64(pool[unit_at + 1])
                add_from_pool = unit_at + 2
                unit_at = add_from_pool + add_size
                units_left -= 1
            elif position >= end:
                stop = True
                flush = True
            else:
                byte = data[position]
                if byte < 0x80:
                    flags = ascii_class[byte]
                    if flags == LETTER and joins == LETTER:
                        # The run of letters, with nothing else to look at: eight at a time where a word begins.
                        if length == 0 and letters != UNLIKE and position + 8 <= end:
                            k0, length = letters_at(data_at + position, letters)
                            store_eight(word_at, k0)
                            position += length
                            if length == 8 and position + 8 <= end:
                                k1, more = letters_at(data_at + position, letters)
                                store_eight(word_at + 8, k1)
                                length += more
                                position += more
                        while position < end and length < word.size - 8:
                            byte = data[position]
                            if ascii_class[byte] != LETTER:
                                break
                            if length < 8:
                                k0 |= np.uint64(ascii_byte[byte]) << np.uint64(8 * length)
                            elif length < 16:
                                k1 |= np.uint64(ascii_byte[byte]) << np.uint64(8 * (length - 8))
                            word[length] = ascii_byte[byte]
                            length += 1
                            position += 1
                        if length >= word.size - 8:
                            result[0], result[1] = NEEDS_REFERENCE, n
                            return
                        continue
                    if flags & ADDED and begins_added_token(data, position, end, added, added_ends):
                        result[0], result[1] = NEEDS_REFERENCE, n
                        return
                    kind = np.int64(flags & 0x1F)
                    if kind != EXPANDS:
                        add_size = 1
                        add_byte = ascii_byte[byte]
                        position += 1
                if byte >= 0x80 or kind == EXPANDS:
                    if maybe_added[byte] and begins_added_token(data, position, end, added, added_ends):
                        result[0], result[1] = NEEDS_REFERENCE, n
                        return
                    code, position = decode(data, position)
                    block = block_of[code >> BLOCK_BITS]
                    if block < 0:
                        result[0], result[1], result[2] = NEEDS_BLOCK, n, code
                        return
                    record = np.int64(records[block, code & (BLOCK - 1)])
                    if record < 0:
                        kind = ISOLATED
                        whole_word = ~record
                    else:
                        if pool[record] & MOVABLE:
                            result[0], result[1] = NEEDS_REFERENCE, n
                            return
                        units_left = np.int64(pool[record] & UNITS) - 1
                        if units_left < 0:
                            units_left = 0
                            continue
                        kind = np.int64(pool[record + 1])
                        add_size = np.int64(pool[record + 2])
                        add_from_pool = record + 3
                        unit_at = add_from_pool + add_size

            # 2. What its class means for the word so far.
            if stop:
                flush = True
            elif kind in (LETTER, SYMBOL):
                flush = joins != kind
            elif kind == UNSURE:
                result[0], result[1] = NEEDS_REFERENCE, n
                return
            elif kind == BYTES:
                pieces_at, pieces_end = add_from_pool, add_from_pool + add_size
                continue
            else:
                flush = True
            if flush and length > 0:
                # 3. The word is complete: most are in the fixed table, as one token.
                slot = -1
                known = -1
                if length <= 16:
                    slot = find_short(slots, k0, k1, length)
                    if slot < 0:
                        known = find_short(memory_slots, k0, k1, length)
                if slot >= 0 and at < out.size:
                    out[at] = np.int32(slots[slot, 3])
                    at += 1
                elif known >= 0 and at + id_count_of(memory_slots[known, 2]) + 2 <= out.size:
                    count = id_count_of(memory_slots[known, 2])
                    payload = memory_slots[known, 3]
                    if count <= 2:
                        out[at] = np.int32(payload & _LOW32)
                        out[at + 1] = np.int32(payload >> _U32)
                    else:
                        for i in range(count):
                            out[at + i] = memory_ids[np.int64(payload) + i]
                    at += count
                else:
                    count = emit_slowly(
                        word,
                        length,
                        k0,
                        k1,
                        settings,
                        first_pieces,
                        next_pieces,
                        memory,
                        misses,
                        miss_counters,
                        out,
                        at,
                    )
                    if count < 0:
                        result[0], result[1] = NEEDS_ROOM, n
                        return
                    at += count
                length = 0
                k0 = np.uint64(0)
                k1 = np.uint64(0)
                any_word = True
            if stop:
                break

            # 4. The character itself.
            if whole_word >= 0:
                if at >= out.size:
                    result[0], result[1] = NEEDS_ROOM, n
                    return
                out[at] = np.int32(whole_word)
                at += 1
                joins = LETTER
                continue
            if kind == SEPARATOR:
                joins = LETTER
                continue
            if kind == SPACE_RUN:
                space_pending = any_word
                continue
            joins = LETTER if kind == WORD_START else kind
            if space_pending:
                space_pending = False
                word[0] = 0x20
                count = emit_slowly(
                    word, 1, np.uint64(0x20), k1, settings, first_pieces, next_pieces, memory, misses, miss_counters,
                    out, at,
                )  # fmt: skip
                if count < 0:
                    result[0], result[1] = NEEDS_ROOM, n
                    return
                at += count
            if length + add_size > word.size - 8:
                result[0], result[1] = NEEDS_REFERENCE, n
                return
            for i in range(add_size):
                byte = add_byte if add_from_pool < 0 else pool[add_from_pool + i]
                if length < 8:
                    k0 |= np.uint64(byte) << np.uint64(8 * length)
                elif length < 16:
                    k1 |= np.uint64(byte) << np.uint64(8 * (length - 8))
                word[length] = byte
                length += 1
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
            result[0], result[1] = NEEDS_ROOM, n
            return
        for i in range(suffix.size):
            out[at + i] = suffix[i]
        at += suffix.size
        offsets[n + 1] = at
    result[0], result[1] = FINISHED, ends.size
