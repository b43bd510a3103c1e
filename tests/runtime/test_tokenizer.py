"""The compiled tokenizer's ids against those of `tokenizers`."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folded_models import make_model
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from textcnn.core.library import available_instructions, instructions_of
from textcnn.folding.fold import fold
from textcnn.runtime.tokenizer import CompiledTokenizer, ReferenceTokenizer, compile_tokenizer

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, doesn't it? Prices rose 3.5% to $1,200 in 2021!",
    "Das größte Übel überhaupt: naïve café-Besucher hätten's nicht geahnt…",
    "中文文本分类 很 有意思。日本語のテキストも少し。한국어 문장도 있습니다.",
    "Привет, мир! Это тестовое предложение. مرحبا بالعالم هذا نص. हिन्दी में एक वाक्य है।",
    # Marks that the normaliser keeps and sorts: known to the vocabularies, so that their order shows.
    "a\U0001d165\U0001d16d\U0001d172 b\u1b44\u302e c\u302e\u1b44 a\U0001d172\U0001d16d\U0001d165 \u302e \u1b44",
    "emoji 😀😀 and 🏳️‍🌈 flags, ﬁ ligatures, Ⅷ numbers, ½ and ² too",
]
SPECIAL = ["[PAD]", "[UNK]"]


def _wordpiece(**normalizer: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=1000, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def _wordlevel(pre_tokenizer: Any, normalizer: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(SENTENCES, trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def _bpe(pre_tokenizer: Any, normalizer: Any = None, **options: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", **options))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def _bytes(lowercase: bool) -> Tokenizer:
    names = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def _characters(*more_steps: Any) -> Tokenizer:
    steps = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(), *more_steps]
    isolated = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    return _wordlevel(isolated, normalizers.Sequence(steps))


def _with_specials(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens(["[CLS]", "[SEP]", "é!"])
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    tokenizer.enable_truncation(9)
    tokenizer.enable_padding(length=20)
    return tokenizer


_accents = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": lambda: _wordpiece(lowercase=True),
    "wordpiece cased": lambda: _wordpiece(lowercase=False),
    "wordpiece accents": lambda: _wordpiece(lowercase=True, strip_accents=False),
    "wordpiece uncleaned": lambda: _wordpiece(clean_text=False, handle_chinese_chars=False, lowercase=True),
    "wordpiece template": lambda: _with_specials(_wordpiece(lowercase=True)),
    "words bert": lambda: _wordlevel(pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer()),
    "words whitespace": lambda: _wordlevel(pre_tokenizers.Whitespace(), _accents),
    "words split": lambda: _wordlevel(pre_tokenizers.WhitespaceSplit()),
    "characters": lambda: _characters(),
    "characters lower": lambda: _characters(normalizers.Lowercase()),
    "bpe": lambda: _bpe(pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "bpe lower": lambda: _bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.Lowercase()),
    "bpe template": lambda: _with_specials(_bpe(pre_tokenizers.ByteLevel(add_prefix_space=True))),
    "bpe words": lambda: _bpe(pre_tokenizers.WhitespaceSplit()),
    "metaspace always": lambda: _bpe(pre_tokenizers.Metaspace(prepend_scheme="always"), fuse_unk=True),
    "metaspace never": lambda: _bpe(pre_tokenizers.Metaspace(prepend_scheme="never"), normalizers.Lowercase()),
    "unigram": _unigram,
    "bytes": lambda: _bytes(lowercase=False),
    "bytes lower": lambda: _bytes(lowercase=True),
}


@cache
def _text(kind: str) -> str:
    # Once: a trainer does not make the same vocabulary twice.
    return TOKENIZERS[kind]().to_str()


@cache
def _pair(kind: str) -> tuple[CompiledTokenizer, ReferenceTokenizer]:
    text = _text(kind)
    compiled = compile_tokenizer(text)
    assert isinstance(compiled, CompiledTokenizer)
    return compiled, ReferenceTokenizer(text)


def _same(kind: str, texts: list[str]) -> None:
    compiled, reference = _pair(kind)
    ids, offsets = compiled.encode_batch(texts)
    wanted_ids, wanted_offsets = reference.encode_batch(texts)
    for n, text in enumerate(texts):
        got, wanted = ids[offsets[n] : offsets[n + 1]], wanted_ids[wanted_offsets[n] : wanted_offsets[n + 1]]
        assert got.tolist() == wanted.tolist(), ascii(text)


# Marks that are kept by the normaliser and sorted by it, the signs of GPT-2's expression, and what BERT drops.
_odd = (
    "\u0301\u0345\u0e4d\u1b44\u302e\U0001d165\U0001d16d\U0001d172\U0001d160"
    + "\u0130\u017fßẞΣς\u200d\ufeff\x00\x1f\x7f\x85\u2028\u3000\ufffd▁#'½²Ⅷ"
)
_characters_any = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.characters(max_codepoint=0x7F),
    st.sampled_from(_odd),
    st.sampled_from(" '\n\tstremvldaé中。"),
)
_pieces = st.one_of(
    st.text(_characters_any, max_size=12),
    st.sampled_from([word for sentence in SENTENCES for word in sentence.split()]),
    st.sampled_from(["[CLS]", "[PAD]", "[UNK", "é!", "don't", "'LL", "'re", " 's", "  \n ", "x" * 31, "ü" * 30]),
)
_texts = st.lists(_pieces, max_size=6).map("".join) | st.lists(_pieces, max_size=6).map(" ".join)


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(_texts, max_size=4))
@example(texts=[])
@example(texts=["", " ", "\x00", "\U0001d16d\U0001d172 a\U0001d16d\U0001d165b", "a\u302e\u1b44"])
def test_ids_are_those_of_tokenizers(kind: str, texts: list[str]) -> None:
    _same(kind, texts)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_ids_of_every_code_point(kind: str) -> None:
    # A few of each script, with every plane touched; the whole of Unicode takes a minute a kind.
    points = [*range(0x600), *range(0x600, 0x110000, 97)]
    texts = ["a" + chr(point) + "a b" + chr(point) for point in points if not 0xD800 <= point < 0xE000]
    _same(kind, texts)


EVERY_TEXT = bool(os.environ.get("TEXTCNN_EVERY_TEXT"))


def _texts_of(path: Path, step: int) -> list[str]:
    import pyarrow.parquet as parquet

    return parquet.read_table(path, columns=["text"])["text"][::step].to_pylist()


_few_of = cache(_texts_of)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["wordpiece", "wordpiece cased", "bpe lower", "characters lower", "words whitespace"])
def test_real_texts(kind: str, data_dir: Path) -> None:
    for path in sorted(data_dir.glob("*/*.parquet")):
        # Every text is half an hour (`make test-corpora`); one in 200 finds what is not rare.
        texts = _texts_of(path, 1) if EVERY_TEXT else _few_of(path, 200)
        for begin in range(0, len(texts), 4096):
            _same(kind, texts[begin : begin + 4096])


def _contractions(count: int, seed: int) -> list[str]:
    # Words of GPT-2's expression end anywhere in the stretches of 64 bytes that are split at once.
    rng = np.random.default_rng(seed)
    parts = [
        "'",
        "s",
        "t",
        "ll",
        "re",
        "ve",
        "x",
        "A'LL",
        " ",
        "  ",
        "\n",
        "\t",
        "0",
        "12",
        "!",
        "'s",
        "é",
        "\u00a0",
        "word ",
    ]
    shares = rng.dirichlet(np.full(len(parts), 0.5), size=count)
    return ["".join(rng.choice(parts, size=rng.integers(0, 100), p=share)) for share in shares]


@pytest.mark.parametrize("lowercase", [False, True])
def test_contractions_and_white_space_at_the_ends_of_stretches(lowercase: bool) -> None:
    # Its tokens are words of such texts, so that a word that is cut elsewhere has other ids.
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=lowercase)
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    trainer = trainers.BpeTrainer(vocab_size=2000, min_frequency=1, show_progress=False)
    tokenizer.train_from_iterator(_contractions(1000, seed=1), trainer)
    compiled, reference = compile_tokenizer(tokenizer.to_str()), ReferenceTokenizer(tokenizer.to_str())
    assert isinstance(compiled, CompiledTokenizer)
    for text in _contractions(3000, seed=0):
        assert compiled.encode_batch([text])[0].tolist() == reference.encode_batch([text])[0].tolist(), ascii(text)


def test_a_word_may_be_as_long_as_the_file_says() -> None:
    _same("wordpiece", ["x" * length for length in (15, 16, 17, 29, 30, 31, 500, 100_000)])
    _same("words bert", ["x" * 100_000 + " fox"])
    _same("bpe", ["x" * length + " fox" for length in (16, 17, 66_000)])


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_long_text_is_answered_as_its_ids_are(kind: str) -> None:
    # Text of more than 65,536 bytes is tokenized and pooled piece by piece; `encode` cuts nothing.
    compiled, reference = _pair(kind)
    folded = fold(make_model(vocab_size=compiled.vocab_size), _text(kind))
    part = "  ".join([*SENTENCES, " a  b ", "x" * 40, "\U0001d16d\U0001d172", "'s 't"])
    long = part * (150_000 // len(part)) + " \n"
    for text in (long, long.strip(), long + "[CLS] end", "x" * 150_000, " " * 150_000, "x " * 75_000):
        ids, offsets = reference.encode_batch([text])
        assert (folded.logits([text]) == folded.logits_of_ids(ids, offsets)).all()


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=_texts)
@example(text="")
@example(text="x\u0301y  [CLS] é! end")
def test_places_of_tokens_are_those_of_tokenizers(kind: str, text: str) -> None:
    compiled, reference = _pair(kind)
    assert compiled.spans(text) == reference.spans(text), ascii(text)


@pytest.mark.parametrize("trims", [False, True])
@pytest.mark.parametrize("prefix", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=_texts)
@example(text="\ta b")
@example(text="  two  spaces ")
def test_byte_level_tokens_without_their_spaces(trims: bool, prefix: bool, text: str) -> None:
    compiled, reference = _byte_level_pair(trims, prefix)
    assert compiled.spans(text) == reference.spans(text), ascii(text)


@cache
def _byte_level_pair(trims: bool, prefix: bool) -> tuple[CompiledTokenizer, ReferenceTokenizer]:
    tokenizer = _bpe(pre_tokenizers.ByteLevel(add_prefix_space=prefix))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trims, add_prefix_space=prefix)
    text = tokenizer.to_str()
    return CompiledTokenizer(text), ReferenceTokenizer(text)


ADDED = [
    AddedToken("<mask>", lstrip=True, normalized=False),
    AddedToken("<e>", rstrip=True, normalized=False),
    AddedToken("word", single_word=True, normalized=False),
    AddedToken("<e><f>", normalized=False),
]


@pytest.mark.parametrize("kind", ["wordpiece", "words whitespace", "bpe", "metaspace always", "unigram", "characters"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(_pieces | st.sampled_from(["<mask>", "<e>", "<e><f>", "word", " ", "  ", "é"]), max_size=7))
@example(parts=["a ", "<mask>", " ", "<e>", "  b", "word", "y word ", "<e><f>"])
def test_added_tokens_are_cut_out_as_tokenizers_does(kind: str, parts: list[str]) -> None:
    compiled, reference = _pair_with_added(kind)
    text = "".join(parts)
    assert compiled.encode_batch([text])[0].tolist() == reference.encode_batch([text])[0].tolist(), ascii(text)
    assert compiled.spans(text) == reference.spans(text), ascii(text)


@cache
def _pair_with_added(kind: str) -> tuple[CompiledTokenizer, ReferenceTokenizer]:
    tokenizer = TOKENIZERS[kind]()
    tokenizer.add_tokens(ADDED)
    text = tokenizer.to_str()
    return CompiledTokenizer(text), ReferenceTokenizer(text)


@pytest.mark.parametrize("name", available_instructions())
def test_every_set_of_instructions_gives_the_same_ids(name: str) -> None:
    texts = [*SENTENCES, "Plain words, 64 bytes and more of them; " * 5, "x" * 70 + " y", "tab\tand  spaces", "a.b,c"]
    for kind in TOKENIZERS:
        # A new tokenizer, because one remembers its words.
        with instructions_of(name):
            ids, _ = CompiledTokenizer(_text(kind)).encode_batch(texts)
        assert ids.tolist() == _pair(kind)[1].encode_batch(texts)[0].tolist(), kind


def test_more_words_than_the_memory_holds() -> None:
    # In one text, and in many: BPE forgets and goes on, and rests when asking does not pay.
    rng = np.random.default_rng(0)
    words = ["".join(map(chr, rng.integers(97, 123, 6))) for _ in range(150_000)]
    _same("bpe", [" ".join(words[:90_000])])
    _same("bpe", [" ".join(words[begin : begin + 10]) for begin in range(0, len(words), 10)])
    _same("wordpiece", [" ".join(words[begin : begin + 10]) for begin in range(0, len(words), 10)])


def test_threads_may_share_a_tokenizer() -> None:
    rng = np.random.default_rng(1)
    texts = ["".join(map(chr, rng.integers(0x20, 0xD7FF, 30))) + " shared words" for _ in range(400)]
    for kind in ("wordpiece", "bpe"):
        text = TOKENIZERS[kind]().to_str()
        compiled, reference = compile_tokenizer(text), ReferenceTokenizer(text)
        wanted = reference.encode_batch(texts)
        with ThreadPoolExecutor(8) as pool:
            for ids, offsets in pool.map(compiled.encode_batch, [texts] * 16):
                assert (ids == wanted[0]).all()
                assert (offsets == wanted[1]).all()


def test_what_cannot_be_compiled_is_left_to_tokenizers() -> None:
    tokenizer = _wordlevel(pre_tokenizers.WhitespaceSplit(), normalizers.NFKC())
    with pytest.warns(RuntimeWarning, match="normalizer has a NFKC step"):
        compiled = compile_tokenizer(tokenizer.to_str())
    assert not isinstance(compiled, CompiledTokenizer)
    ids, offsets = compiled.encode_batch(["the ﬁ fox", ""])
    assert ids.tolist() == tokenizer.encode("the ﬁ fox").ids
    assert offsets.tolist() == [0, len(ids), len(ids)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content["truncation"].update(direction="Left"), "truncates"),
        (lambda content: content["added_tokens"][0].update(normalized=True), "after normalization"),
        (lambda content: content["model"].update(unk_token="missing"), "no unknown token"),
        (lambda content: content.update(pre_tokenizer=None), "missing"),
    ],
)
def test_reasons_not_to_compile(change: Callable[[dict[str, Any]], None], reason: str) -> None:
    content = json.loads(_with_specials(_wordpiece(lowercase=True)).to_str())
    change(content)
    with pytest.warns(RuntimeWarning, match=reason):
        compile_tokenizer(json.dumps(content))


def test_half_a_surrogate_pair_is_named() -> None:
    for encode in (_pair("wordpiece")[0].encode_batch, _pair("wordpiece")[1].encode_batch):
        with pytest.raises(ValueError, match=r"surrogate pair in the text at position 1, character 2.*do|clean"):
            encode(["fine", "ab\ud800"])


def test_a_broken_file_is_named() -> None:
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"tokenizer\.json cannot be read"):
        compile_tokenizer("{}")
