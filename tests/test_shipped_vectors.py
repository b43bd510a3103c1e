"""The vectors that ship with the package: where they are taken, and the settings that the number of rows decides."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

import textcnn
from textcnn import TextDataModule
from textcnn.data.defaults import batch_size_for, epochs_for, validation_fraction_for
from textcnn.settings import TrainSettings, hints
from textcnn.settings.values import read_words
from textcnn.training.bag_start import network_for_data
from textcnn.vectors import vectors_dim
from textcnn.vectors.shipped import ENGLISH, known_words, shipped_tokenizer

pytestmark = pytest.mark.shipped_vectors

ENGLISH_TEXTS = [
    f"{text} {i}" for i in range(20) for text in ("a lovely film with a happy end", "a dull film, far too long")
]
GERMAN_TEXTS = ["ein schöner Film mit glücklichem Ausgang", "ein langweiliger und überlanger Streifen"] * 20
LABELS = ["good", "bad"] * 20


def test_they_are_small_and_of_finite_numbers():
    assert sum(path.stat().st_size for path in ENGLISH.iterdir()) < 8_000_000
    tensors = load_file(ENGLISH / "model.safetensors")
    assert tensors["embeddings"].dtype == np.int8
    assert tensors["embeddings"].shape == (len(shipped_tokenizer().get_vocab()), len(tensors["scale"]))
    assert np.isfinite(tensors["scale"]).all()
    assert (tensors["scale"] > 0).all()


def shipped_vectors():
    """Vectors [V, D], each dimension less its mean."""
    tensors = load_file(ENGLISH / "model.safetensors")
    vectors = tensors["embeddings"] * tensors["scale"]
    return vectors - vectors.mean(axis=0)


def test_words_of_one_meaning_are_near():
    vectors = shipped_vectors()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    row = shipped_tokenizer().get_vocab()
    for word, near, far in (
        ("excellent", "superb", "table"),
        ("car", "vehicle", "music"),
        ("doctor", "nurse", "tree"),
    ):
        assert vectors[row[word]] @ vectors[row[near]] > vectors[row[word]] @ vectors[row[far]], word


@pytest.mark.parametrize(("texts", "fits"), [(ENGLISH_TEXTS, True), (GERMAN_TEXTS, False)])
def test_the_texts_decide(texts, fits):
    data = TextDataModule((texts, LABELS))
    assert data.vectors == (str(ENGLISH) if fits else None)
    assert data.embedding_dim == (240 if fits else None)
    assert (data.tokenizer.get_vocab() == shipped_tokenizer().get_vocab()) == fits
    line = data.tokenizer_report()[-1]
    assert ("tokens have a vector" if fits else "vectors: random (") in line
    assert known_words(texts) == pytest.approx(1.0 if fits else known_words(texts))


@pytest.mark.parametrize(
    ("texts", "settings", "limit"),
    [
        (GERMAN_TEXTS, {}, 8000),
        (GERMAN_TEXTS, {"tokenizer": "wordpiece"}, 8000),
        (GERMAN_TEXTS, {"vocab_size": 30_000}, 30_000),
        (GERMAN_TEXTS, {"tokenizer": "word"}, 30_000),
        (GERMAN_TEXTS, {"vectors": None}, 30_000),
        (ENGLISH_TEXTS, {"tokenizer": "wordpiece"}, 30_000),
    ],
)
def test_a_vocabulary_that_no_vectors_fit_is_small(texts, settings, limit):
    assert TextDataModule((texts, LABELS), **settings).vocab_size_limit == limit


@pytest.mark.parametrize(
    ("texts", "settings", "kind", "ngrams"),
    [
        (GERMAN_TEXTS, {}, "char", 4),
        (GERMAN_TEXTS, {"bag": "mean"}, "char", 4),
        (GERMAN_TEXTS, {"bag_ngrams": 3}, "char", 3),
        (GERMAN_TEXTS, {"bag": "none"}, "wordpiece", 2),
        (GERMAN_TEXTS, {"bag_buckets": 20_000_000}, "wordpiece", 2),
        (GERMAN_TEXTS, {"tokenizer": "wordpiece"}, "wordpiece", 2),
        (GERMAN_TEXTS, {"vocab_size": 500}, "wordpiece", 2),
        (GERMAN_TEXTS, {"vectors": None}, "wordpiece", 2),
        (ENGLISH_TEXTS, {"tokenizer": "char"}, "char", 4),
        (ENGLISH_TEXTS, {}, str(ENGLISH), 2),
    ],
)
def test_texts_that_no_vectors_fit_become_characters_beside_a_bag(texts, settings, kind, ngrams):
    given = dict(settings)
    fields = {name: given.pop(name) for name in settings if name.startswith("bag")}
    data = TextDataModule((texts, LABELS), **given)
    network = network_for_data(data, fields)
    assert data._source_of_tokenizer() == kind
    assert network.bag_ngrams == ngrams
    assert network.bag == ("none" if "bag_buckets" in settings else settings.get("bag", "sqrtn"))


def test_a_run_on_characters_says_so_and_is_made_again_from_its_config(tmp_path):
    small = {"max_epochs": 1, "num_filters": 4, "embedding_dim": 4, "progress": False}
    classifier = textcnn.train((GERMAN_TEXTS, LABELS), tmp_path / "run", **small)
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["data"]["tokenizer"] == "char"
    assert config["model"]["architecture"]["bag_ngrams"] == 4
    assert classifier.config["bag_ngrams"] == 4
    assert "n-grams of up to 4" in (tmp_path / "run" / "README.md").read_text()
    again = textcnn.train((GERMAN_TEXTS, LABELS), tmp_path / "again", init=tmp_path / "run", **small)
    assert again.config["bag_ngrams"] == 4
    del small["progress"]
    regressor = textcnn.TextCNNRegressor(**small).fit(GERMAN_TEXTS, range(len(LABELS)))
    assert textcnn.load(regressor.save(tmp_path / "numbers")).config["bag_ngrams"] == 4
    estimator = textcnn.TextCNNClassifier(warm_start=True, **small).fit(GERMAN_TEXTS, LABELS).fit(GERMAN_TEXTS, LABELS)
    assert textcnn.load(estimator.save(tmp_path / "saved")).config["bag_ngrams"] == 4


@pytest.mark.parametrize(
    ("settings", "vectors"),
    [
        ({"vectors": None}, None),
        ({"vectors": "none"}, None),
        ({"tokenizer": "char"}, None),
        ({"tokenizer": "word"}, str(ENGLISH)),
        ({"vocab_size": 500}, str(ENGLISH)),
        ({"lowercase": False}, str(ENGLISH)),
    ],
)
def test_settings_decide_before_the_texts(settings, vectors):
    data = TextDataModule((ENGLISH_TEXTS, LABELS), **settings)
    assert data.vectors == vectors
    assert data.tokenizer.get_vocab() != shipped_tokenizer().get_vocab()
    if vectors:
        # Each token of the trained vocabulary is looked up among those that ship.
        ours = data.initial_vectors().matrix[data.tokenizer.get_vocab()["film"]]
        likeness = np.corrcoef([ours, *shipped_vectors()[1000:6000]])[0, 1:]
        assert 1000 + likeness.argmax() == shipped_tokenizer().get_vocab()["film"]
        assert likeness.max() > 0.9


def test_more_dimensions_than_they_have_are_random():
    data = TextDataModule((ENGLISH_TEXTS, LABELS))
    wide, own = data.initial_vectors(300).matrix, data.initial_vectors().matrix
    np.testing.assert_array_equal(wide[1:, :240], own[1:])
    assert wide[1:, 240:].std() == pytest.approx(own[1:].std(), rel=0.01)


def test_few_rows_make_many_small_steps_and_keep_all_their_texts():
    few = TextDataModule((ENGLISH_TEXTS, LABELS))
    assert "validation: none" in few.data_report
    assert sum(few.class_counts) == 40
    assert (
        (few.train_dataloader().batch_sampler or few.train_dataloader().sampler).batch_size == batch_size_for(40) == 8
    )
    assert few.epochs == epochs_for(40, 8) == 80
    given = TextDataModule((ENGLISH_TEXTS, LABELS), batch_size=20, validation_fraction=0.2)
    assert sum(given.class_counts) < 40
    assert given.train_dataloader().sampler.batch_size == 20
    many = TextDataModule((ENGLISH_TEXTS * 150, LABELS * 150))
    assert validation_fraction_for(6000) == 0.1
    assert many.epochs == 12
    assert many.train_dataloader().sampler.batch_size == 64


@pytest.mark.parametrize("word", ["none", "null", "None"])
def test_none_is_a_word_of_the_command_line(word):
    assert read_words("vectors", [word], hints(TrainSettings)["vectors"]) is None
    assert read_words("vectors", ["none", "glove.txt"], hints(TrainSettings)["vectors"]) == ["none", "glove.txt"]


def test_train_takes_them_beside_others(tmp_path):
    (tmp_path / "words.txt").write_text("lovely 1 0\ndull 0 1\n")
    settings = {"num_filters": 2, "max_epochs": 1, "progress": False, "summary": False}
    vectors = ["auto", str(tmp_path / "words.txt")]
    textcnn.train((ENGLISH_TEXTS, LABELS), tmp_path / "run", vectors=vectors, **settings)
    width = json.loads((tmp_path / "run" / "config.json").read_text())["embedding_dim"]
    assert width == vectors_dim(str(ENGLISH)) + 2
