"""Reads a tokenizer.json into the tables that the tokenizing kernels work on, or says why that cannot be exact."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import characters as classes
from .characters import CharacterTable, Classify
from .letter_run import KEPT, LOWERED, UNLIKE
from .tokenizer_json import (
    ASK,
    UNKNOWN,
    WORD_PIECES,
    NotCompiled,
    check_single_bytes,
    lowercased,
    only_step,
    read_added_tokens,
    read_metaspace,
    read_model,
    read_normalizer,
    read_post_processor,
    read_truncation,
)
from .word_table import build_table, insert_words, new_table

# Words that a thread remembers: those that WordPiece had to split, and all of BPE and Unigram.
_REMEMBERED_PIECES = 1 << 15
_REMEMBERED_ASKED = 1 << 16
_MISSES_BYTES = 1 << 16
# Texts after which asking for words is judged.
_TRIAL_TEXTS = 4096
_LONGEST_ASKED_WORD = 4096


@dataclass
class Pipeline:
    """A compiled pipeline: constants of the kernels, and whom to ask for what they do not know."""

    characters: CharacterTable
    byte_level: bool
    add_prefix_space: bool
    settings: np.ndarray
    prefix: np.ndarray
    suffix: np.ndarray
    added: np.ndarray
    added_ends: np.ndarray
    start_word: np.ndarray
    words: tuple[np.ndarray, ...]
    next_pieces: tuple[np.ndarray, ...]
    word_bytes: int
    model: Any
    alphabet: list[str] | None
    # A character after which any text can be cut, with its neighbour; None where that is never safe.
    cut: re.Pattern[str] | None

    def __post_init__(self) -> None:
        self.maybe_added = np.zeros(256, dtype=np.bool_)
        begin = 0
        for end in self.added_ends:
            self.maybe_added[self.added[begin]] = True
            begin = int(end)
        self.ascii_class, self.ascii_byte = _ascii_tables(self.characters, self.maybe_added)
        self.settings = np.append(self.settings, _letters(self.ascii_class, self.ascii_byte))
        self._kernel: Any
        if self.byte_level:
            from .byte_level import tokenize_byte_level

            self._kernel = tokenize_byte_level
        else:
            from .word_kernels import tokenize

            self._kernel = tokenize
        self.added_ids = len(self.prefix) + len(self.suffix)

    def run(self, data: Any, ends: Any, first: int, workspace: Workspace, out: Any, offsets: Any, result: Any) -> None:
        """Tokenizes texts from `first` on until something is needed; see word_kernels.tokenize."""
        tables = self.characters.tables
        if self.byte_level:
            self._kernel(
                data, ends, first, self.settings, self.add_prefix_space, self.prefix, self.suffix, self.maybe_added,
                self.added, self.added_ends, *tables, workspace.memory, workspace.misses, workspace.miss_counters,
                out, offsets, result,
            )  # fmt: skip
        else:
            self._kernel(
                data, ends, first, self.settings, self.prefix, self.suffix, self.ascii_class, self.ascii_byte,
                self.maybe_added, self.added, self.added_ends, *tables, self.words, self.next_pieces,
                workspace.memory, workspace.word, workspace.misses, workspace.miss_counters, self.start_word,
                out, offsets, result,
            )  # fmt: skip

    def place_to_cut(self, text: str, begin: int) -> int:
        """A place from `begin` on at which a text can be cut without changing its ids; its end if there is none."""
        if self.cut is None:
            return len(text)
        found = self.cut.search(text, min(begin, len(text)))
        return len(text) if found is None else found.start() + 1

    def ask(self, word: bytes) -> list[int]:
        """Ids of one word by the model of `tokenizers`."""
        text = word.decode() if self.alphabet is None else "".join([self.alphabet[byte] for byte in word])
        return [token.id for token in self.model.tokenize(text)]


class Workspace:
    """What one call at a time may write to: the words met so far, and buffers."""

    def __init__(self, pipeline: Pipeline) -> None:
        asks = pipeline.settings[0] == ASK
        remembered = {UNKNOWN: 1, WORD_PIECES: _REMEMBERED_PIECES, ASK: _REMEMBERED_ASKED}
        self.memory = new_table(remembered[int(pipeline.settings[0])])
        self.word = np.zeros(pipeline.word_bytes + 16, dtype=np.uint8)
        self.misses = np.zeros(_MISSES_BYTES if asks else 0, dtype=np.uint8)
        self.miss_counters = np.zeros(2, dtype=np.int64)
        self.result = np.zeros(4, dtype=np.int64)
        self._asked = self._texts = self._rest = 0
        self._forgot = False

    def rests(self, texts: int) -> bool:
        """Whether asking does not pay: the last texts had more new words than the memory holds, as in languages
        that write no spaces."""
        if self._rest > 0:
            self._rest -= texts
            return True
        self._texts += texts
        if self._texts >= _TRIAL_TEXTS:
            if self._forgot and self._asked > self._texts:
                self._rest = 8 * _TRIAL_TEXTS
            self._asked = self._texts = 0
            self._forgot = False
        return False

    def learn(self, pipeline: Pipeline) -> bool:
        """Asks for the words that the last run missed; False where they cannot be kept."""
        content = self.misses[: int(self.miss_counters[1])].tobytes()
        at = 0
        words: dict[bytes, None] = {}
        while at < len(content):
            size = content[at] | content[at + 1] << 8
            words[content[at + 2 : at + 2 + size]] = None
            at += 2 + size
        self._asked += len(words)
        before = int(self.memory[3][0])
        stored = insert_words(self.memory, list(words), [pipeline.ask(word) for word in words])
        self._forgot |= int(self.memory[3][0]) < before + len(words)
        return stored


def read_pipeline(text: str, reference: Any) -> Pipeline:
    """The compiled pipeline of a tokenizer.json, given as text and as a tokenizers.Tokenizer.

    Raises:
        NotCompiled: it does something that the tables cannot give exactly.
    """
    content = json.loads(text)
    model = content["model"]
    names, reorders, collapses = read_normalizer(content["normalizer"])
    normalize = reference.normalizer.normalize_str if names else None
    cutter = only_step(content["pre_tokenizer"], "pretokenizers")
    kind = cutter.get("type")
    byte_level = add_prefix_space = False
    start_word = b""
    alphabet = None
    if collapses and kind != "Split":
        raise NotCompiled("its normalizer collapses white space")
    classify: Classify
    if kind in ("BertPreTokenizer", "WhitespaceSplit", "Whitespace"):
        classify = classes.pre_tokenizer_classes(reference.pre_tokenizer, symbols=kind == "Whitespace")
    elif kind == "Split" and cutter["pattern"] == {"Regex": "[\\s\\S]"}:
        if cutter["behavior"] != "Isolated" or cutter["invert"]:
            raise NotCompiled("its Split does not isolate single characters")
        classify = classes.space_run_classes("\\s") if collapses else classes.fixed_class(classes.ISOLATED)
        if collapses:
            normalize = lowercased if "Lowercase" in names else None
    elif kind == "ByteLevel":
        alphabet = byte_alphabet()
        byte_level = cutter.get("use_regex", True)
        add_prefix_space = cutter["add_prefix_space"]
        classify = classes.gpt_classes() if byte_level else classes.fixed_class(classes.BYTES)
        if not byte_level:
            check_single_bytes(model, add_prefix_space)
    elif kind == "Metaspace":
        classify, start_word, normalize = read_metaspace(cutter, names)
    else:
        raise NotCompiled(f"its pre-tokenizer is {kind or 'missing'}")

    added, added_ends = read_added_tokens(content["added_tokens"], bool(names))
    on_miss, unknown_id, words, next_pieces, most_characters = read_model(model, byte_level)
    if kind == "ByteLevel" and not byte_level:
        words = [(bytes([i]), model["vocab"][name]) for i, name in enumerate(byte_alphabet()) if name in model["vocab"]]
    prefix, suffix = read_post_processor(reference)
    limit = read_truncation(content["truncation"], len(prefix) + len(suffix))
    longest = max((len(piece) for piece, _ in (*words, *next_pieces)), default=1)
    vocabulary = dict(words)
    # Words that are in no table may be several tokens, or unknown; a single character is no several pieces.
    otherwise = None if on_miss == ASK else unknown_id

    def token_id(word: bytes) -> int | None:
        return vocabulary.get(word, otherwise)

    # White space that is a token stands between two words, so that a word has to be seen as one.
    context_free = not byte_level and not collapses
    return Pipeline(
        characters=CharacterTable(normalize, classify, reorders, token_id if context_free else lambda _: None),
        byte_level=byte_level,
        add_prefix_space=add_prefix_space,
        settings=np.array([on_miss, unknown_id, most_characters, limit, longest], dtype=np.int64),
        prefix=np.array(prefix, dtype=np.int32),
        suffix=np.array(suffix, dtype=np.int32),
        added=added,
        added_ends=added_ends,
        start_word=np.frombuffer(start_word, dtype=np.uint8),
        words=build_table(words),
        next_pieces=build_table(next_pieces),
        # Room for one character more than a word may have, so that longer words are seen to be longer.
        word_bytes=max(4 * most_characters + 4, _LONGEST_ASKED_WORD if on_miss == ASK else longest + 4, 64),
        model=reference.model,
        alphabet=alphabet,
        cut=_cut(kind, byte_level, limit, content["added_tokens"]),
    )


def _cut(kind: str, byte_level: bool, limit: int, added_tokens: list[dict[str, Any]]) -> re.Pattern[str] | None:
    if limit >= 0 or any(" " in token["content"] for token in added_tokens):
        return None
    if kind == "Split" or (kind == "ByteLevel" and not byte_level):
        # Every character is a word: between two letters no white space is stripped, and added tokens are none.
        letters = "".join(token["content"] for token in added_tokens)
        return re.compile(f"[^\\W{re.escape(letters)}](?=\\w)")
    # A single space between two words begins the second or neither.
    return re.compile(r"[^\s](?= [^\s])")


def _ascii_tables(characters: CharacterTable, maybe_added: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and normalised byte of each ASCII character; EXPANDS where its record has to be read."""
    block_of, records, pool = characters.tables
    # 256 entries: the kernel looks before it knows that a byte is ASCII.
    kinds = np.full(256, classes.EXPANDS, dtype=np.uint8)
    bytes_ = np.zeros(256, dtype=np.uint8)
    for code in range(128):
        at = int(records[block_of[0], code])
        if at < 0 or pool[at] != 1:
            continue
        kind, size = int(pool[at + 1]), int(pool[at + 2])
        if size == 1 and kind not in (classes.UNSURE, classes.WORD_START):
            # One byte is a word of its own either way.
            kinds[code] = classes.ISOLATED if kind == classes.BYTES else kind
            bytes_[code] = pool[at + 3]
    return kinds | np.where(maybe_added, classes.ADDED, 0).astype(np.uint8), bytes_


def _letters(kinds: np.ndarray, bytes_: np.ndarray) -> int:
    """Whether ASCII letters are parts of words as they are, lower-cased, or neither."""
    upper, lower = np.arange(ord("A"), ord("Z") + 1), np.arange(ord("a"), ord("z") + 1)
    all_join = (kinds[upper] == classes.LETTER).all() and (kinds[lower] == classes.LETTER).all()
    if not all_join or (bytes_[lower] != lower).any() or sys.byteorder != "little":
        return UNLIKE
    return LOWERED if (bytes_[upper] == lower).all() else KEPT if (bytes_[upper] == upper).all() else UNLIKE


def byte_alphabet() -> list[str]:
    """The character that stands for each byte in byte-level vocabularies (Radford et al. 2019)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {byte: chr(byte) for byte in shown}
    hidden = (byte for byte in range(256) if byte not in alphabet)
    alphabet |= {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return [alphabet[byte] for byte in range(256)]
