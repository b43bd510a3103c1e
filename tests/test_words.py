"""Words added to a WordPiece tokenizer: the ids of everything else stay, and `tokenizers` reads the result."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from textcnn.runtime.tokenizer import CompiledTokenizer
from textcnn.tokenization import add_words, load_tokenizer, save_tokenizer, train_tokenizer

TEXTS = ["a fine film, finely made", "the finest of fine films", "films"] * 3
UNSEEN = ["finery", "unfilmed films", "A Finest hour", "", "finestfilm"]


def test_words_that_were_split_become_tokens_and_the_others_stay() -> None:
    small = train_tokenizer(TEXTS, "wordpiece", vocab_size=33)
    frequent = ["finest", "films", "finely"]
    split = [word for word in frequent if len(small.tokenize(word)) > 1]
    assert split  # otherwise there is nothing to add
    larger, whole = add_words(small, TEXTS, most=100)
    before = small.get_vocab()
    assert all(larger.get_vocab()[token] == token_id for token, token_id in before.items())
    for word in split:
        assert larger.tokenize(word) == [word]
        assert whole[tuple(small(word)["input_ids"])] == larger.convert_tokens_to_ids(word)
    added = set(larger.get_vocab()) - set(before)
    assert added == set(larger.convert_ids_to_tokens(list(whole.values())))
    assert sorted(whole.values()) == list(range(len(before), len(before) + len(whole)))
    for text in TEXTS:
        words = text.replace(",", " ,").split()
        assert larger.tokenize(text) == [
            token for word in words for token in ([word] if word in added else small.tokenize(word))
        ]


def test_the_most_frequent_words_come_first_and_rare_ones_do_not_come() -> None:
    small = train_tokenizer(["abcdefa ghijklg"] * 2, "wordpiece", vocab_size=26)
    texts = ["fedcba"] * 4 + ["lkjihg"] * 3 + ["badc"] * 2
    assert list(add_words(small, texts, most=9)[0].get_vocab()).count("badc") == 0
    _, whole = add_words(small, texts, most=1)
    assert list(whole) == [tuple(small("fedcba")["input_ids"])]
    assert len(add_words(small, texts, most=9, min_frequency=1)[1]) == 3
    # A word with a character that the vocabulary lacks is no sum of its pieces.
    assert add_words(small, ["xyz"] * 9, most=9)[1] == {}


def test_the_compiled_tokenizer_gives_the_same_ids(tmp_path: Path) -> None:
    larger, _ = add_words(train_tokenizer(TEXTS, "wordpiece", vocab_size=33), TEXTS, most=100)
    save_tokenizer(larger, tmp_path)
    text = (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    reference, compiled = Tokenizer.from_str(text), CompiledTokenizer(text)
    ids, ends = compiled.encode_batch(TEXTS + UNSEEN)
    for i, sentence in enumerate(TEXTS + UNSEEN):
        assert ids[ends[i] : ends[i + 1]].tolist() == reference.encode(sentence).ids
    assert load_tokenizer(tmp_path).get_vocab() == larger.get_vocab()


def test_a_tokenizer_without_words_takes_none() -> None:
    backend = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    bare = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[UNK]")
    with pytest.raises(ValueError, match="does not cut texts into words"):
        add_words(bare, ["ab"] * 9, most=3)
    backend.pre_tokenizer = pre_tokenizers.Whitespace()  # and no normaliser
    spaced = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[UNK]")
    assert add_words(spaced, ["ab"] * 9, most=3)[0].tokenize("ab a") == ["ab", "a"]
    with pytest.raises(ValueError, match="got -1"):
        add_words(spaced, ["ab"], most=-1)


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_only_wordpiece_takes_words(kind: str) -> None:
    tokenizer = train_tokenizer(TEXTS, kind, vocab_size=300)
    with pytest.raises(ValueError, match="expected WordPiece"):
        add_words(tokenizer, TEXTS, most=3)
