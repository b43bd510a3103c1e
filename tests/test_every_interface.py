"""Every interface, one answer: torch alone, torch padded, the transformers pipeline, folded, ONNX, the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import pipeline

import textcnn
from textcnn.artifact import read_artifact, save_artifact
from textcnn.cli import main
from textcnn.exporting.onnx import OnnxClassifier, export_onnx
from textcnn.loading import TorchClassifier
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.tokenization import train_tokenizer

WORDS = [
    "the",
    "film",
    "was",
    "lovely",
    "and",
    "great",
    "but",
    "its",
    "plot",
    "felt",
    "awful",
    "dull",
    "boring",
    "long",
    "too",
    "very",
    "actors",
    "play",
    "well",
]
TEXTS = [
    "",
    "film",
    "great plot",
    " ".join(WORDS[i * 7 % len(WORDS)] for i in range(3_000)),
    "lovely 😀👩‍👩‍👧 film 🇫🇷",
    "فيلم جميل جدا",
    "这部电影很好看",
    "NUL\x00 in the \x00plot",
    "\u0301\u0327",
    "a\u0301 fil\u0302m",
    "[PAD] [UNK] film [PAD]",
    "  \t\n ",
    "The FILM was Ｇｒｅａｔ!?",
]
AXES = [
    {},
    {"variant": "multichannel", "embedding_norm": True},
    {"pooled_norm": True, "activation": "tanh"},
    {"padding": "same", "stride": 2},
    {"padding": "valid", "activation": "sigmoid"},
    {"dilation": 2, "kernel_sizes": [2, 4], "num_filters": [5, 3]},
    {"temperature": 1.7, "activation": "elu"},
    {"problem_type": "multi_label_classification", "thresholds": {"a": 0.4}},
    {"bag": "sum", "bag_buckets": 500, "temperature": 1.3},
    {"bag": "mean", "bag_ngrams": 4, "bag_buckets": 97, "num_members": 2},
    {"bag": "mean", "bag_dim": 2, "bag_buckets": 5000, "kernel_sizes": []},
    {"bag": "sum", "bag_ngrams": 1, "kernel_sizes": [], "problem_type": "multi_label_classification"},
    {"backbone": "pyramid", "squeeze_excitation": True},
    {"backbone": "dilated"},
    {"pooling": "segments", "padding": "same"},
    {"pooling": "max_mean", "stride": 2},
    {"num_experts": 3, "experts_per_text": 2},
    {"problem_type": "regression"},
    {"problem_type": "regression", "bag": "mean", "bag_buckets": 500, "num_members": 2},
    {"problem_type": "regression", "backbone": "pyramid"},
]
KINDS = ["wordpiece", "bpe", "char", "byte"]


@pytest.fixture(scope="module")
def tokenizers():
    corpus = [text for text in TEXTS if text.strip("\u0301\u0327 \t\n")] * 3 + [" ".join(WORDS)] * 5
    return {kind: train_tokenizer(corpus, kind=kind, vocab_size=300) for kind in KINDS}


@pytest.mark.parametrize(
    ("axes", "kind"),
    [(axes, "wordpiece") for axes in AXES] + [({}, kind) for kind in KINDS[1:]],
    ids=lambda value: str(value),
)
def test_every_interface_one_answer(axes, kind, tokenizers, tmp_path):
    torch.manual_seed(0)
    tokenizer = tokenizers[kind]
    settings = {"problem_type": "single_label_classification", **axes}
    config = TextCNNConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        embedding_dim=12,
        **({"num_filters": 6} | settings),
        id2label={0: "a", 1: "b", 2: "c"},
        label2id={"a": 0, "b": 1, "c": 2},
    )
    model = TextCNNForSequenceClassification(config)
    if model.bag is not None:
        small = config.bag == "sum" or config.problem_type == "regression"
        torch.nn.init.normal_(model.bag.rows.weight, std=0.1 if small else 2.0)
        if model.bag.output is not None:
            torch.nn.init.normal_(model.bag.output.weight)
        # Buckets that no training text has.
        model.bag.rows.weight.data[-len(model.bag.rows.weight) // 3 :] = 0
    folder = save_artifact(model, tokenizer, tmp_path / "artifact")
    model, tokenizer = read_artifact(folder)
    multi_label = config.problem_type == "multi_label_classification"
    regression = config.problem_type == "regression"

    def answers_of(classifier, texts):
        return classifier.predict(texts) if regression else classifier.predict_proba(texts)

    # The reference: torch, each text alone, without a mask or padding.
    rows = []
    with torch.no_grad():
        for text in TEXTS:
            ids = torch.tensor([tokenizer(text)["input_ids"]], dtype=torch.long)
            logits = model.eval()(ids, torch.ones_like(ids)).logits
            rows.append(logits if regression else logits.sigmoid() if multi_label else logits.softmax(-1))
    expected = torch.cat(rows).numpy()

    interfaces = {
        "torch, padded": answers_of(TorchClassifier(model, tokenizer, batch_size=len(TEXTS)), TEXTS),
        "torch, batches of 3": answers_of(TorchClassifier(model, tokenizer, batch_size=3), TEXTS),
        "load, folding": answers_of(textcnn.load(folder), TEXTS),
        "load, folded": answers_of(textcnn.load(folder, threads=2), TEXTS),
        "ONNX Runtime": answers_of(export_onnx(model, tokenizer, tmp_path / "model.onnx"), TEXTS),
        "ONNX Runtime, one at a time": [answers_of(OnnxClassifier(tmp_path / "model.onnx"), [t])[0] for t in TEXTS],
    }
    for batch_size in (1, 4):
        classify = pipeline("text-classification", str(folder), top_k=None, batch_size=batch_size)
        answers = [{entry["label"]: entry["score"] for entry in answer} for answer in classify(TEXTS)]
        interfaces[f"pipeline, batches of {batch_size}"] = [[answer[label] for label in "abc"] for answer in answers]
    for interface, probabilities in interfaces.items():
        # Numbers have no bound: they are equal up to the rounding of their size.
        rtol = 1e-5 if regression else 1e-7
        np.testing.assert_allclose(probabilities, expected, atol=1e-5, rtol=rtol, err_msg=interface)
    if regression:
        return

    labels = textcnn.load(folder).predict(TEXTS)
    if multi_label:
        thresholds = np.array([0.4, 0.5, 0.5])
        thresholds[0] = (config.thresholds or {}).get("a", 0.5)
        for given, row in zip(labels, expected, strict=True):
            assert set(given) == {name for name, hit in zip("abc", row >= thresholds, strict=True) if hit}
    else:
        assert labels.tolist() == ["abc"[i] for i in expected.argmax(axis=1)]


def test_the_command_line_gives_the_same_answer(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "validation"):
        lines = [json.dumps({"text": f"{word} {i}", "label": "ab"[i % 2]}) for i in range(6) for word in WORDS]
        (data / f"{split}.jsonl").write_text("\n".join(lines))
    new = tmp_path / "new.jsonl"
    new.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    run = tmp_path / "run"
    quick = ["--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"]
    main(["fit", "--data.path", str(data), "--output_dir", str(run), *quick])
    output = tmp_path / "out.jsonl"
    config = ["--config", str(run / "config.yaml"), "--data.predict_path", str(new)]
    main(["predict", *config, "--output", str(output), "--trainer.enable_progress_bar", "false"])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    classifier = textcnn.load(run)
    given = [[row["probability_a"], row["probability_b"]] for row in rows]
    np.testing.assert_allclose(given, classifier.predict_proba(TEXTS), atol=1e-5)
    assert [row["predicted_label"] for row in rows] == classifier.predict(TEXTS).tolist()
