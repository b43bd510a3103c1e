"""Tokenizers trained on texts: WordPiece, words, byte-level BPE, characters; and plain bytes."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .load import KINDS, PAD_TOKEN, UNK_TOKEN, wrap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MAX_WORD_CHARACTERS = 100  # WordPiece reads a longer word as [UNK]
CHUNKS_PER_CALL = 100  # of 10 to 10,000 the fastest
WORDS_PER_LINE = 1000  # how many copies of a word the trainer is fed at once
# What BERT's pre-tokenizer makes of printable ASCII: everything but letters and digits stands alone.
ASCII_WORDS = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9 ]")


def train_tokenizer(
    texts: Iterable[str],
    kind: str = "wordpiece",
    vocab_size: int = 30_000,
    lowercase: bool = True,
    min_frequency: int = 2,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer on texts, which are read once; id 0 is [PAD], id 1 is [UNK].

    - "wordpiece": BERT's normaliser and words, split in pieces where a word is rare.
    - "word": BERT's normaliser and words, as Kim 2014 had them; a rare word is [UNK].
    - "bpe": byte-level pair encoding (as GPT-2); any text has ids, none is unknown.
    - "char": the most frequent characters. A run of white space counts as one space, and none is
      kept at either end.
    - "byte": the 256 bytes of UTF-8, id = byte + 2; `texts`, `vocab_size` and `min_frequency` are
      not used.

    The same texts in the same order give the same file, on any machine. `min_frequency` is how
    often a word or piece (and, for "wordpiece" and "char", a character) has to occur. Raises ValueError.

    >>> tokenizer = train_tokenizer(["a fine film", "a fine day"], vocab_size=50)
    >>> tokenizer.tokenize("A fine film!")
    ['a', 'fine', '[UNK]', '[UNK]']
    """
    _check_training_options(kind, vocab_size, min_frequency)
    if kind == "wordpiece":
        backend = _train_wordpiece(_checked(texts), vocab_size, lowercase, min_frequency)
    elif kind == "word":
        backend = _train_word(_checked(texts), vocab_size, lowercase, min_frequency)
    elif kind == "bpe":
        backend = _train_bpe(_checked(texts), vocab_size, lowercase, min_frequency)
    elif kind == "char":
        backend = _train_char(_checked(texts), vocab_size, lowercase, min_frequency)
    else:
        backend = _byte_tokenizer(lowercase)
    return wrap(backend, {"pad_token": PAD_TOKEN, "unk_token": UNK_TOKEN})


def _train_wordpiece(texts: Iterable[str], vocab_size: int, lowercase: bool, min_frequency: int) -> Tokenizer:
    """WordPiece of `tokenizers`, made deterministic.

    WordPieceTrainer numbers the "##x" characters in the order of a randomly seeded hash map and
    breaks ties between pairs by those numbers, so no two runs agree. Here every character gets its
    number first, in sorted order, as a special token of the equivalent BpeTrainer.
    """
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = count_words(texts, normalizer, pre_tokenizer, lowercase)
    alphabet = _wordpiece_alphabet(words, vocab_size - 2, min_frequency)
    known = set(alphabet)
    # a word with a rarer character is [UNK] whatever is learnt from it
    words = {word: count for word, count in words.items() if known.issuperset(word)}
    if not alphabet:
        raise ValueError(_nothing_to_learn(min_frequency))

    pieces = Tokenizer(models.BPE(continuing_subword_prefix="##"))
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[PAD_TOKEN, UNK_TOKEN, *alphabet],
        continuing_subword_prefix="##",
        show_progress=False,
    )
    pieces.train_from_iterator(_repeated(words), trainer)

    tokenizer = Tokenizer(
        models.WordPiece(
            pieces.get_vocab(with_added_tokens=False),
            unk_token=UNK_TOKEN,
            max_input_chars_per_word=MAX_WORD_CHARACTERS,
        )
    )
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def count_words(
    texts: Iterable[str],
    normalizer: normalizers.Normalizer,
    pre_tokenizer: pre_tokenizers.PreTokenizer,
    lowercase: bool | None = None,
) -> dict[str, int]:
    """Count words; each distinct chunk between spaces is split only once.

    Args:
        texts: Texts to count the words in.
        normalizer, pre_tokenizer: Steps that split texts into words.
        lowercase: Of BERT's normaliser and pre-tokenizer, whose words of ASCII text a regular expression finds; None
            for any others.
    """
    # No other white space: the normaliser drops some of it.
    chunks = Counter(chain.from_iterable(text.split(" ") for text in texts))
    words: Counter[str] = Counter()
    # Chunks that occur equally often need not be told apart: their words have the same count.
    alike: dict[int, list[str]] = {}
    for chunk, count in chunks.items():
        if lowercase is not None and chunk.isascii() and chunk.isprintable():
            for word in ASCII_WORDS.findall(chunk.lower() if lowercase else chunk):
                words[word] += count
        else:
            alike.setdefault(count, []).append(chunk)
    for count, group in alike.items():
        for start in range(0, len(group), CHUNKS_PER_CALL):
            text = normalizer.normalize_str(" ".join(group[start : start + CHUNKS_PER_CALL]))
            for word, _ in pre_tokenizer.pre_tokenize_str(text):
                words[word] += count
    return {word: count for word, count in words.items() if len(word) <= MAX_WORD_CHARACTERS}


def _wordpiece_alphabet(words: dict[str, int], room: int, min_frequency: int) -> list[str]:
    """First "x" and then "##x" for the characters that are frequent enough and have room."""
    counts: Counter[str] = Counter()
    inside: set[str] = set()  # the characters that do not only begin words
    for word, count in words.items():
        for character in word:
            counts[character] += count
        inside.update(word[1:])
    kept: list[str] = []
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        room -= 2 if character in inside else 1
        if room < 0 or count < min_frequency:
            break
        kept.append(character)
    kept.sort()
    return kept + ["##" + character for character in kept if character in inside]


def _repeated(words: dict[str, int]) -> Iterator[str]:
    """Lines that hold each word as often as it occurs: trainers take texts, not counts."""
    for word in sorted(words):
        whole, rest = divmod(words[word], WORDS_PER_LINE)
        for _ in range(whole):
            yield " ".join([word] * WORDS_PER_LINE)
        yield " ".join([word] * rest)


def _train_word(texts: Iterable[str], vocab_size: int, lowercase: bool, min_frequency: int) -> Tokenizer:
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = _word_level(count_words(texts, normalizer, pre_tokenizer, lowercase), vocab_size, min_frequency, "word")
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


def _word_level(counts: Mapping[str, int], vocab_size: int, min_frequency: int, what: str) -> Tokenizer:
    """The most frequent words or characters as tokens, in the order of their counts."""
    frequent = [
        word for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count >= min_frequency
    ]
    if not frequent:
        raise ValueError(_nothing_to_learn(min_frequency, what))
    tokens = dict.fromkeys([PAD_TOKEN, UNK_TOKEN, *frequent[: vocab_size - 2]])
    return Tokenizer(models.WordLevel({token: token_id for token_id, token in enumerate(tokens)}, unk_token=UNK_TOKEN))


def _train_bpe(texts: Iterable[str], vocab_size: int, lowercase: bool, min_frequency: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=UNK_TOKEN))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    # the added space gives a word one id wherever it stands
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[PAD_TOKEN, UNK_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _train_char(texts: Iterable[str], vocab_size: int, lowercase: bool, min_frequency: int) -> Tokenizer:
    steps = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if lowercase:
        steps.append(normalizers.Lowercase())
    normalizer = normalizers.Sequence(steps)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    tokenizer = _word_level(counts, vocab_size, min_frequency, "character")
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def byte_characters() -> dict[int, str]:
    """Map each byte to the character that stands for it in byte-level vocabularies (GPT-2's alphabet)."""
    # a printable byte stands for itself, the others for the characters from 256 on
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(256 + others.index(byte) if byte in others else byte) for byte in range(256)}


def _byte_tokenizer(lowercase: bool) -> Tokenizer:
    """Byte-level pair encoding without a single merge."""
    vocabulary = {PAD_TOKEN: 0, UNK_TOKEN: 1}
    vocabulary |= {character: byte + 2 for byte, character in byte_characters().items()}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token=UNK_TOKEN))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate (a half escape in JSON), which has no UTF-8, by "?".

    >>> replace_surrogates("ok " + chr(0xD83D))
    'ok ?'
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _checked(texts: Iterable[str]) -> Iterator[str]:
    if isinstance(texts, str):
        raise ValueError("got one string as texts; expected an iterable of strings; put it in [ ]")
    position = -1
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(
                f"got {text!r:.40} ({type(text).__name__}) as text {position}; expected a string; drop or convert it"
            )
        yield replace_surrogates(text)
    if position < 0:
        raise ValueError("got no texts; expected some to train a tokenizer on; check the data")


def _check_training_options(kind: str, vocab_size: int, min_frequency: int) -> None:
    if kind not in KINDS:
        close = difflib.get_close_matches(str(kind).lower(), KINDS, n=1)
        raise ValueError(
            f"got tokenizer kind {kind!r}; expected one of {', '.join(KINDS)}; "
            + (f"did you mean {close[0]!r}?" if close else "choose one of them")
        )
    smallest = {"wordpiece": 4, "word": 3, "bpe": 258, "char": 3, "byte": 0}[kind]
    if vocab_size < smallest:
        whys = {"bpe": "256 bytes, [PAD] and [UNK]", "word": "[PAD], [UNK] and a word"}
        why = whys.get(kind, "[PAD], [UNK] and a character")
        raise ValueError(
            f"got vocab_size={vocab_size} for a {kind!r} tokenizer; expected at least {smallest} ({why}); raise it"
        )
    if min_frequency < 1:
        raise ValueError(f"got min_frequency={min_frequency}; expected 1 or more; raise it")


def _nothing_to_learn(min_frequency: int, what: str = "character") -> str:
    return (
        f"got texts in which no {what} occurs min_frequency={min_frequency} times; expected "
        "words to learn from; give more text or a lower min_frequency"
    )
