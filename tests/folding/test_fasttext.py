"""The reader of fastText's files against a reference in plain Python, and against fastText where it is installed."""

from __future__ import annotations

import json
import random
import struct

import numpy as np
import pytest
from fasttext_models import LABELS, TEXTS, WORDS, Reference, make_file, needs_fasttext, train_fasttext

import textcnn
from textcnn.folding.convert import fold_fasttext, round_fasttext
from textcnn.folding.fasttext import read_fasttext
from textcnn.folding.fasttext_writer import write_fasttext
from textcnn.runtime.fasttext import FoldedFastText

MANY = [f"__label__{i}" for i in range(40)]
CASES = {
    "words": {},
    "bigrams": {"ngrams": 2},
    "five-grams": {"ngrams": 5, "bucket": 1000},
    "subwords": {"minn": 2, "maxn": 4},
    "subwords of one": {"minn": 1, "maxn": 3, "ngrams": 2},
    "ova": {"loss": "ova", "ngrams": 2},
    "ns": {"loss": "ns"},
    "hs": {"loss": "hs", "ngrams": 2},
    "hs of many": {"loss": "hs", "labels": MANY, "dim": 3},
    "hs of one": {"loss": "hs", "labels": LABELS[:1]},
    "hs of two": {"loss": "hs", "labels": LABELS[:2]},
    "one label": {"labels": LABELS[:1]},
    "many labels": {"labels": MANY, "ngrams": 3, "bucket": 200},
    "quantized": {"kind": "quantized", "ngrams": 2},
    "quantized, odd": {"kind": "quantized", "dim": 7},
    "pruned": {"kind": "pruned", "ngrams": 3, "minn": 2, "maxn": 3},
    "another prefix": {"labels": ["#pos", "#neg"], "ngrams": 2},
    "some with the prefix": {"labels": ["__label__pos", "neg"], "ngrams": 2},
    "no end of text": {"words": WORDS[1:], "ngrams": 2},
}


@pytest.mark.parametrize("name", CASES)
def test_answers_are_those_of_the_reference(name, tmp_path):
    file = make_file(**CASES[name])
    reference = Reference(file)
    write_fasttext(file, tmp_path / "model.bin")
    model = textcnn.convert(tmp_path / "model.bin", tmp_path / "model")
    expected = np.array([reference.probabilities(text) for text in TEXTS])
    np.testing.assert_allclose(model.predict_proba(TEXTS), expected, atol=1e-5)
    again = textcnn.load(tmp_path / "model", threads=3)
    np.testing.assert_array_equal(again.predict_proba(TEXTS * 40), np.tile(model.predict_proba(TEXTS), (40, 1)))
    alone = np.concatenate([model.predict_proba([text]) for text in TEXTS])
    np.testing.assert_array_equal(alone, model.predict_proba(TEXTS))


def test_random_lines_are_read_as_the_reference_reads_them():
    file = make_file(ngrams=3, minn=2, maxn=5, bucket=997, dim=2, labels=MANY[:5])
    reference, model = Reference(file), fold_fasttext(file)
    rng = random.Random(0)
    pieces = [
        *WORDS,
        *MANY[:6],
        " ",
        "  ",
        "\t",
        "\0",
        "é",
        "😀",
        "a",
        "<",
        ">",
        "</",
        "s>",
        "__label__",
        "_",
        "\u2028",
    ]
    texts = ["".join(rng.choices(pieces, k=rng.randrange(40))) for _ in range(400)]
    texts += [" ".join(rng.choices(pieces, k=rng.randrange(200))) for _ in range(100)]
    expected = np.array([reference.probabilities(text) for text in texts])
    np.testing.assert_allclose(model.predict_proba(texts), expected, atol=1e-5)
    for text in texts[:200]:
        rows = sorted(model.words.features(model.bag, text.encode()).features[:, 0].tolist())
        assert rows == sorted(reference.rows(text))


def test_the_end_of_a_line_within_a_text_is_white_space():
    model = fold_fasttext(make_file(ngrams=2))
    np.testing.assert_array_equal(model.logits(["good\nfilm"]), model.logits(["good film"]))


def test_two_factors_stay_where_they_are_smaller():
    wide = fold_fasttext(make_file(labels=MANY, dim=3))
    assert wide.tensors["table"].shape == (len(WORDS), 3)
    assert wide.tensors["output"].shape == (40, 3)
    narrow = fold_fasttext(make_file(dim=50, ngrams=2))
    assert narrow.tensors["table"].shape == (len(WORDS) + 50, 3)
    assert "output" not in narrow.tensors


def test_rows_that_no_text_reaches_are_dropped():
    file = make_file(kind="pruned", ngrams=2)
    assert len(fold_fasttext(file).tensors["table"]) == len(WORDS) + 20
    # Without n-grams and subwords no bucket is read, even where the file has some.
    file = make_file(ngrams=2)
    file.args["wordNgrams"] = 1
    assert len(fold_fasttext(file).tensors["table"]) == len(WORDS)


def test_eight_bits_measure_their_error(tmp_path):
    file = make_file(ngrams=2, dim=20)
    write_fasttext(file, tmp_path / "model.bin")
    texts = [text for text in TEXTS if text.strip()]
    model = textcnn.convert(tmp_path / "model.bin", tmp_path / "model", int8=True, texts=texts)
    error = json.loads(model.metadata["int8_error"])
    difference = np.abs(model.predict_proba(texts) - fold_fasttext(file).predict_proba(texts)).max()
    assert error["texts"] == len(texts)
    assert error["max_probability_difference"] == pytest.approx(difference)
    assert 0 < difference < 0.1
    loaded = textcnn.load(tmp_path / "model")
    assert loaded.precision == "int8"
    np.testing.assert_array_equal(loaded.logits(texts), model.logits(texts))
    assert "Error of 8 bits" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    # Of two factors the rows are rounded.
    wide = fold_fasttext(make_file(labels=MANY, dim=3))
    np.testing.assert_allclose(round_fasttext(wide).logits(TEXTS), wide.logits(TEXTS), atol=0.1)


def test_a_file_is_written_as_it_was_read(tmp_path):
    for name in ("pruned", "quantized, odd", "bigrams", "hs"):
        write_fasttext(make_file(**CASES[name]), tmp_path / "a.bin")
        write_fasttext(read_fasttext(tmp_path / "a.bin"), tmp_path / "b.bin")
        assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


@pytest.mark.parametrize("name", ["bigrams", "pruned"])
def test_a_file_that_ends_early_is_one_line(name, tmp_path):
    whole = write_fasttext(make_file(**CASES[name]), tmp_path / "whole.bin").read_bytes()
    part = tmp_path / "part.bin"
    for length in [*range(4, 400, 7), *range(400, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
        part.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"part\.bin: got .*copy"):
            read_fasttext(part)
    part.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="1 bytes after the end"):
        read_fasttext(part)


def test_damaged_bytes_never_crash(tmp_path):
    """Each of the first bytes and many of the others changed: the answers are finite numbers, or there is one line."""
    rng = random.Random(0)
    outcomes = set()
    for name in ("pruned", "bigrams", "hs"):
        whole = write_fasttext(make_file(**CASES[name]), tmp_path / "whole.bin").read_bytes()
        for at in [*range(120), *rng.sample(range(120, len(whole)), 250)]:
            damaged = bytearray(whole)
            damaged[at] ^= rng.choice((1, 0x80, 0xFF))
            (tmp_path / "damaged.bin").write_bytes(damaged)
            try:
                values = fold_fasttext(read_fasttext(tmp_path / "damaged.bin")).predict_proba(TEXTS)
            except ValueError as error:
                outcomes.add("refused" if "\n" not in str(error) else str(error))
            else:
                assert np.isfinite(values).all()
                outcomes.add("answered")
    assert outcomes == {"refused", "answered"}


def test_what_is_no_supervised_model_is_named(tmp_path):
    file = make_file()
    path = write_fasttext(file, tmp_path / "model.bin")
    content = bytearray(path.read_bytes())
    content[8 + 4 * 7 : 8 + 4 * 8] = struct.pack("<i", 2)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="got a skipgram model, which has word vectors and no labels"):
        read_fasttext(path)
    content[4:8] = struct.pack("<i", 13)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="got version 13"):
        read_fasttext(path)
    path.write_bytes(b"good film")
    with pytest.raises(ValueError, match="is no model of fastText"):
        read_fasttext(path)
    with pytest.raises(ValueError, match="got the directory"):
        read_fasttext(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_fasttext(tmp_path / "none.bin")


def test_the_tree_stays_in_the_artifact(tmp_path):
    write_fasttext(make_file(loss="hs", labels=MANY, dim=3), tmp_path / "model.bin")
    model = textcnn.convert(tmp_path / "model.bin", tmp_path / "model")
    assert model.tensors["tree"].shape == (39, 2)
    np.testing.assert_allclose(model.predict_proba(TEXTS).sum(axis=1), 1, atol=1e-5)
    tensors = {**model.tensors, "tree": model.tensors["tree"][::-1].copy()}
    with pytest.raises(ValueError, match="tree: got nodes that make no binary tree"):
        FoldedFastText(model.config, tensors)


TRAINED = {
    "words": ({}, None),
    "trigrams": ({"wordNgrams": 3, "bucket": 5000}, None),
    "subwords": ({"minn": 2, "maxn": 4, "wordNgrams": 2, "bucket": 5000}, None),
    "hs": ({"loss": "hs", "wordNgrams": 2, "bucket": 5000}, None),
    "quantized": ({"wordNgrams": 2, "bucket": 5000, "dim": 15}, {}),
    "pruned": ({"wordNgrams": 2, "bucket": 5000}, {"cutoff": 400, "qnorm": True}),
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Lines of seven classes with a few hundred words, and other lines."""
    rng = random.Random(0)
    words = [f"w{i}" for i in range(300)] + ["naïve", "日本", "😀"]
    rows = []
    for _ in range(600):
        label = min(rng.randrange(7), rng.randrange(7))
        own = rng.choices(words, k=rng.randrange(8)) + rng.choices(words[label * 40 : label * 40 + 40], k=4)
        rng.shuffle(own)
        rows.append(f"__label__{label} {' '.join(own)}")
    path = tmp_path_factory.mktemp("lines") / "train.txt"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path, [row.partition(" ")[2] for row in rows] + [*TEXTS, "unseen words w1 w2", "w1 w2 __label__3 w3"]


@needs_fasttext
@pytest.mark.parametrize("name", TRAINED)
def test_answers_are_those_of_fasttext(name, lines, tmp_path):
    import fasttext

    source, texts = lines
    settings, quantize = TRAINED[name]
    path = train_fasttext(source, tmp_path / "model.bin", {"dim": 10, "epoch": 5, "lr": 0.3, **settings}, quantize)
    theirs, ours = fasttext.load_model(str(path)), fold_fasttext(read_fasttext(path))
    assert [f"__label__{label}" for label in ours.labels] == theirs.labels
    found = theirs.f.multilinePredict([text + "\n" for text in texts], len(ours.labels), 0.0, "strict")
    expected = np.zeros((len(texts), len(ours.labels)))
    for row, labels, values in zip(expected, *found, strict=True):
        for label, value in zip(labels, values, strict=True):
            row[ours.labels.index(label.removeprefix("__label__"))] = value
    ranked = np.sort(expected, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 1e-5
    assert clear.mean() > 0.9
    probabilities = ours.predict_proba(texts)
    assert (probabilities.argmax(axis=1) == expected.argmax(axis=1))[clear].all()
    # fastText adds 1e-5 at each decision.
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
