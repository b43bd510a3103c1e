"""Labels, probabilities, thresholds and top-k, against torch's own softmax and sigmoid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars
import pytest
import torch
from datasets import Dataset

from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.runtime.text_batches import BATCH_TEXTS, BATCHES_OF_THREADS
from textcnn.tokenization import train_tokenizer

TEXTS = ["joy and love", "anger", "", "love love love and a very long joy that goes on", "fear \x00 of NUL"]


def build(multi_label: bool, **fields) -> TorchClassifier:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["joy love anger fear and a very long text"] * 3, vocab_size=90)
    config = TextCNNConfig(
        vocab_size=len(tokenizer),
        embedding_dim=6,
        num_filters=4,
        id2label={0: "joy", 1: "anger", 2: "love"},
        problem_type=f"{'multi' if multi_label else 'single'}_label_classification",
        **fields,
    )
    return TorchClassifier(TextCNNForSequenceClassification(config), tokenizer, batch_size=2)


def torch_logits(classifier: TorchClassifier) -> torch.Tensor:
    rows = []
    for text in TEXTS:
        ids = torch.tensor([classifier.tokenizer(text)["input_ids"]], dtype=torch.long)
        rows.append(classifier.model(ids, torch.ones_like(ids)).logits.detach())
    return torch.cat(rows)


def test_single_label():
    classifier = build(multi_label=False)
    expected = torch_logits(classifier)
    np.testing.assert_allclose(classifier.logits(TEXTS), expected, atol=1e-6)
    probabilities = classifier.predict_proba(TEXTS)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected.softmax(-1), atol=1e-6)
    labels = classifier.predict(TEXTS)
    assert isinstance(labels, np.ndarray)
    assert labels.tolist() == [classifier.labels[i] for i in expected.argmax(-1)]
    top = classifier.predict_top_k(TEXTS, k=2)
    values, indices = expected.softmax(-1).topk(2)
    assert [[label for label, _ in row] for row in top] == [[classifier.labels[i] for i in row] for row in indices]
    np.testing.assert_allclose([[p for _, p in row] for row in top], values, atol=1e-6)


def test_multi_label_thresholds():
    classifier = build(multi_label=True, thresholds={"anger": 0.0, "love": 1.0})
    probabilities = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities, torch_logits(classifier).sigmoid(), atol=1e-6)
    for row, labels in zip(probabilities, classifier.predict(TEXTS), strict=True):
        expected = {name for name, p, t in zip(classifier.labels, row, (0.5, 0.0, 1.0), strict=True) if p >= t}
        assert set(labels) == expected
        assert "anger" in labels
        assert "love" not in labels
        order = [row[classifier.labels.index(label)] for label in labels]
        assert order == sorted(order, reverse=True)


def test_any_iterable_of_strings_in_its_order():
    classifier = build(multi_label=False)
    expected = classifier.predict_proba(TEXTS)
    for texts in (
        tuple(TEXTS),
        iter(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS),
        dict.fromkeys(TEXTS).keys(),
    ):
        np.testing.assert_array_equal(classifier.predict_proba(texts), expected)
    assert classifier.predict([]).shape == (0,)
    assert classifier.predict_proba([]).shape == (0, 3)
    count = BATCHES_OF_THREADS * BATCH_TEXTS
    many = (TEXTS[i % len(TEXTS)] for i in range(count + 7))
    classifier.batch_size = 64
    np.testing.assert_allclose(
        classifier.predict_proba(many)[count:],
        np.resize(expected, (count + 7, 3))[count:],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("joy", r"got one str; expected an iterable of strings; write \[text\]"),
        (b"joy", "got one bytes"),
        (["joy", None], r"got None \(NoneType\) at position 1; expected a string"),
        ([3.5], r"got 3.5 \(float\) at position 0"),
    ],
)
def test_refuses_what_is_no_text(texts, message):
    with pytest.raises(TypeError, match=message):
        build(multi_label=False).predict(texts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (pd.DataFrame({"text": TEXTS}), "texts: got DataFrame of 2 dimensions; expected one text a row; give a single"),
        (polars.DataFrame({"text": TEXTS}), "texts: got DataFrame of 2 dimensions"),
        (np.array([TEXTS]), "texts: got ndarray of 2 dimensions"),
        (np.array("joy"), "texts: got ndarray of 0 dimensions"),
        (Dataset.from_dict({"text": TEXTS}), "texts: got Dataset of 2 dimensions"),
        ({"text": TEXTS}, r"texts: got dict; expected an iterable of strings; give a single column"),
    ],
)
def test_refuses_a_table_whose_columns_are_no_texts(texts, message):
    torch_door = build(multi_label=False)
    folded = fold(torch_door.model, torch_door.tokenizer)
    for name in ("predict", "predict_proba", "logits", "predict_top_k", "logits_and_fired", "confidence", "answer"):
        for interface in (torch_door, folded):
            with pytest.raises(TypeError, match=message):
                getattr(interface, name)(texts)
    for name in ("features", "explain_batch"):
        with pytest.raises(TypeError, match=message):
            getattr(folded, name)(texts)


def test_top_k_of_none():
    with pytest.raises(ValueError, match="k: got 0"):
        build(multi_label=False).predict_top_k(TEXTS, k=0)


def test_extreme_logits_stay_finite():
    from textcnn.runtime.classifier import sigmoid, softmax

    logits = np.array([[1000.0, -1000.0, 0.0]], dtype=np.float32)
    np.testing.assert_allclose(softmax(logits), torch.tensor(logits).softmax(-1))
    np.testing.assert_allclose(sigmoid(logits), torch.tensor(logits).sigmoid())
