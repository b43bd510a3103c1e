"""Notations of tokens: "##ing", "Ġfilm", "▁film" and plain words, made comparable."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tokenization.train import byte_characters

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WORDPIECE, BYTE_LEVEL, METASPACE, PLAIN = "wordpiece", "byte-level", "metaspace", "plain"
_SPACE_BYTE, _SPACE_MARK = "Ġ", "▁"
_BYTE_FALLBACK = re.compile(r"<0x[0-9A-F]{2}>")
_CHARACTERS = byte_characters()
_BYTES = {character: byte for byte, character in _CHARACTERS.items()}


@dataclass(frozen=True, slots=True)
class TokenText:
    """The text of a token, and whether a word begins with it (or it is a word)."""

    text: str
    starts_word: bool


def notation_of(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return the notation, one of four, that the tokenizer's vocabulary is written in."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    if parts["model"]["type"] == "WordPiece":
        return WORDPIECE
    around = json.dumps([parts["normalizer"], parts["pre_tokenizer"], parts["decoder"]], ensure_ascii=False)
    if '"ByteLevel"' in around:
        return BYTE_LEVEL
    return METASPACE if _SPACE_MARK in around else PLAIN


def read_token(token: str, notation: str) -> TokenText | None:
    """Return the text that a token stands for; None if it has none of its own (half a character).

    >>> read_token("##ing", "wordpiece")
    TokenText(text='ing', starts_word=False)
    """
    if notation == WORDPIECE:
        inside = token.startswith("##") and len(token) > 2
        return TokenText(token[2:] if inside else token, not inside)
    if notation == BYTE_LEVEL:
        starts = token.startswith(_SPACE_BYTE)
        try:
            text = bytes(_BYTES[character] for character in token[starts:]).decode("utf-8")
        except (KeyError, UnicodeDecodeError):
            return None
        return TokenText(text, starts) if text else None
    if notation == METASPACE:
        if _BYTE_FALLBACK.fullmatch(token):
            return None
        starts = token.startswith(_SPACE_MARK)
        text = token[starts:]
        return TokenText(text, starts) if text else None
    return TokenText(token, True) if token else None


def write_token(token: TokenText, notation: str) -> str:
    """Return the token's spelling in a notation.

    >>> write_token(TokenText("film", True), "byte-level")
    'Ġfilm'
    """
    if notation == WORDPIECE:
        return token.text if token.starts_word else "##" + token.text
    if notation == BYTE_LEVEL:
        text = "".join(_CHARACTERS[byte] for byte in token.text.encode("utf-8"))
        return _SPACE_BYTE + text if token.starts_word else text
    if notation == METASPACE:
        return _SPACE_MARK + token.text if token.starts_word else token.text
    return token.text


def token_texts(tokenizer: PreTrainedTokenizerFast) -> dict[int, TokenText]:
    """Return the text of each token that stands for text, by id; special tokens are left out."""
    notation = notation_of(tokenizer)
    special = set(tokenizer.all_special_ids)
    texts: dict[int, TokenText] = {}
    for token, token_id in tokenizer.get_vocab().items():
        if token_id not in special and (text := read_token(token, notation)) is not None:
            texts[token_id] = text
    return texts
