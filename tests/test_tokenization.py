"""Tokenizers: what transformers, `tokenizers` and plain Python make of the same texts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from textcnn.tokenization import (
    KINDS,
    load,
    load_tokenizer,
    prepare_tokenizer,
    replace_surrogates,
    save_tokenizer,
    tokenizer_json,
    train_tokenizer,
    vocabulary_size,
)
from textcnn.tokenization.train import _repeated, count_words

CHECKPOINT = os.environ.get("TEXTCNN_CHECKPOINT")
DATA = os.environ.get("TEXTCNN_DATA")

CORPUS = [
    "A fine film, finely made: the finest of films!",
    "A dull film; duller than the dullest films.",
    "Das Mädchen läuft über die Straße, Ärger über Übermut.",
    "日本の映画 映画館 日本語 café Café CAFÉ",
    "filming filmed films tab\tbed\u3000wide  double",
] * 3
TEXTS = [
    "",
    " ",
    "Fine films",
    "[PAD]",
    "a [PAD] [UNK] film",
    "nul\0nul",
    "cafe\u0301 \u0301 \U0001d16d\U0001d172",
    "日本語 film",
    "שלום עולם",
    "👩‍👩‍👧 \ufeff\u200b",
    "x" * 300,
    "tab\tnew\nline\x1c \u3000end ",
    "##film Ġfilm ▁film </s>",
]
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.fixture(scope="module")
def trained() -> dict[str, PreTrainedTokenizerFast]:
    return {kind: train_tokenizer(iter(CORPUS), kind, vocab_size=400) for kind in KINDS}


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_of_a_saved_tokenizer_gives_the_same_ids(kind: str, lowercase: bool, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(CORPUS, kind, vocab_size=400, lowercase=lowercase)
    save_tokenizer(tokenizer, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    plain = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    readers = [
        AutoTokenizer.from_pretrained(tmp_path),
        PreTrainedTokenizerFast.from_pretrained(tmp_path),
        load_tokenizer(tmp_path),
    ]

    @settings(max_examples=40, deadline=None, database=None)
    @given(UNICODE)
    def same(text: str) -> None:
        expected = ids(tokenizer, text)
        assert plain.encode(text).ids == expected
        assert [ids(reader, text) for reader in readers] == [expected] * 3

    for text in TEXTS + CORPUS:
        same.hypothesis.inner_test(text)  # type: ignore[attr-defined]
    same()
    for reader in readers:
        assert reader.pad_token_id == 0
        assert reader.unk_token_id == 1
        assert reader.model_input_names == ["input_ids", "attention_mask"]
        assert reader.model_max_length > 1e9
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert str(tmp_path) not in json.dumps(config)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_never_gives_the_pad_id(kind: str, trained: dict[str, PreTrainedTokenizerFast]) -> None:
    tokenizer = trained[kind]
    assert ids(tokenizer, "") == []
    assert all(0 not in ids(tokenizer, text) for text in TEXTS)
    assert tokenizer(["film", "a film"], padding=True)["attention_mask"][0][-1] == 0
    assert len(ids(tokenizer, "film " * 1000)) >= 1000  # not truncated


def test_training_is_deterministic_across_processes(tmp_path: Path) -> None:
    code = (
        "from textcnn.tokenization import *\n"
        "words = [chr(97 + i % 26) + chr(97 + i * 7 % 26) + chr(97 + i // 26) for i in range(676)]\n"
        "texts = [' '.join(words[i:] + [a + b for a, b in zip(words, words[i:])]) for i in range(9)]\n"
        "for kind in KINDS: save_tokenizer(train_tokenizer(texts, kind, 600), folder + kind)\n"
    )
    # A process whose hashes of strings are others than those of this one.
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    exec(code, {"folder": str(tmp_path / "here")})
    there = f"folder = {str(tmp_path / 'there')!r}\n{code}"
    subprocess.run([sys.executable, "-c", there], env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
    digests = []
    for process in ("here", "there"):
        files = [tmp_path / (process + kind) / "tokenizer.json" for kind in KINDS]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]


@pytest.mark.parametrize("vocab_size", [20, 30, 45])
def test_wordpiece_learns_what_the_trainer_of_tokenizers_learns(vocab_size: int) -> None:
    # that trainer breaks ties between pairs at random; here each pair has a count of its own,
    # because every beginning of a word is a word, too, and the counts are arbitrary
    random = Random(0)
    longest = ["".join(random.choices("abcdef", k=6)) for _ in range(12)]
    words = {word[:length] for word in longest for length in range(1, 7)}
    texts = [f"{word} " * random.randint(2, 2000) for word in sorted(words)]
    reference = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    reference.normalizer = normalizers.BertNormalizer()
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=["[PAD]", "[UNK]"], show_progress=False
    )
    reference.train_from_iterator(texts, trainer)
    tokenizer = train_tokenizer(texts, vocab_size=vocab_size)
    assert len(tokenizer) == vocab_size
    assert set(tokenizer.get_vocab()) == set(reference.get_vocab())


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(UNICODE, max_size=4))
@example(["Can't (U.S.) a_b@c.d $3.50", "A_B c\x00d\x7f e\tf", "".join(map(chr, range(128)))])
def test_words_are_counted_as_in_whole_texts(texts: list[str]) -> None:
    for lowercase in (True, False):
        normalizer = normalizers.BertNormalizer(lowercase=lowercase)
        pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        expected = Counter(
            word for text in texts for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))
        )
        assert count_words(texts, normalizer, pre_tokenizer, lowercase) == expected


def test_the_trainer_is_fed_each_word_as_often_as_it_occurs() -> None:
    words = {"rare": 1, "some": 1000, "frequent": 2345}
    assert Counter(" ".join(_repeated(words)).split()) == words


@pytest.mark.parametrize("vocab_size", [4, 20, 60, 90])
def test_a_small_vocabulary_keeps_the_most_frequent_characters(vocab_size: int) -> None:
    tokenizer = train_tokenizer(CORPUS, vocab_size=vocab_size, min_frequency=1)
    assert 4 <= len(tokenizer) <= vocab_size
    assert vocabulary_size(tokenizer) == len(tokenizer)
    assert "," in train_tokenizer(["a, b, , ,"], vocab_size=4).get_vocab()


def test_characters_are_the_most_frequent_ones_and_space_is_one_of_them() -> None:
    tokenizer = train_tokenizer(CORPUS, "char", vocab_size=30)
    counts = Counter("".join(" ".join(text.split()).lower() for text in CORPUS))
    expected = sorted(counts, key=lambda character: (-counts[character], character))[:28]
    assert len(tokenizer) == 30
    assert tokenizer.convert_ids_to_tokens(list(range(30))) == ["[PAD]", "[UNK]", *expected]
    assert tokenizer.convert_ids_to_tokens(ids(tokenizer, "  A \n\t Film☃ ")) == [*"a film", "[UNK]"]
    assert "F" in train_tokenizer(["Fa Fa"], "char", lowercase=False).get_vocab()


@settings(max_examples=100, deadline=None, database=None)
@given(UNICODE)
def test_byte_ids_are_the_bytes_plus_two(text: str) -> None:
    tokenizer = train_tokenizer([], "byte", lowercase=False)
    assert ids(tokenizer, text) == [byte + 2 for byte in text.encode("utf-8")]


@settings(max_examples=60, deadline=None, database=None)
@given(UNICODE)
def test_bpe_loses_nothing(text: str) -> None:
    tokenizer = _cased_bpe()
    assert tokenizer.decode(ids(tokenizer, text)).removeprefix(" ") == text.removeprefix(" ")
    assert 1 not in ids(tokenizer, text)


def _cased_bpe(cache: list[PreTrainedTokenizerFast] = []) -> PreTrainedTokenizerFast:  # noqa: B006
    if not cache:
        cache.append(train_tokenizer(CORPUS, "bpe", vocab_size=300, lowercase=False))
    return cache[0]


def test_min_frequency_and_lowercase_are_obeyed() -> None:
    assert "ab" not in train_tokenizer(["ab ba"], min_frequency=2).get_vocab()
    assert "ab" in train_tokenizer(["ab ba"], min_frequency=1).get_vocab()
    texts = ["rare common Common common"]
    assert "rare" not in train_tokenizer(texts, min_frequency=2).get_vocab()
    assert "rare" in train_tokenizer(texts, min_frequency=1).get_vocab()
    assert "Common" in train_tokenizer(texts, min_frequency=1, lowercase=False).get_vocab()
    assert set(train_tokenizer(texts, "word").get_vocab()) == {"[PAD]", "[UNK]", "common"}
    cased = train_tokenizer(texts, "word", min_frequency=1, lowercase=False)
    assert cased.convert_ids_to_tokens([2, 3, 4]) == ["common", "Common", "rare"]
    assert "ĠCommon" in train_tokenizer(texts * 2, "bpe", lowercase=False).get_vocab()
    assert "Ġcommon" in train_tokenizer(texts, "bpe").get_vocab()


def test_words_are_those_of_bert_and_rare_ones_are_unknown() -> None:
    tokenizer = train_tokenizer(["A fine-film!", "a fine film"], "word")
    assert tokenizer.tokenize("A fine-film! fines") == ["a", "fine", "[UNK]", "film", "[UNK]", "[UNK]"]
    assert train_tokenizer(["[UNK] [PAD] x"] * 2, "word").convert_tokens_to_ids(["[PAD]", "[UNK]"]) == [0, 1]


def test_a_lone_surrogate_does_not_stop_the_training() -> None:
    assert "ok" in train_tokenizer(["ok \ud83d", "ok"]).get_vocab()
    assert replace_surrogates("a\ud83db") == "a?b"
    assert replace_surrogates("a😀b") == "a😀b"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "wordpeice"}, "did you mean 'wordpiece'?"),
        ({"kind": "BPE"}, "did you mean 'bpe'?"),
        ({"kind": "sentence"}, "expected one of wordpiece, word, bpe, char, byte"),
        ({"vocab_size": 3}, "expected at least 4"),
        ({"vocab_size": 2, "kind": "char"}, "expected at least 3"),
        ({"vocab_size": 257, "kind": "bpe"}, "expected at least 258"),
        ({"min_frequency": 0}, "got min_frequency=0"),
        ({"texts": []}, "got no texts"),
        ({"texts": [" ", ""], "kind": "wordpiece"}, "no character occurs min_frequency=2 times"),
        ({"texts": [" ", ""], "kind": "char"}, "no character occurs min_frequency=2 times"),
        ({"texts": ["a b"], "kind": "word"}, "no word occurs min_frequency=2 times"),
        ({"vocab_size": 2, "kind": "word"}, "expected at least 3"),
        ({"texts": "one string"}, "got one string as texts"),
        ({"texts": ["fine", 7]}, "got 7 (int) as text 1"),
        ({"texts": ["fine", None], "kind": "bpe"}, "got None (NoneType) as text 1"),
    ],
)
def test_mistakes_in_training_have_one_clear_line(options: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as error:
        train_tokenizer(**{"texts": CORPUS, **options})  # type: ignore[arg-type]
    assert expected in str(error.value)


def make_checkpoint(directory: Path, pad: str | None = "[PAD]", **config: object) -> Path:
    """A tokenizer as checkpoints have it: [CLS] and [SEP], truncated to 4, padded to 6."""
    words = ["[UNK]", "[CLS]", "[SEP]", "fine", "film", "a", *([pad] if pad else [])]
    backend = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    backend.enable_truncation(4)
    backend.enable_padding(length=6, pad_token=pad or "[UNK]", pad_id=words.index(pad or "[UNK]"))
    directory.mkdir(exist_ok=True)
    backend.save(str(directory / "tokenizer.json"))
    special = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special |= {"tokenizer_class": "PreTrainedTokenizerFast"}
    (directory / "tokenizer_config.json").write_text(
        json.dumps({**special, **({"pad_token": pad} if pad else {}), **config})
    )
    return directory


@pytest.mark.parametrize("pad", ["[PAD]", "<pad>", None])
def test_a_checkpoint_loses_what_a_convolution_has_no_use_for(pad: str | None, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_checkpoint(tmp_path / "model", pad))
    plain = Tokenizer.from_str(tokenizer_json(tokenizer))
    assert plain.encode("a fine film a fine [PAD] [SEP]").ids == ids(tokenizer, "a fine film a fine [PAD] [SEP]")
    assert tokenizer.backend_tokenizer.encode("a fine film a fine").ids == [5, 3, 4, 5, 3]
    assert ids(tokenizer, "a fine film a fine film [CLS]") == [5, 3, 4, 5, 3, 4, 0, 0, 0]
    assert tokenizer("fine")["attention_mask"] == [1]
    assert tokenizer.pad_token == (pad or "[PAD]")
    assert tokenizer.pad_token_id == 6
    assert vocabulary_size(tokenizer) == len(tokenizer) == 7
    save_tokenizer(tokenizer, tmp_path / "saved")
    again = load_tokenizer(tmp_path / "saved")
    assert ids(again, "a [SEP] film") == ids(tokenizer, "a [SEP] film")
    assert (again.pad_token_id, again.cls_token) == (6, "[CLS]")


def test_a_pad_token_that_is_the_unknown_token_is_replaced(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_checkpoint(tmp_path, pad_token="[UNK]"))
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (6, 0)


def test_an_added_pad_token_has_one_reading_where_words_end_at_spaces_only(tmp_path: Path) -> None:
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "film": 1}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = prepare_tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]"))
    assert tokenizer.pad_token_id == 2
    save_tokenizer(tokenizer, tmp_path)
    assert ids(load_tokenizer(tmp_path), "film [PAD] x") == ids(tokenizer, "film [PAD] x")


def test_bpe_dropout_is_switched_off() -> None:
    backend = Tokenizer.from_str(train_tokenizer(CORPUS, "bpe").backend_tokenizer.to_str())
    backend.model.dropout = 0.9
    tokenizer = prepare_tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend))
    assert len({tuple(ids(tokenizer, "a fine film, finely made")) for _ in range(20)}) == 1


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "hub_is_reachable", lambda: False)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wordpeice", "did you mean 'wordpiece'?"),
        ("no-such-model/anywhere", "check the spelling and the network"),
        ("./missing", "no such directory"),
        ("a/b/c", "no such directory"),
        ("", "no such directory"),
        ("{tmp}", "a directory without tokenizer files"),
        ("{tmp}/file.txt", "a file; expected a directory"),
        ("{tmp}/slow", "a slow one (ByT5Tokenizer)"),
        ("{tmp}/broken", "which cannot be read"),
        ("{tmp}/broken_config", "which cannot be read"),
    ],
)
def test_mistakes_in_loading_have_one_clear_line(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    for folder in ("slow", "broken"):
        (tmp_path / folder).mkdir()
    (tmp_path / "slow" / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    (tmp_path / "broken" / "tokenizer.json").write_text('{"model": ')
    (make_checkpoint(tmp_path / "broken_config") / "tokenizer_config.json").write_text("{")
    with pytest.raises((ValueError, FileNotFoundError), match=r"\A[^\n]+\Z") as error:
        load_tokenizer(name.format(tmp=tmp_path))
    assert expected in str(error.value)
    assert str(error.value).startswith("got tokenizer ")


def test_the_network_is_not_asked_when_its_name_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no name service")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(load.socket, "getaddrinfo", fail)
    monkeypatch.setattr(load.urllib.request, "getproxies", dict)
    assert not load.hub_is_reachable()
    monkeypatch.setattr(load.urllib.request, "getproxies", lambda: {"https": "proxy"})
    assert load.hub_is_reachable()


@pytest.mark.skipif(not CHECKPOINT, reason="TEXTCNN_CHECKPOINT names no checkpoint directory")
def test_a_real_checkpoint_gives_its_own_ids_without_special_tokens() -> None:
    assert CHECKPOINT
    reference = AutoTokenizer.from_pretrained(CHECKPOINT, split_special_tokens=True)
    reference.backend_tokenizer.no_truncation()
    reference.backend_tokenizer.no_padding()
    tokenizer = load_tokenizer(CHECKPOINT)
    plain = Tokenizer.from_str(tokenizer_json(tokenizer))

    @settings(max_examples=300, deadline=None, database=None)
    @given(UNICODE)
    def same(text: str) -> None:
        expected = reference(text, add_special_tokens=False)["input_ids"]
        assert plain.encode(text).ids == expected
        assert ids(tokenizer, text) == expected

    for text in TEXTS + CORPUS:
        same.hypothesis.inner_test(text)  # type: ignore[attr-defined]
    same()


@pytest.mark.skipif(not DATA, reason="TEXTCNN_DATA names no directory of data sets")
def test_real_texts_of_many_languages_are_covered() -> None:
    import pyarrow.parquet as pq

    assert DATA
    texts = pq.read_table(Path(DATA) / "lang_id" / "train.parquet")["text"].to_pylist()[:5000]
    # Whole words are the one kind of which most are unknown: it has no pieces.
    for kind in [kind for kind in KINDS if kind != "word"]:
        tokenizer = train_tokenizer(texts, kind, vocab_size=8000)
        encoded = tokenizer(texts)["input_ids"]
        unknown = sum(row.count(1) for row in encoded) / sum(map(len, encoded))
        assert unknown < 0.01, kind
