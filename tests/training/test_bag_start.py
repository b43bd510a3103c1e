"""The start of a bag against scikit-learn's logistic regression and plain counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from folded_models import PAD, VOCAB_SIZE, make_model, reference_features

import textcnn
from textcnn.training import bag_start
from textcnn.training.bag_start import start_of_bag
from textcnn.training.evidence import log_count_ratios


def texts_and_labels(count: int = 300, classes: int = 3) -> tuple[list[list[int]], np.ndarray]:
    """Texts whose label is that of most of their tokens: token i belongs to class i % classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    texts = []
    for label in labels:
        own = rng.integers(1, VOCAB_SIZE // classes, 5) * classes + label
        texts.append(np.concatenate([own, rng.integers(1, VOCAB_SIZE, 3)]).clip(1, VOCAB_SIZE - 1).tolist())
    return texts, labels


def start(model, kind, texts, targets):
    ids = np.array([i for text in texts for i in text], dtype=np.int32)
    return start_of_bag(model.bag, kind, ids, np.array(list(map(len, texts))), targets, 3)


@pytest.mark.parametrize("pooling", ["sum", "mean", "sqrtn"])
def test_naive_bayes_is_that_of_counts(pooling) -> None:
    model, (texts, labels) = make_model(bag=pooling, bag_buckets=30), texts_and_labels()
    weights, bias = start(model, "naive_bayes", texts, labels)
    counts = np.zeros((VOCAB_SIZE + 30, 3))
    for text, label in zip(texts, labels, strict=True):
        for row, _, _ in reference_features(model.config, text):
            counts[row, label] += 1
    power = {"sum": 0, "mean": 1, "sqrtn": 0.5}[pooling]
    scale = np.mean([len(reference_features(model.config, text)) ** power for text in texts])
    expected = np.where(counts.sum(axis=1, keepdims=True) > 0, scale * log_count_ratios(counts), 0)
    np.testing.assert_allclose(weights, expected, atol=1e-4)
    assert (bias == 0).all()


@pytest.mark.parametrize("pooling", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("kind", ["two classes", "three classes", "multi-label"])
def test_a_linear_start_separates_the_classes(pooling, kind) -> None:
    model, (texts, labels) = make_model(bag=pooling, bag_buckets=500), texts_and_labels()
    if kind == "two classes":
        labels = labels % 2
    targets = np.eye(3)[labels] if kind == "multi-label" else labels
    weights, bias = start(model, "linear", texts, targets)
    again, _ = start(model, "linear", texts, targets)
    assert (weights == again).all()
    model.bag.set_logits(torch.from_numpy(weights))
    with torch.no_grad():
        ids = torch.tensor(texts)
        assert not (ids == PAD).any()
        logits = model.bag_logits(ids).numpy() + bias
    assert (logits.argmax(axis=1) == labels).mean() > 0.97
    if kind == "multi-label":
        assert ((logits > 0) == (targets > 0)).mean() > 0.97
    # Rows of no training text add nothing.
    seen = {row for text in texts for row, _, _ in reference_features(model.config, text)}
    assert not weights[[row for row in range(len(weights)) if row not in seen]].any()


def write(folder, count=120):
    texts, labels = texts_and_labels(count)
    rows = [f"{' '.join(f'word{i}' for i in text)},{'abc'[label]}" for text, label in zip(texts, labels, strict=True)]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder / "train.csv", [" ".join(f"word{i}" for i in text) for text in texts], ["abc"[i] for i in labels]


@pytest.mark.parametrize("settings", [
    {"bag": "sum", "kernel_sizes": [], "max_epochs": 1},
    {"bag": "mean", "bag_dim": 2, "num_filters": 4, "embedding_dim": 4, "max_epochs": 1},
    {"bag": "sum", "bag_start": "zero", "num_filters": 4, "embedding_dim": 4, "max_epochs": 2},
])  # fmt: skip
def test_a_run_with_a_bag_is_repeatable_and_its_artifact_answers(settings, tmp_path) -> None:
    path, texts, labels = write(tmp_path)
    runs = [
        textcnn.train(path, tmp_path / name, bag_buckets=1000, progress=False, min_frequency=1, **settings)
        for name in ("one", "two")
    ]
    first, second = (run.logits(texts) for run in runs)
    assert (first == second).all()
    if settings.get("bag_start") != "zero":
        assert (runs[0].predict(texts) == np.array(labels)).mean() > 0.9
    card = (tmp_path / "one" / "README.md").read_text()
    assert f"the {settings['bag']} of a bag of tokens and hashed n-grams" in card
    assert textcnn.info(tmp_path / "one").architecture["bag"] == settings["bag"]
    explanation = runs[0].explain(texts[0])
    total = explanation.bias + sum(ngram.weight for ngram in explanation.contributions)
    assert total == pytest.approx(explanation.logit, abs=1e-5)


def test_vectors_without_convolutions_are_refused(tmp_path) -> None:
    path, _, _ = write(tmp_path)
    words = tmp_path / "words.vec"
    words.write_text("\n".join(f"word{i} {i} 1" for i in range(1, VOCAB_SIZE)))
    with pytest.raises(ValueError, match="got some for a model without convolutions"):
        textcnn.train(path, tmp_path / "run", bag="sum", kernel_sizes=[], vectors=str(words), progress=False)


def test_a_bag_of_very_many_numbers_is_left_out(tmp_path, monkeypatch) -> None:
    path, _, _ = write(tmp_path)
    small = {"num_filters": 4, "embedding_dim": 4, "max_epochs": 1, "min_frequency": 1, "bag_buckets": 1000}
    textcnn.train(path, tmp_path / "one", progress=False, **small)
    assert textcnn.info(tmp_path / "one").architecture["bag"] == "sqrtn"
    monkeypatch.setattr(bag_start, "_MOST_NUMBERS", 3000)
    textcnn.train(path, tmp_path / "two", progress=False, **small)
    assert "bag" not in textcnn.info(tmp_path / "two").architecture
    textcnn.train(path, tmp_path / "three", progress=False, bag="sum", **small)
    assert textcnn.info(tmp_path / "three").architecture["bag"] == "sum"
