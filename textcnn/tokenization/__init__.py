"""Tokenizers: any fast one of Hugging Face, or one trained from the texts at hand.

Every tokenizer leaves here in the same state, so that every door sees the same ids: no [CLS] or
[SEP] (a convolution has no use for them), no truncation, no padding, a pad token of its own, and
special tokens written in a text read as plain text ("[PAD]" in a review is five characters, not id
0). That last switch, `split_special_tokens`, is stored in tokenizer_config.json; a program that
reads tokenizer.json alone has to set `Tokenizer.encode_special_tokens = True`.
"""

from textcnn.tokenization.load import (
    KINDS,
    load_tokenizer,
    prepare_tokenizer,
    save_tokenizer,
    vocabulary_size,
)
from textcnn.tokenization.train import replace_surrogates, train_tokenizer

__all__ = [
    "KINDS",
    "load_tokenizer",
    "prepare_tokenizer",
    "replace_surrogates",
    "save_tokenizer",
    "train_tokenizer",
    "vocabulary_size",
]
