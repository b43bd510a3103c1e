"""A tokenizer with a mask token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from .load import vocabulary_size, wrap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MASK_TOKEN = "[MASK]"


def add_mask_token(tokenizer: PreTrainedTokenizerFast) -> tuple[PreTrainedTokenizerFast, int]:
    """Return a tokenizer with a mask token, and its id; a tokenizer that has one is returned unchanged.

    No text is read as the token: it stands in the vocabulary, not among the tokens that are looked for in texts.

    Raises:
        ValueError: The vocabulary takes no further token.
    """
    known = tokenizer.get_vocab()
    for token in (MASK_TOKEN, "<mask>"):
        if token in known:
            return tokenizer, int(known[token])
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    if not isinstance(vocabulary, dict):
        raise ValueError(
            f"tokenizer: got a {content['model']['type']} vocabulary without {MASK_TOKEN}; expected a tokenizer with a "
            "mask token, or one of wordpiece, word, bpe, char and byte"
        )
    number = vocabulary_size(tokenizer)
    vocabulary[MASK_TOKEN] = number
    special = {name: str(value) for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    return wrap(Tokenizer.from_str(json.dumps(content)), special), number
