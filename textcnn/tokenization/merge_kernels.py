"""The tokens that byte-pair merges make of counted words, as the trainer of `tokenizers` finds them.

Sennrich et al. 2016, https://arxiv.org/abs/1508.07909. The order is that of tokenizers' BpeTrainer, ties included: the
most frequent pair, of equally frequent ones that with the lowest ids. Words come with their counts, where that trainer
has to be fed every copy, and lie in flat arrays. A pair that appears in more words while it waits in the queue gets a
second entry there, which holds those words; so it does in that trainer, and the result can depend on it.

Shapes: `N` words, `S` characters of all words, `K` new tokens.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_U32, _LOW32 = np.uint64(32), np.uint64(0xFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def _jit(function: Any) -> Any:
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba finds no folder that it may write its cache to
        return numba.njit(nogil=True)(function)


@_jit
def _power_above(number):
    power = 16
    while power < number:
        power *= 2
    return power


@_jit
def _grown(array, size):
    """The array, or a copy twice as long as needed where it holds less than `size`."""
    if size <= array.size:
        return array
    grown = np.empty(2 * size, array.dtype)
    grown[: array.size] = array
    return grown


@_jit
def _pair_of(left, right):
    # One more than the ids, because 0 marks a free slot.
    return (np.uint64(left + 1) << _U32) | np.uint64(right + 1)


@_jit
def _find_pair(keys, pair):
    """Slot of a pair in the hash table, which it gets where it has none."""
    mask = np.uint64(keys.size - 1)
    mixed = pair * _MIX
    slot = (mixed ^ (mixed >> _U32)) & mask
    while keys[slot] != pair and keys[slot] != 0:
        slot = (slot + np.uint64(1)) & mask
    keys[slot] = pair
    return np.int64(slot)


@_jit
def _find_token(slots, pool, token_at, token_size, token_inside, at, size, inside):
    """Slot of the token pool[at : at + size] in the hash table, or the free slot where it belongs."""
    mixed = np.uint64(2 * size + inside)
    for i in range(size):
        mixed = (mixed ^ np.uint64(pool[at + i])) * _MIX
        mixed ^= mixed >> _U32
    mask = np.uint64(slots.size - 1)
    slot = mixed & mask
    while slots[slot] >= 0:
        token = slots[slot]
        if token_size[token] == size and token_inside[token] == inside:
            i = 0
            while i < size and pool[token_at[token] + i] == pool[at + i]:
                i += 1
            if i == size:
                break
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@_jit
def _before(count, pair, a, b):
    """Whether entry a leaves the queue before entry b."""
    return count[a] > count[b] or (count[a] == count[b] and pair[a] < pair[b])


@_jit
def _rise(queue, place, count, pair):
    """Puts the entry at a place of the queue, a binary heap, in front of those that leave later."""
    entry = queue[place]
    while place > 0 and _before(count, pair, entry, queue[(place - 1) // 2]):
        queue[place] = queue[(place - 1) // 2]
        place = (place - 1) // 2
    queue[place] = entry


@_jit
def _sink(queue, size, count, pair):
    """Puts the first entry of the queue behind those that leave earlier."""
    entry = queue[0]
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _before(count, pair, queue[child + 1], queue[child]):
            child += 1
        if not _before(count, pair, queue[child], entry):
            break
        queue[place] = queue[child]
        place = child
    queue[place] = entry


@_jit
def _appear(slot, n, count, total, waiting, word, link, sizes, touched):
    """Counts a pair that appears in word n, and notes the word. sizes: of the lists of notes and of touched slots."""
    total[slot] += count
    if waiting[slot] < 0:
        touched[sizes[1]] = slot
        sizes[1] += 1
    word[sizes[0]], link[sizes[0]] = n, waiting[slot]
    waiting[slot] = sizes[0]
    sizes[0] += 1


@_jit
def learn_tokens(symbols, starts, counts, characters, inside, vocab_size, min_frequency):
    """New tokens: their characters one after the other, where each begins [K + 1], and whether it goes on a word [K].

    symbols [S] int64: the ids of the words' characters, overwritten. starts [N + 1]: where each word begins. counts
    [N]. characters, inside [ids]: code point of each id that there is, -1 for none, and whether it goes on a word.
    """
    first_new = characters.size
    room = first_new + max(vocab_size - first_new, 0)
    # The characters of token t are pool[token_at[t] : token_at[t] + token_size[t]].
    pool, used = np.empty(16 * room, np.int32), first_new
    pool[:first_new] = characters
    token_at, token_size, token_inside = np.arange(room), np.ones(room, np.int64), np.zeros(room, np.int64)
    token_inside[:first_new] = inside
    slots = np.full(_power_above(4 * room), -1, np.int64)
    for token in range(first_new):
        if characters[token] >= 0:
            slots[_find_token(slots, pool, token_at, token_size, token_inside, token, 1, inside[token])] = token
    tokens = first_new

    # A merge takes a symbol away and makes at most two pairs, so that no list outgrows three items a symbol.
    most = 3 * symbols.size + 1
    keys = np.zeros(_power_above(2 * most), np.uint64)
    total = np.zeros(keys.size, np.int64)
    # The words that a pair has appeared in since it was last put into the queue: the head of a linked list.
    waiting = np.full(keys.size, -1, np.int64)
    word, link, touched, sizes = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.zeros(2, np.int64),
    )
    entry_count, entry_pair, entry_words = np.empty(most, np.int64), np.empty(most, np.uint64), np.empty(most, np.int64)
    queue = np.empty(most, np.int64)
    entries = queued = 0

    ends = starts[1:].copy()
    for n in range(ends.size):
        for i in range(starts[n], ends[n] - 1):
            slot = _find_pair(keys, _pair_of(symbols[i], symbols[i + 1]))
            _appear(slot, n, counts[n], total, waiting, word, link, sizes, touched)

    while True:
        for t in range(sizes[1]):
            slot = touched[t]
            if total[slot] > 0:
                entry_count[entries], entry_pair[entries], entry_words[entries] = total[slot], keys[slot], waiting[slot]
                queue[queued] = entries
                _rise(queue, queued, entry_count, entry_pair)
                entries += 1
                queued += 1
            waiting[slot] = -1
        sizes[1] = 0
        if tokens >= vocab_size or queued == 0:
            break
        entry = queue[0]
        pair = entry_pair[entry]
        current = total[_find_pair(keys, pair)]
        if entry_count[entry] != current:
            entry_count[entry] = current
            _sink(queue, queued, entry_count, entry_pair)
            continue
        if current < max(min_frequency, 1):
            break
        queued -= 1
        queue[0] = queue[queued]
        _sink(queue, queued, entry_count, entry_pair)

        left, right = np.int64(pair >> _U32) - 1, np.int64(pair & _LOW32) - 1
        size = token_size[left] + token_size[right]
        pool = _grown(pool, used + size)
        for i in range(token_size[left]):
            pool[used + i] = pool[token_at[left] + i]
        for i in range(token_size[right]):
            pool[used + token_size[left] + i] = pool[token_at[right] + i]
        slot = _find_token(slots, pool, token_at, token_size, token_inside, used, size, token_inside[left])
        if slots[slot] < 0:
            slots[slot] = tokens
            token_at[tokens], token_size[tokens], token_inside[tokens] = used, size, token_inside[left]
            used += size
            tokens += 1
        merged = slots[slot]

        note = entry_words[entry]
        while note >= 0:
            n = word[note]
            note = link[note]
            begin = starts[n]
            out = begin
            i = begin
            while i < ends[n]:
                if i + 1 < ends[n] and symbols[i] == left and symbols[i + 1] == right:
                    if out > begin:
                        total[_find_pair(keys, _pair_of(symbols[out - 1], left))] -= counts[n]
                        slot = _find_pair(keys, _pair_of(symbols[out - 1], merged))
                        _appear(slot, n, counts[n], total, waiting, word, link, sizes, touched)
                    if i + 2 < ends[n]:
                        total[_find_pair(keys, _pair_of(right, symbols[i + 2]))] -= counts[n]
                        slot = _find_pair(keys, _pair_of(merged, symbols[i + 2]))
                        _appear(slot, n, counts[n], total, waiting, word, link, sizes, touched)
                    symbols[out] = merged
                    i += 2
                else:
                    symbols[out] = symbols[i]
                    i += 1
                out += 1
            ends[n] = out
    at = np.append(token_at[first_new:tokens], used)
    return pool[first_new:used], at - first_new, token_inside[first_new:tokens]
