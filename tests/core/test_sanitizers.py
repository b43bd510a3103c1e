"""The core under the address and undefined-behaviour sanitizers, on damaged files and on texts that nobody writes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fasttext_models import make_file
from folded_models import make_model, without_digests, word_tokenizer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from textcnn.core import build
from textcnn.exporting.dictionary import write_lines
from textcnn.folding.convert import fold_fasttext
from textcnn.folding.fold import fold

# Inputs of each kind; `make sanitize` takes many more, with line numbers in its reports and the plain kernels as well.
LONG = "TEXTCNN_SANITIZE" in os.environ
COUNT = os.environ.get("TEXTCNN_SANITIZE", "200")
FLAGS = (
    "-O1", *(("-g",) if LONG else ()), "-fsanitize=address,undefined", "-fno-sanitize=vptr",
    "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = build.find_compiler()
    if compiler is None or "ziglang" in compiler:
        pytest.skip("the sanitizers need the system's compiler")
    target = tmp_path_factory.mktemp("fuzz") / "fuzz"
    source = Path(__file__).parent / "fuzz.cpp"
    if LONG:
        return build.build_program(source, target, FLAGS, sets=build.sanitized_sets())
    # The kernels take longest to compile, and a third of that without optimization, which a few inputs do not need.
    # Those that read widest are the ones that could read past an end.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "KERNELS", {name: (*flags, "-O0") for name, flags in build.KERNELS.items()})
        return build.build_program(source, target, FLAGS, sets=build.sanitized_sets()[:1])


def run(fuzz: Path, model: Path) -> None:
    done = subprocess.run([str(fuzz), str(model), COUNT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    # Some inputs must still be whole, and some must not.
    opened, _, tried, *_ = done.stdout.split()
    assert 0 < int(opened) < int(tried)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("int8", [False, True])
def test_words(fuzz: Path, tmp_path: Path, int8: bool) -> None:
    fold(make_model(), word_tokenizer(), int8=int8).save(tmp_path)
    without_digests(tmp_path)
    run(fuzz, tmp_path)


VARIANTS: dict[str, dict[str, Any]] = {
    "means": {"pooling": "max_mean", "num_filters": [9, 4, 33]},
    "beside": {"bag": "sqrtn", "bag_ngrams": 3, "bag_buckets": 40},
    "vectors": {"bag": "mean", "bag_dim": 5, "bag_buckets": 31},
    "alone": {"bag": "sum", "bag_ngrams": 2, "bag_buckets": 40, "kernel_sizes": []},
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", VARIANTS)
def test_variants(fuzz: Path, tmp_path: Path, name: str) -> None:
    fold(make_model(**VARIANTS[name]), word_tokenizer(), int8=name == "beside").save(tmp_path)
    without_digests(tmp_path)
    run(fuzz, tmp_path)


CONVERTED: dict[str, dict[str, Any]] = {
    "pruned": {"kind": "pruned", "ngrams": 3, "minn": 1, "maxn": 4},
    "tree": {"loss": "hs", "ngrams": 2},
    "vectors": {"dim": 1},
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CONVERTED)
def test_converted(fuzz: Path, tmp_path: Path, name: str) -> None:
    model = fold_fasttext(make_file(**CONVERTED[name]))
    write_lines(tmp_path / "folded.safetensors", model)
    (tmp_path / "config.json").write_text(json.dumps(model.config), encoding="utf-8")
    without_digests(tmp_path)
    run(fuzz, tmp_path)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "characters"])
def test_pieces(fuzz: Path, tmp_path: Path, kind: str) -> None:
    kinds = {"wordpiece": _wordpiece, "bpe": _bpe, "unigram": _unigram, "characters": _characters}
    tokenizer = kinds[kind]()
    model = make_model(vocab_size=tokenizer.get_vocab_size(), dilation=2, pooled_norm=True)
    fold(model, tokenizer.to_str()).save(tmp_path)
    without_digests(tmp_path)
    run(fuzz, tmp_path)


SENTENCES = ["The quick brown fox, doesn't it? Été naïve 中文 and more w2 w3 words."] * 3


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[SEP]"]
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False)
    )
    return tokenizer


def _bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["[PAD]"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["[PAD]", "[UNK]"]
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="[UNK]", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def _characters() -> Tokenizer:
    vocabulary = {name: number for number, name in enumerate(["[PAD]", "[UNK]", *sorted(set(SENTENCES[0]))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    steps = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(), normalizers.Lowercase()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    return tokenizer
