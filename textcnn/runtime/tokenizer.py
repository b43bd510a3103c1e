"""Texts to token ids."""

from __future__ import annotations

from itertools import chain

import numpy as np


class Tokenizer:
    def __init__(self, text: str) -> None:
        import tokenizers

        self.reference = tokenizers.Tokenizer.from_str(text)
        self.reference.no_padding()
        self.vocab_size = self.reference.get_vocab_size(with_added_tokens=True)

    def encode_batch(self, texts):
        rows = [e.ids for e in self.reference.encode_batch_fast(texts)]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(r) for r in rows], out=offsets[1:])
        return np.fromiter(chain.from_iterable(rows), np.int32, offsets[-1]), offsets


def compile_tokenizer(text):
    return Tokenizer(text)
