"""Word vectors for the tokens of a tokenizer: whole words, and pieces from the words they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textcnn.vectors.word_file import open_word_file, read_vectors

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PIECE_WORDS = 100_000  # the first words of the file, which are its most frequent, explain pieces
BATCH = 4096  # words that are split into pieces at once


def read_word_file(
    source: str, tokenizer: PreTrainedTokenizerFast, rows: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], str]:
    """Vectors [rows, D] for our tokenizer, which rows have one, and a note on how.

    A token that may be a word takes the vector of that word; where the file lacks it, of its
    lower-cased, capitalised or upper-cased spelling. Another piece ("##ology") takes the mean of
    the words of the file that our tokenizer splits into it and others.
    """
    file = open_word_file(source)
    wanted = _spellings(tokenizer)
    matrix = np.zeros((rows, file.dim), np.float32)
    ranks = np.full(rows, len(_VARIANTS))  # of the spelling found, 0 is the token's own
    pieces = PieceMeans(tokenizer, rows, file.dim)
    for word, vector in read_vectors(file, wanted, always=PIECE_WORDS):
        for rank, token_id in wanted.get(word, ()):
            if rank < ranks[token_id]:
                ranks[token_id] = rank
                matrix[token_id] = vector
        pieces.add(word, vector)
    whole = ranks < len(_VARIANTS)
    means, known = pieces.means()
    known &= ~whole
    matrix[known] = means[known]
    return matrix, whole | known, f"{whole.sum():,} words, {known.sum():,} pieces"
