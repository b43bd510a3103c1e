"""The benchmark of explanations on a small model: its references are torch's gradient and deleted tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import make_model, reference_logits, word_tokenizer, write_artifact

from textcnn.bench import explanations, timing
from textcnn.cli import main
from textcnn.folding.fold import fold

TEXTS = [" ".join(f"w{i * j % 41 + 2}" for i in range(1, 4 + j % 9)) for j in range(30)]


def test_gradient_times_input_adds_up_to_what_is_linear() -> None:
    # Without biases and with an activation that is linear, the logit less the head's bias is linear in the vectors.
    model = make_model(activation="identity", variant="multichannel")
    with torch.no_grad():
        for convolution in model.textcnn.convolution.convs:
            convolution.bias.zero_()
    ids = np.array([3, 9, 4, 4, 30], dtype=np.int32)
    for label in range(3):
        wanted = reference_logits(model, ids.tolist())[label] - float(model.head.bias[label].detach())
        model = model.float()
        assert explanations.gradient_times_input(model, ids, label).sum() == pytest.approx(wanted, rel=1e-4)


def test_what_deleting_takes_is_what_the_model_says_without_the_tokens() -> None:
    model = make_model()
    folded = fold(model, word_tokenizer())
    ids = np.array([3, 9, 4, 4, 30], dtype=np.int32)
    places = [np.array([0]), np.array([1, 2]), np.arange(5)]
    got = explanations._logits_without(folded, ids, places)
    for row, at in zip(got, places, strict=True):
        np.testing.assert_allclose(row, reference_logits(model, np.delete(ids, at).tolist()), rtol=1e-4, atol=1e-4)


def test_an_error_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    folded = fold(make_model(), word_tokenizer())
    assert explanations.sum_error(folded, TEXTS)[1] < 1e-5
    logits = folded.logits(TEXTS)
    folded.tables.head_bias += np.float32(0.5)
    monkeypatch.setattr(folded, "logits", lambda texts: logits)
    assert explanations.sum_error(folded, TEXTS)[1] > 1e-3


def test_bench_explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.001)
    monkeypatch.setattr(timing.per_call, "__defaults__", (0.001,))
    folder = write_artifact(tmp_path / "model")
    texts, output = tmp_path / "texts.txt", tmp_path / "explain.json"
    texts.write_text("\n".join(TEXTS))
    main(
        [
            "bench",
            "explain",
            str(folder),
            "--texts",
            str(texts),
            "--sums",
            str(texts),
            "--output",
            str(output),
        ]
    )
    figures: dict[str, Any] = json.loads(output.read_text())["figures"]
    assert figures["sum_error"]["value"] < 1e-5
    assert "60 texts" in figures["sum_error"]["what"]
    for name in ("tokens", "without", "weight", "gradient"):
        assert -1 <= figures[f"occlusion_{name}"]["value"] <= 1
    cost = figures["objects_over_predict"]
    assert cost["value"] == pytest.approx(cost["ours"] / cost["theirs"])


def test_the_logit_without_an_n_gram_ranks_as_deleting_does() -> None:
    # Of width 1, deleting a token leaves every other window as it is: then both say the same.
    model = make_model(kernel_sizes=[1], num_filters=40)
    texts = [text for text in TEXTS if len(set(text.split())) == len(text.split())]
    found = explanations.occlusion(fold(model, word_tokenizer()), model.float(), texts)
    assert found["without"] == pytest.approx(1.0)
    assert found["weight"] < 1
    # A token is an n-gram here, and all of its windows are this one.
    assert found["tokens"] == pytest.approx(found["weight"])
