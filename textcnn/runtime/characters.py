"""What a tokenizer makes of each code point: its normalised form, cut into units with a class each.

Nothing here knows Unicode: `tokenizers` itself is asked, once for each block of code points that a text needs, so
that the answers are those of the installed version. Normalisers that are functions of one code point only.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

# Classes of a unit, which say how it joins its neighbours to words.
LETTER = 0  # goes on with the present word
SEPARATOR = 1  # ends the word and is dropped
ISOLATED = 2  # a word of its own
SPACE_RUN = 3  # a run of these between two words is the one word " "
BYTES = 4  # each byte is a word of its own
SYMBOL = 5  # goes on with the present word if that is one of symbols
WORD_START = 6  # begins a new word
UNSURE = 7  # depends on its neighbours in a way that is not compiled
# Only in byte-level splitting: the classes of GPT-2's regular expression.
GPT_LETTER, GPT_NUMBER, GPT_SPACE, GPT_OTHER = 8, 9, 10, 11
# In tables of ASCII characters: the record has to be read; an added token may begin here.
EXPANDS, ADDED = 31, 0x80
# Flags of a code point, in the first byte of its record.
MOVABLE = 0x80  # its marks may change places with those of its neighbours
UNITS = 0x7F

BLOCK_BITS = 9
BLOCK = 1 << BLOCK_BITS
_BLOCKS = 0x110000 >> BLOCK_BITS
# No normaliser makes a digit out of something else, so it can stand between two characters.
_FENCE = "0"

Classify = Callable[[list[str]], list[int]]


class CharacterTable:
    """Records of code points, filled block by block.

    A record is, in `pool`: the number of units with the flags, then for each unit its class, its length and its
    UTF-8 bytes. A code point that is a word of its own and one token has ~id in the place of its record's address. A
    kernel may read `tables` while another thread adds a block: that writes beyond all records that the kernel knows
    of, and then puts new tables in place of the old.

    Args:
        normalize: A normaliser's normalize_str, or None; must be a function of one code point at a time.
        classify: Classes of single normalised characters.
        reorders: Whether the normaliser sorts combining marks.
        token_id: The id of a word that is one token, or None.
    """

    def __init__(
        self,
        normalize: Callable[[str], str] | None,
        classify: Classify,
        reorders: bool,
        token_id: Callable[[bytes], int | None],
    ) -> None:
        self._normalize = normalize
        self._classify = classify
        self._reorders = reorders
        self._token_id = token_id
        self._lock = Lock()
        self.tables = (
            np.full(_BLOCKS, -1, dtype=np.int32),
            np.zeros((4, BLOCK), dtype=np.int32),
            np.zeros(16 * BLOCK, dtype=np.uint8),
        )
        self._blocks_used = self._pool_used = 0
        self.load(0)

    def load(self, code_point: int) -> None:
        """Adds the block of a code point, unless it is there."""
        block = code_point >> BLOCK_BITS
        with self._lock:
            block_of, records, pool = self.tables
            if block_of[block] >= 0:
                return
            starts, added = self._records(block)
            row, at = self._blocks_used, self._pool_used
            self._blocks_used += 1
            self._pool_used += len(added)
            records, pool = _grown(records, self._blocks_used), _grown(pool, self._pool_used)
            records[row] = np.where(starts < 0, starts, starts + at)
            pool[at : self._pool_used] = added
            block_of = block_of.copy()
            block_of[block] = row
            self.tables = (block_of, records, pool)

    def _records(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        # Surrogates cannot occur in UTF-8; anything may stand for them.
        characters = [chr(c) if not 0xD800 <= c < 0xE000 else " " for c in range(block * BLOCK, (block + 1) * BLOCK)]
        forms = characters if self._normalize is None else _each(self._normalize, characters)
        units = sorted({unit for form in forms for unit in form})
        classes = dict(zip(units, self._classify(units), strict=True)) if units else {}
        movable = self._movable(units, characters)
        records = bytearray()
        starts = np.empty(BLOCK, dtype=np.int64)
        for i, form in enumerate(forms):
            whole = None if not movable.isdisjoint(form) else self._whole_word(form, classes)
            if whole is not None:
                starts[i] = ~whole
                continue
            starts[i] = len(records)
            records.append(len(form) | (MOVABLE if not movable.isdisjoint(form) else 0))
            for unit in form:
                encoded = unit.encode()
                records += bytes((classes[unit], len(encoded)))
                records += encoded
        return starts, np.frombuffer(bytes(records), dtype=np.uint8)

    def _whole_word(self, form: str, classes: dict[str, int]) -> int | None:
        """The id of a code point that makes one word, whatever stands beside it, and one token."""
        kept = [unit for unit in form if classes[unit] != SEPARATOR]
        if len(kept) != 1:
            return None
        # One unit among separators, or one that is always alone.
        fenced = classes[form[0]] == classes[form[-1]] == SEPARATOR and classes[kept[0]] == LETTER
        return self._token_id(kept[0].encode()) if fenced or classes[kept[0]] == ISOLATED else None

    def _movable(self, units: list[str], characters: list[str]) -> frozenset[str]:
        """Units that canonical ordering may move: those that change places with a mark of a higher class."""
        if not self._reorders:
            return frozenset()
        from tokenizers import normalizers

        decompose = normalizers.NFD().normalize_str
        # U+0345 is the only mark of the highest combining class, 240.
        return frozenset(
            unit for unit, form in zip(units, _each(decompose, ["\u0345" + unit for unit in units]), strict=True)
            if not form.startswith("\u0345")
        )  # fmt: skip


def _grown(array: np.ndarray, rows: int) -> np.ndarray:
    """The array itself if it has so many rows, else a copy with room for more."""
    if rows <= len(array):
        return array
    grown = np.zeros((2 * rows, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown


def _each(function: Callable[[str], str], strings: list[str]) -> list[str]:
    """The function of each string, in one call where they can be told apart afterwards."""
    results = function(_FENCE + _FENCE.join(strings) + _FENCE).split(_FENCE)[1:-1]
    if len(results) == len(strings):
        return results
    return [function(string) for string in strings]


def pre_tokenizer_classes(pre_tokenizer: Any, symbols: bool) -> Classify:
    """Asks a pre-tokenizer that cuts between characters by their classes only.

    Args:
        symbols: It has two kinds of words (Whitespace: word characters, and all others).
    """

    def classify(characters: list[str]) -> list[int]:
        # Each character between two letters: it joins them, vanishes, or stands alone.
        pieces = pre_tokenizer.pre_tokenize_str("a" + "a".join(characters) + "a")
        classes = [SEPARATOR] * len(characters)
        for _, (begin, end) in pieces:
            for position in range(begin, end):
                if position % 2:
                    alone = end - begin == 1
                    classes[position // 2] = (SYMBOL if symbols else ISOLATED) if alone else LETTER
        return classes

    return classify


def fixed_class(number: int) -> Classify:
    """All characters are of one class."""
    return lambda characters: [number] * len(characters)


def space_run_classes(whitespace: str) -> Classify:
    """Isolated characters and runs of white space; `whitespace` is a regular expression."""
    from tokenizers import normalizers

    matches, strip = _matches(whitespace), normalizers.Strip().normalize_str

    def classify(characters: list[str]) -> list[int]:
        # What strip takes away at the ends of a text, but the expression does not know, is neither.
        stripped = [UNSURE if strip(character) == "" else ISOLATED for character in characters]
        return [SPACE_RUN if found else other for found, other in zip(matches(characters), stripped, strict=True)]

    return classify


def gpt_classes() -> Classify:
    """The classes of GPT-2's regular expression."""
    tests = [(_matches(r"\s"), GPT_SPACE), (_matches(r"\p{L}"), GPT_LETTER), (_matches(r"\p{N}"), GPT_NUMBER)]

    def classify(characters: list[str]) -> list[int]:
        classes = [GPT_OTHER] * len(characters)
        for matches, number in tests:
            for i, found in enumerate(matches(characters)):
                if found:
                    classes[i] = number
        return classes

    return classify


def metaspace_classes(replacement: str) -> Classify:
    """The replacement of the space begins a word."""
    return lambda characters: [WORD_START if character == replacement else LETTER for character in characters]


def _matches(expression: str) -> Callable[[list[str]], list[bool]]:
    from tokenizers import Regex, normalizers

    # A match becomes two characters, so that it shows whatever the character was.
    replace = normalizers.Replace(Regex(expression), "##").normalize_str
    return lambda characters: [len(replace(character)) == 2 for character in characters]
