"""Tokenizers: any fast one of Hugging Face, or one trained from the texts at hand.

Every tokenizer is returned in the same state, so every interface gives the same ids: no [CLS] or
[SEP] (a convolution has no use for them), no truncation, no padding, a pad token of its own, and
special tokens written in a text read as plain text ("[PAD]" in a review is five characters, not
id 0). What is saved keeps that promise for every reader: tokenizer.json has its special tokens in
the vocabulary instead of among the added tokens, which are looked for in texts.
"""

from .load import (
    KINDS,
    load_tokenizer,
    prepare_tokenizer,
    save_tokenizer,
    tokenizer_json,
    vocabulary_size,
)
from .train import replace_surrogates, train_tokenizer
from .words import add_words

__all__ = [
    "KINDS",
    "add_words",
    "load_tokenizer",
    "prepare_tokenizer",
    "replace_surrogates",
    "save_tokenizer",
    "tokenizer_json",
    "train_tokenizer",
    "vocabulary_size",
]
