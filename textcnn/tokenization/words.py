"""Whole words for a WordPiece tokenizer: frequent words that it splits become tokens of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, normalizers

from .load import wrap
from .train import count_words, replace_surrogates

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def add_words(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], most: int, min_frequency: int = 3
) -> tuple[PreTrainedTokenizerFast, dict[tuple[int, ...], int]]:
    """Return the tokenizer with the most frequent words that it splits added as tokens, and the former pieces of each.

    The other ids stay as they are. A longer word that begins with an added one may be split in another way.

    Args:
        tokenizer: A WordPiece tokenizer.
        texts: Texts to count the words in.
        most: Largest number of words to add.
        min_frequency: Smallest number of occurrences of a word.

    Returns:
        The larger tokenizer, and the id of each added word by the ids of its pieces.

    Raises:
        ValueError: the tokenizer is not WordPiece, where a word need not be made of its pieces.

    Example:
        >>> larger, whole = add_words(load_tokenizer("google-bert/bert-base-uncased"), ["a lugubrious film"] * 3, 1000)
        >>> larger.tokenize("a lugubrious film")
        ['a', 'lugubrious', 'film']
    """
    backend = tokenizer.backend_tokenizer
    content = json.loads(backend.to_str())
    if content["model"]["type"] != "WordPiece" or backend.pre_tokenizer is None:
        cut = "" if backend.pre_tokenizer else " that does not cut texts into words"
        raise ValueError(
            f"got a {content['model']['type']} tokenizer{cut} to add words to; expected WordPiece of words, as of BERT "
            "and MiniLM; add no words"
        )
    if most < 0:
        raise ValueError(f"words: got {most}; expected a number from 0 on")
    normalizer = backend.normalizer or normalizers.Sequence([])
    vocabulary: dict[str, int] = content["model"]["vocab"]
    counts = count_words(map(replace_surrogates, texts), normalizer, backend.pre_tokenizer)
    longest = content["model"]["max_input_chars_per_word"]
    candidates = [word for word, n in counts.items() if n >= min_frequency and word not in vocabulary]
    candidates = sorted((word for word in candidates if len(word) <= longest), key=lambda word: (-counts[word], word))
    unknown = vocabulary.get(content["model"]["unk_token"])
    whole: dict[tuple[int, ...], int] = {}
    largest = max(tokenizer.get_vocab().values())
    for word in candidates:
        if len(whole) == most:
            break
        pieces = tuple(token.id for token in backend.model.tokenize(word))
        if unknown not in pieces:
            whole[pieces] = vocabulary[word] = largest = largest + 1
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return wrap(Tokenizer.from_str(json.dumps(content)), special), whole
