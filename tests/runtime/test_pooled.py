"""Folded models with the poolings segments and max_mean, against the torch model of the same weights."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch
from folded_models import PAD, flat, id_lists, make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast

from textcnn.artifact import save_artifact
from textcnn.exporting.onnx import export_onnx
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier, load
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.runtime.pooled import folded_class

POOLINGS = [
    {"pooling": "segments"},
    {"pooling": "segments", "pooling_segments": 7},
    {"pooling": "max_mean"},
]
AXES = [
    {},
    {"padding": "same", "stride": 2},
    {"padding": "valid", "dilation": 3},
    {"stride": 7, "activation": "softplus"},
    {"num_members": 2, "variant": "multichannel", "temperature": 2.5},
    {"problem_type": "multi_label_classification", "activation": "tanh", "embedding_norm": True},
]
VARIANTS = [pooling | axes for pooling, axes in itertools.product(POOLINGS, AXES)]
TEXTS = ["", "w5", "w7 w8", "w3 w4 [PAD] w5 w6 [PAD]", " ".join(f"w{2 + i * 7 % 40}" for i in range(300))]


def tamed(**axes):
    """A model with weights of the size that training leaves."""
    model = make_model(**axes)
    with torch.no_grad():
        for layer in (model.head, *model.textcnn.convolution.convs):
            layer.weight.div_(layer.weight[0].numel() ** 0.5)
    return model


@torch.no_grad()
def torch_logits(model, ids: list[int]) -> np.ndarray:
    row = torch.tensor([ids], dtype=torch.long)
    return model(row, (row != PAD).long()).logits[0].numpy()


@pytest.mark.parametrize("axes", VARIANTS, ids=str)
def test_logits_and_features_equal_torch(axes):
    model = tamed(**axes)
    folded = fold(model)
    assert type(folded) is folded_class(model.config.to_dict()) is not FoldedTextCNN
    texts = id_lists()
    logits = folded.logits_of_ids(*flat(texts))
    for ids, row in zip(texts, logits, strict=True):
        np.testing.assert_allclose(row, torch_logits(model, ids), atol=2e-5, err_msg=str(ids[:20]))
        np.testing.assert_allclose(folded.logits_of_ids(*flat([ids]))[0], row, atol=1e-5)


@pytest.mark.parametrize("axes", VARIANTS, ids=str)
def test_every_interface_gives_the_same_answer(axes, tmp_path):
    model = tamed(**axes)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    save_artifact(model, tokenizer, tmp_path)
    wanted = TorchClassifier(model, tokenizer).predict_proba(TEXTS)
    folded, again = load(tmp_path), load(tmp_path)  # made, then read
    exported = export_onnx(model, tokenizer, tmp_path / "model.onnx")
    for classifier in (folded, again, pickle.loads(pickle.dumps(folded)), exported):
        np.testing.assert_allclose(classifier.predict_proba(TEXTS), wanted, atol=1e-5)
        np.testing.assert_allclose(classifier.predict_proba(TEXTS[-1:])[0], wanted[-1], atol=1e-5)
    assert list(map(str, folded.predict(TEXTS))) == list(map(str, exported.predict(TEXTS)))
    assert (folded.logits_and_fired(TEXTS)[1] == TorchClassifier(model, tokenizer).logits_and_fired(TEXTS)[1]).all()
    np.testing.assert_allclose(
        folded.features(TEXTS) @ folded.head[0].T + folded.head[1], folded.logits(TEXTS), atol=1e-6
    )


@pytest.mark.parametrize("axes", VARIANTS, ids=str)
def test_contributions_and_bias_are_the_logit(axes):
    model = tamed(**axes)
    folded = fold(model, word_tokenizer())
    for text in TEXTS:
        for label in (None, "b"):
            explanation = folded.explain(text, label)
            total = explanation.bias + sum(contribution.weight for contribution in explanation.contributions)
            assert total == pytest.approx(explanation.logit, abs=1e-5)
            logits = folded.logits([text])[0]
            assert explanation.logit == pytest.approx(logits[folded.labels.index(explanation.label)], abs=1e-5)
            for contribution in explanation.contributions:
                assert sum(token.weight for token in contribution.tokens) == pytest.approx(
                    contribution.weight, abs=1e-5
                )
                assert text[contribution.start : contribution.end] == contribution.text
            assert len({(c.start, c.end, len(c.tokens)) for c in explanation.contributions}) == len(
                explanation.contributions
            )


def test_deleting_an_ngram_asks_the_whole_model():
    folded = fold(tamed(pooling="segments"), word_tokenizer())
    explanation = folded.explain("w5 w6 w7 w8 w9 w10", "a")
    first = explanation.contributions[0]
    rest = " ".join("w5 w6 w7 w8 w9 w10".replace(first.text, "", 1).split())
    assert explanation.deleted[0] == pytest.approx(folded.logits([rest])[0, 0], abs=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_int8_states_its_error(pooling, tmp_path):
    model = tamed(**pooling)
    rounded = fold(model, word_tokenizer(), int8=True, texts=TEXTS * 5)
    assert rounded.is_int8
    exact = fold(model, word_tokenizer())
    difference = np.abs(rounded.predict_proba(TEXTS) - exact.predict_proba(TEXTS)).max()
    assert 0 < difference < 0.05
    assert f"{difference:.6f}"[:6] in rounded.metadata["int8_error"]
    trimmed = fold(model, word_tokenizer(), texts=TEXTS, trim=True)
    np.testing.assert_allclose(trimmed.predict_proba(TEXTS), exact.predict_proba(TEXTS), atol=1e-6)
    factored = fold(model, word_tokenizer(), int8=True, texts=TEXTS * 5, factored=True)
    np.testing.assert_allclose(factored.predict_proba(TEXTS), exact.predict_proba(TEXTS), atol=0.05)


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_what_it_cannot_do_is_refused_by_name(pooling):
    folded = fold(tamed(**pooling), word_tokenizer())
    with pytest.raises(ValueError, match=f"certify: got a model with the pooling '{pooling['pooling']}'"):
        folded.certify(["w5"])
    with pytest.raises(ValueError, match=f"inspect: got a model with the pooling '{pooling['pooling']}'"):
        list(folded.winners(["w5"]))
    with pytest.raises(ValueError, match="ids: got token id 99; expected 0 to 49"):
        folded.logits_of_ids(np.array([5, 99], np.int32), np.array([0, 2]))
    with pytest.raises(ValueError, match="head_weight: got"):
        folded.replace(head_weight=folded.tensors["head_weight"][:, :-1])
