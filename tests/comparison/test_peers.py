"""Peers against what their libraries say."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from textcnn.comparison.candidates import find_candidates, read_variants
from textcnn.comparison.peers import PEERS, Resources, peer_class
from textcnn.comparison.peers.base import silence
from textcnn.comparison.peers.choosing import choose, decide
from textcnn.comparison.splits import few_labels, read_splits
from textcnn.settings import CompareSettings, SourceSettings
from textcnn.settings.base import hints
from textcnn.settings.values import list_of

SMALL = {"max_epochs": 1, "num_filters": 4, "embedding_dim": 8}


@pytest.fixture
def data(reviews):
    return read_splits("reviews", str(reviews), SourceSettings())


@pytest.fixture
def several():
    lists = [["good"], ["bad"], ["good", "bad"]] * 20
    texts = [f"{' and '.join(labels)} film {i}" for i, labels in enumerate(lists)]
    return read_splits("several", {"train": (texts, lists), "test": (texts, lists)}, SourceSettings())


def saved(peer, folder):
    folder.mkdir()
    peer.save(folder)
    return type(peer).load(folder)


def test_the_settings_name_every_peer():
    import typing

    names = typing.get_args(list_of(hints(CompareSettings)["peers"]))
    assert set(names) == set(PEERS) - {"textcnn"}


@pytest.mark.parametrize("name", ["tfidf_logistic", "tfidf_svm"])
def test_tfidf_is_the_pipeline_of_scikit_learn(data, tmp_path, name):
    from sklearn.base import clone

    peer = peer_class(name)(Resources())
    peer.fit(data, 0)
    reference = clone(peer.pipeline).fit(data.everything().texts, data.everything().targets)
    predicted = peer.scores(data.test.texts).argmax(axis=1)
    assert (predicted == reference.predict(data.test.texts)).all()
    if peer.probabilistic:
        np.testing.assert_allclose(peer.scores(data.test.texts), reference.predict_proba(data.test.texts))
    again = saved(peer, tmp_path / "model")
    np.testing.assert_array_equal(again.scores(data.test.texts), peer.scores(data.test.texts))


def test_the_strength_is_the_best_on_validation(data):
    from sklearn.pipeline import make_pipeline

    from textcnn.comparison.peers.tfidf import vectorizer

    peer = peer_class("tfidf_logistic")(Resources())
    peer.fit(data, 0)
    chosen = peer.pipeline[-1].C
    kind = "words" if peer.pipeline[0].analyzer == "word" else "characters"

    def accuracy(C):
        pipeline = make_pipeline(vectorizer(kind), peer.classifier(C)).fit(data.train.texts, data.train.targets)
        return pipeline.score(data.validation.texts, data.validation.targets)

    assert accuracy(chosen) == max(accuracy(C) for C in peer.strengths)


def test_few_texts_are_cross_validated(data):
    seen = []

    def fit(part, setting):
        seen.append((setting, len(part)))
        return lambda texts: np.tile([1.0, 0.0] if setting == "first" else [0.0, 1.0], (len(texts), 1))

    few = few_labels(data, 4, 0)
    assert choose(few, ["second", "first"], fit, 0.5) == "second"  # equal: half of each class
    assert [size for _, size in seen] == [6] * 8  # four folds of eight texts, twice


def test_several_labels_a_text(several, tmp_path):
    for name in ("tfidf_logistic", "tfidf_svm", "nbsvm"):
        peer = peer_class(name)(Resources())
        peer.fit(several, 0)
        scores = peer.scores(several.test.texts)
        assert scores.shape == several.test.targets.shape
        predicted = decide(scores, True, 0.5 if peer.probabilistic else 0.0)
        assert (predicted == several.test.targets).all(axis=1).mean() > 0.9, name


def test_the_log_count_ratio_is_that_of_the_paper():
    from scipy.sparse import csr_matrix

    from textcnn.comparison.peers.nbsvm import log_count_ratio

    counts, has_label = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0]]), np.array([True, True, False])
    p = [1 + counts[:2, v].sum() for v in range(3)]
    q = [1 + counts[2:, v].sum() for v in range(3)]
    wanted = [np.log((p[v] / sum(p)) / (q[v] / sum(q))) for v in range(3)]
    np.testing.assert_allclose(log_count_ratio(csr_matrix(counts), has_label), wanted)


def test_nbsvm_learns_and_is_saved(data, tmp_path):
    peer = peer_class("nbsvm")(Resources())
    peer.fit(data, 0)
    assert (peer.scores(data.test.texts).argmax(axis=1) == data.test.targets).mean() > 0.95
    again = saved(peer, tmp_path / "model")
    np.testing.assert_array_equal(again.scores(data.test.texts), peer.scores(data.test.texts))


def test_fasttext_answers_as_its_own_call(data, tmp_path):
    pytest.importorskip("fasttext")
    from textcnn.comparison.peers.fasttext import words

    peer = peer_class("fasttext")(Resources())
    peer.fit(few_labels(data, 40, 0), 0)
    scores = peer.scores(data.test.texts)
    for text, own in zip(data.test.texts[:8], scores, strict=False):
        for probability, label in peer.model.f.predict(words(text) + "\n", 2, 0.0, "strict"):
            assert own[int(label.removeprefix("__label__"))] == pytest.approx(min(1.0, probability), abs=1e-6)
    assert (scores.argmax(axis=1) == data.test.targets).mean() > 0.9
    again = saved(peer, tmp_path / "model")
    np.testing.assert_allclose(again.scores(data.test.texts), scores)


def test_fasttext_searches_on_the_validation_texts(data, monkeypatch):
    pytest.importorskip("fasttext")
    from textcnn.comparison.peers import fasttext as module

    given = []
    real = module.train_apart

    def train(options, path):
        given.append(options)
        # The search itself is fastText's; it takes minutes on a busy machine.
        searched = {name: value for name, value in options.items() if not name.startswith("autotune")}
        return real({**searched, **module.TUTORIAL}, path)

    monkeypatch.setattr(module, "train_apart", train)
    peer = peer_class("fasttext")(Resources(fasttext_seconds=1))
    peer.fit(data, 3)
    assert given[0]["autotuneDuration"] == 1
    assert given[0]["autotuneValidationFile"].endswith("validation.txt")
    assert given[0]["seed"] == 3


def test_fasttext_reads_rows_that_are_sorted_by_label_in_a_random_order(data, monkeypatch):
    pytest.importorskip("fasttext")
    from textcnn.comparison.peers import fasttext as module

    files = []
    real = module.train_apart

    def train(options, path):
        files.append(Path(options["input"]).read_text().splitlines())
        return real({"input": options["input"], **module.TUTORIAL}, path)

    monkeypatch.setattr(module, "train_apart", train)
    by_label = data.train.take(np.argsort(data.train.targets, kind="stable"))
    for seed in (0, 0, 1):
        peer_class("fasttext")(Resources()).fit(replace(data, train=by_label), seed)
    first, again, other = files
    assert first == again != other
    assert sorted(first) == sorted(other)
    labels = [line.partition(" ")[0] for line in first]
    assert labels != sorted(labels)


def test_the_sentence_encoder_pools_as_written(data, transformer, tmp_path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    from textcnn.comparison.peers.sentence_encoder import Encoder

    texts = ["a lovely film", "awful", "great acting and a lovely plot"]
    model, tokenizer = AutoModel.from_pretrained(transformer).eval(), AutoTokenizer.from_pretrained(transformer)
    for text, embedding in zip(texts, Encoder(transformer)(texts), strict=True):
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(dim=0)
        np.testing.assert_allclose(embedding, mean / mean.norm(), atol=1e-5)

    peer = peer_class("sentence_encoder")(Resources(encoder=transformer))
    peer.fit(data, 0)
    again = saved(peer, tmp_path / "model")
    np.testing.assert_allclose(again.scores(data.test.texts), peer.scores(data.test.texts), atol=1e-6)
    assert peer.size(tmp_path / "model") > peer.encoder.bytes() > 10_000


def test_model2vec_is_trained_by_its_own_trainer(data, tmp_path):
    pytest.importorskip("model2vec")
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = sorted({word for text in data.train.texts for word in text.split()} | {"[UNK]"})
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(names), 16)).astype(np.float32)
    StaticModel(vectors, tokenizer).save_pretrained(str(tmp_path / "static"))
    resources = Resources(static_model=str(tmp_path / "static"))
    for name in ("model2vec", "model2vec_tuned"):
        peer = peer_class(name)(resources)
        with silence():
            peer.fit(data, 0)
        scores = peer.scores(data.test.texts)
        assert (scores.argmax(axis=1) == data.test.targets).mean() > 0.8
        again = saved(peer, tmp_path / name)
        np.testing.assert_allclose(again.scores(data.test.texts), scores, atol=1e-5)


def test_a_transformer_is_fine_tuned(data, transformer, tmp_path):
    peer = peer_class("transformer")(Resources(transformer=transformer))
    peer.fit(data, 0)
    scores = peer.scores(data.test.texts)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    again = saved(peer, tmp_path / "model")
    np.testing.assert_allclose(again.scores(data.test.texts), scores, atol=1e-5)


def test_setfit_is_called_as_documented(data, monkeypatch, tmp_path):
    """A stand-in with the interface of SetFit 1.1, as the package is not among those that the tests install."""
    calls: dict = {}

    class Model:
        @classmethod
        def from_pretrained(cls, name, **options):
            calls["name"], calls["options"] = name, options
            return cls()

        def predict_proba(self, texts, as_numpy):
            assert as_numpy
            return np.full((len(texts), 2), 0.5)

    class Trainer:
        def __init__(self, model, args, train_dataset):
            calls["rows"] = train_dataset[:]
            calls["args"] = args

        def train(self):
            calls["trained"] = True

    module = types.ModuleType("setfit")
    module.SetFitModel, module.Trainer, module.TrainingArguments = Model, Trainer, lambda **options: options
    monkeypatch.setitem(sys.modules, "setfit", module)
    few = few_labels(data, 2, 5)
    peer = peer_class("setfit")(Resources(encoder="encoder"))
    peer.fit(few, 5)
    assert calls["name"] == "encoder"
    assert calls["rows"]["text"] == few.train.texts
    assert calls["rows"]["label"] == few.train.targets.tolist()
    assert calls["args"]["seed"] == 5
    assert calls["trained"]
    assert peer.scores(["a", "b"]).shape == (2, 2)


def test_textcnn_answers_without_torch(data, tmp_path):
    peer = peer_class("textcnn")(Resources(variant={**SMALL, "int8": True}))
    peer.fit(data, 0)
    again = saved(peer, tmp_path / "model")
    np.testing.assert_array_equal(again.scores(data.test.texts), peer.scores(data.test.texts))
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted(
        ["config.json", "folded.safetensors", "tokenizer.json"]
    )
    program = (
        "import sys; from pathlib import Path; from textcnn.comparison.peers import peer_class;"
        f"peer_class('textcnn').load(Path({str(tmp_path / 'model')!r})).scores(['a film']);"
        "sys.exit(str({'torch', 'transformers', 'sklearn', 'lightning'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == ""
    # int8 was asked for
    header = (tmp_path / "model" / "folded.safetensors").read_bytes()
    size = int.from_bytes(header[:8], "little")
    assert json.loads(header[8 : 8 + size])["table"]["dtype"] == "I8"


def test_another_default_is_another_recipe():
    settings = [peer_class("textcnn")(Resources(variant=variant)).settings() for variant in ({}, {"dropout": 0.4})]
    assert settings[0] != settings[1]
    assert settings[0]["dropout"] == 0.5


def test_variants_are_read_from_words_and_mappings():
    words = ["wide: kernel_sizes=[1, 2, 3], batch-size=16", "small: num_filters=50, int8=true"]
    wanted = {
        "wide": {"kernel_sizes": [1, 2, 3], "batch_size": 16},
        "small": {"num_filters": 50, "int8": True},
    }
    assert read_variants(words) == wanted
    assert read_variants(wanted) == wanted
    for wrong, message in (
        ("wide: kernel_size=3", "did you mean 'kernel_sizes'"),
        ("wide: batch_size=many", "expected a whole number"),
        ("wide: batch_size", "expected NAME=VALUE"),
        ("wide", "expected a name and settings"),
        ("wide: output=here", "unknown setting"),
        ("wide: batch_size=0", "expected at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            read_variants([wrong])


def test_what_cannot_take_part_is_named():
    settings = CompareSettings(data="d", vectors="glove.txt", variants={"small": {"num_filters": 10}})
    candidates, missing = find_candidates(settings, Resources())
    names = [candidate.name for candidate in candidates]
    assert names[:3] == ["textcnn", "textcnn_with_vectors", "textcnn_small"]
    assert [candidate.ours for candidate in candidates[:4]] == [True, True, True, False]
    assert {"tfidf_logistic", "tfidf_svm", "nbsvm"} <= set(names)
    assert missing["fine-tuned transformer"] == "needs --transformer"
    assert "SetFit" in missing
    titles = {candidate.title for candidate in candidates} | set(missing)
    assert {peer_class(name).title for name in PEERS} <= titles
