"""Reads the parts of a tokenizer.json that the compiled tokenizer understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import characters as classes
from .characters import Classify

# How a word that is in no table is read (see word_kernels).
UNKNOWN, WORD_PIECES, ASK = range(3)
# A larger limit exists only by mistake, and the word buffer has to hold a word.
_MOST_WORD_CHARACTERS = 10_000

Pieces = list[tuple[bytes, int]]


class NotCompiled(Exception):
    """The pipeline does something that the tables cannot give exactly; the message says what."""


def only_step(part: Mapping[str, Any] | None, steps: str) -> Mapping[str, Any]:
    """The part itself, or the one step of a sequence of one."""
    if part is not None and part["type"] == "Sequence" and len(part[steps]) == 1:
        return only_step(part[steps][0], steps)
    return part or {}


def read_normalizer(part: Mapping[str, Any] | None) -> tuple[list[str], bool, bool]:
    """Names of the steps; whether they reorder combining marks; whether they collapse white space.

    Raises:
        NotCompiled: a step is no function of one code point.
    """
    if part is None:
        return [], False, False
    steps = part["normalizers"] if part["type"] == "Sequence" else [part]
    names = [step["type"] for step in steps]
    collapses = False
    if names[:2] == ["Replace", "Strip"]:
        replace, strip, *steps = steps
        if replace["pattern"] != {"Regex": "\\s+"} or replace["content"] != " ":
            raise NotCompiled("its normalizer replaces something other than white space")
        if not (strip["strip_left"] and strip["strip_right"]):
            raise NotCompiled("its normalizer strips one side only")
        collapses = True
    reorders = False
    for step in steps:
        if step["type"] == "BertNormalizer":
            strips = step["strip_accents"]
            reorders |= bool(step["lowercase"] if strips is None else strips)
        elif step["type"] == "NFD":
            reorders = True
        elif step["type"] not in ("Lowercase", "StripAccents"):
            raise NotCompiled(f"its normalizer has a {step['type']} step")
    return names, reorders, collapses


def read_metaspace(part: Mapping[str, Any], names: list[str]) -> tuple[Classify, bytes, Callable[[str], str]]:
    """Classes, the start of a text, and the normalisation, with Metaspace's replacement of the space."""
    if not part.get("split", True):
        raise NotCompiled("its words are whole texts")
    if names not in ([], ["Lowercase"]):
        raise NotCompiled(f"its normalizer is {', '.join(names)} before Metaspace")
    replacement = part["replacement"]
    lowercase = lowercased if names else (lambda text: text)
    start = b"" if part["prepend_scheme"] == "never" else replacement.encode()
    return (
        classes.metaspace_classes(replacement),
        start,
        lambda text: lowercase(text).replace(" ", replacement),
    )


def lowercased(text: str) -> str:
    """Lower case as `tokenizers` makes it: one code point at a time."""
    from tokenizers import normalizers

    lowercase: str = normalizers.Lowercase().normalize_str(text)
    return lowercase


def read_added_tokens(tokens: list[Mapping[str, Any]], has_normalizer: bool) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of all added tokens, and where each ends: texts that contain one go to `tokenizers`."""
    contents = []
    for token in tokens:
        if token["normalized"] and has_normalizer:
            raise NotCompiled(f"its added token {token['content']!r} is looked for after normalization")
        if token["content"]:
            contents.append(token["content"].encode())
    ends = np.cumsum([len(content) for content in contents], dtype=np.int64)
    return np.frombuffer(b"".join(contents), dtype=np.uint8), ends


def read_model(model: Mapping[str, Any], byte_level: bool) -> tuple[int, int, Pieces, Pieces, int]:
    """How unknown words are read, the unknown id, words, continuing pieces, most characters of a word."""
    kind = model["type"]
    if kind == "BPE" and model.get("dropout"):
        raise NotCompiled("its BPE has dropout")
    if byte_level or kind in ("BPE", "Unigram"):
        return ASK, 0, [], [], 0
    if kind not in ("WordPiece", "WordLevel"):
        raise NotCompiled(f"its model is {kind}")
    vocabulary = model["vocab"]
    unknown = model["unk_token"]
    if unknown not in vocabulary:
        raise NotCompiled("its model has no unknown token")
    if kind == "WordLevel":
        words = [(word.encode(), number) for word, number in vocabulary.items()]
        return UNKNOWN, vocabulary[unknown], words, [], 0
    most = model["max_input_chars_per_word"]
    if most > _MOST_WORD_CHARACTERS:
        raise NotCompiled(f"its words may have {most} characters")
    prefix = model["continuing_subword_prefix"]
    return (
        WORD_PIECES,
        vocabulary[unknown],
        [(word.encode(), number) for word, number in vocabulary.items() if len(word) <= most],
        [
            (word[len(prefix) :].encode(), number)
            for word, number in vocabulary.items()
            if word.startswith(prefix) and len(word) > len(prefix)
        ],
        most,
    )


def check_single_bytes(model: Mapping[str, Any], add_prefix_space: bool) -> None:
    """Raises NotCompiled unless each byte of a text is a token whatever stands beside it."""
    independent = (
        model["type"] == "BPE"
        and not model["merges"]
        and not model.get("ignore_merges")
        and not model.get("fuse_unk")
        and not model.get("continuing_subword_prefix")
        and not model.get("end_of_word_suffix")
    )
    if add_prefix_space or not independent:
        raise NotCompiled("its words are whole texts")


def read_post_processor(reference: Any) -> tuple[list[int], list[int]]:
    """Ids that every text begins and ends with, found by asking."""
    around = reference.encode("").ids
    fitting = []
    for cut in range(len(around) + 1):
        prefix, suffix = around[:cut], around[cut:]
        fits = True
        for probe in ("a", "b c", "the 1 2 3"):
            bare = reference.encode(probe, add_special_tokens=False).ids
            if not bare:
                continue
            wanted = reference.encode(probe).ids
            if reference.truncation is not None:
                bare = bare[: max(0, reference.truncation["max_length"] - len(around))]
            fits = fits and prefix + bare + suffix == wanted
        if fits:
            fitting.append((prefix, suffix))
    if len(fitting) != 1:
        raise NotCompiled("its post-processor does more than add tokens at the ends")
    return fitting[0]


def read_truncation(part: Mapping[str, Any] | None, added: int) -> int:
    """Most ids of a text beside the added ones; -1 for no limit."""
    if part is None:
        return -1
    limit = int(part["max_length"]) - added
    if part.get("direction", "Right") != "Right" or part.get("strategy") == "OnlySecond" or limit < 1:
        raise NotCompiled("it truncates in an unusual way")
    return limit
