"""Labels by threshold and confidence scores, against a loop and against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from folded_models import CONFIGS, CONVOLUTIONS, make_model, reference_logits, word_tokenizer
from transformers import PreTrainedTokenizerFast

from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.runtime.decisions import Abstention, confidence, count_fired, decide

TEXTS = ["", "w3", "w3 w4 w5", " ".join(f"w{i * 7 % 45 + 2}" for i in range(60))]


def test_a_single_label_threshold_is_reached_or_missed() -> None:
    rows = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.05, 0.85]], dtype=np.float32)
    assert decide(rows, {}, False).tolist() == [0, 2, 2]
    # A low threshold gives the label where another is more probable, a high one withholds it.
    assert decide(rows, {1: 0.3}, False).tolist() == [1, 1, 2]
    assert decide(rows, {2: 0.8}, False).tolist() == [0, 1, 2]


def test_scores_are_torchs() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32) * 30
    tensor = torch.tensor(logits)
    np.testing.assert_allclose(confidence("probability", logits), tensor.softmax(-1).amax(-1), rtol=1e-5)
    np.testing.assert_allclose(confidence("energy", logits), tensor.logsumexp(-1), rtol=1e-5)
    assert confidence("fired", logits, np.arange(20)).tolist() == list(range(20))
    with pytest.raises(ValueError, match="did you mean 'energy'"):
        confidence("enrgy", logits)


@pytest.mark.parametrize(
    "name", [name for name in CONVOLUTIONS if "pooled-norm" not in name and "regression" not in name]
)
def test_filters_that_fire_are_those_with_a_sum_above_zero(name: str) -> None:
    changes = CONFIGS[name]
    model = make_model(**changes)
    folded = fold(model, word_tokenizer())
    # The same network without an activation shows the sums.
    sums = fold(make_model(**{**changes, "activation": "identity"}), word_tokenizer()).features(TEXTS)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    for interface in (folded, TorchClassifier(model, tokenizer)):
        logits, fired = interface.logits_and_fired(TEXTS)
        assert fired.tolist() == (sums > 0).sum(axis=1).tolist()
        np.testing.assert_allclose(logits, interface.logits(TEXTS), rtol=1e-5, atol=1e-5)
        assert interface.confidence(TEXTS, "fired").tolist() == fired.tolist()


def test_where_norms_hide_what_fired() -> None:
    with pytest.raises(ValueError, match="pooled_norm"):
        fold(make_model(pooled_norm=True), word_tokenizer()).confidence(["w3"], "fired")
    with pytest.raises(ValueError, match="no convolutions"):
        fold(make_model(bag="sum", kernel_sizes=[]), word_tokenizer()).confidence(["w3"], "fired")


def test_predict_abstains_below_the_threshold() -> None:
    changes = {"problem_type": "single_label_classification"}
    sure = fold(make_model(**changes), word_tokenizer()).confidence(TEXTS, "energy")
    wanted = float(np.median(sure))
    model = make_model(abstention={"score": "energy", "threshold": wanted}, **changes)
    folded = fold(model, word_tokenizer(), int8=False)
    given, forced = folded.predict(TEXTS), folded.predict(TEXTS, abstain=False)
    assert [label is None for label in given] == (sure < wanted).tolist()
    assert any(label is None for label in given)
    assert [a for a in given if a is not None] == [b for a, b in zip(given, forced, strict=True) if a is not None]
    logits = [reference_logits(model, word_tokenizer().encode(text).ids) for text in TEXTS]
    assert forced.tolist() == ["abc"[int(row.argmax())] for row in logits]
    columns = folded.columns(folded.answer(TEXTS))
    assert columns["predicted_label"] == given.tolist()
    assert all(p is not None for p in columns["probability"])


def test_a_score_that_is_none() -> None:
    with pytest.raises(ValueError, match="did you mean 'probability'"):
        Abstention.of({"abstention": {"score": "probabilty", "threshold": 0.5}})
    assert Abstention.of({}) is None
    assert count_fired(np.array([[0.0, 1.0]], dtype=np.float32), "relu").tolist() == [1]


def test_the_probability_beside_a_label_is_its_own() -> None:
    folded = fold(make_model(thresholds={"b": 0.0}), word_tokenizer())
    answers = folded.answer(["w2 w3 w4", "w5", ""])
    columns = folded.columns(answers)
    # The threshold gives every text this label, the most probable or not.
    assert columns["predicted_label"] == ["b"] * 3
    assert columns["probability"] == columns["probability_b"]
    assert columns["probability"] != answers.probabilities.max(axis=1).tolist()
