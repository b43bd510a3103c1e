"""Mixtures of experts: each bank alone as the reference, in torch, from tables and in ONNX."""

from __future__ import annotations

import pickle

import numpy as np
import onnxruntime
import pytest
import torch
from folded_models import PAD, flat, id_lists, make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact
from textcnn.exporting.onnx import export_onnx
from textcnn.exporting.onnx_graph import onnx_graph
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier, load
from textcnn.model import Architecture, TextCNNForSequenceClassification
from textcnn.runtime.experts import ExpertsTextCNN

AXES = [
    {"num_experts": 3},
    {"num_experts": 4, "experts_per_text": 2},
    {"num_experts": 3, "variant": "multichannel", "embedding_norm": True, "temperature": 2.5},
    {"num_experts": 2, "experts_per_text": 2, "padding": "same", "stride": 2, "activation": "tanh"},
]
TEXTS = ["", "w5", "w7 w8", "w3 w4 [PAD] w5 w6 [PAD]", *(f"w{i} w{i + 3} w{2 * i}" for i in range(2, 24))]


def tamed(**axes) -> TextCNNForSequenceClassification:
    """A model with weights of the size that training leaves."""
    model = make_model(**axes)
    with torch.no_grad():
        for bank in model.textcnn.convolution.banks:
            for conv in bank.convs:
                conv.weight.div_(conv.weight[0].numel() ** 0.5)
        model.head.weight.div_(model.head.weight[0].numel() ** 0.5)
    return model


@torch.no_grad()
def by_definition(model: TextCNNForSequenceClassification, ids: list[int]) -> torch.Tensor:
    """Logits of one text: the router's mean, its best banks alone, and the head on what they give."""
    config, network = model.config, model.textcnn.convolution
    real = [token for token in ids if token != PAD]
    vectors = model.textcnn.embeddings(torch.tensor(real, dtype=torch.long))
    mean = vectors.mean(dim=0) if real else vectors.new_zeros(vectors.shape[1])
    probabilities = network.router(mean).softmax(dim=0)
    chosen = probabilities.argsort(descending=True, stable=True)[: config.experts_per_text].tolist()
    positions = [i for i, token in enumerate(ids) if token != PAD]
    inside = ids[positions[0] : positions[-1] + 1] if positions else []
    everything = model.textcnn.embeddings(torch.tensor(inside, dtype=torch.long))
    index = torch.tensor([-1 if token == PAD else i for i, token in enumerate(inside)], dtype=torch.long)
    features = torch.zeros(config.hidden_size)
    for bank in chosen:
        pooled, _ = network.banks[bank](everything, index, torch.tensor([0, len(inside)]))
        features[bank * network.filters : (bank + 1) * network.filters] = probabilities[bank] * pooled[0]
    return (model.head.weight @ features + model.head.bias) / config.temperature


def batch(texts: list[list[int]], left: int = 0, right: int = 0) -> torch.Tensor:
    longest = max(map(len, texts))
    return torch.tensor([[PAD] * left + text + [PAD] * (longest - len(text) + right) for text in texts])


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_logits_are_those_of_the_chosen_banks(axes, tmp_path):
    model = tamed(**axes)
    texts = [text for text in id_lists() if len(text) < 100]
    wanted = torch.stack([by_definition(model, text) for text in texts])
    folded = fold(model)
    assert isinstance(folded, ExpertsTextCNN)
    with torch.no_grad():
        for left, right in ((0, 0), (2, 5)):
            torch.testing.assert_close(model(batch(texts, left, right)).logits, wanted, atol=1e-5, rtol=1e-4)
        for text, logits in zip(texts, wanted, strict=True):
            if text:
                torch.testing.assert_close(model(batch([text], 1, 2)).logits[0], logits, atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(folded.logits_of_ids(*flat(texts)), wanted.numpy(), atol=1e-5)
    run = onnxruntime.InferenceSession(onnx_graph(model).SerializeToString(), providers=["CPUExecutionProvider"])
    ids = batch(texts).numpy()
    (logits,) = run.run(["logits"], {"input_ids": ids, "attention_mask": (ids != PAD).astype(np.int64)})
    np.testing.assert_allclose(logits, wanted.numpy(), atol=1e-5)
    used = (folded.route(*flat(texts)) > 0).sum(axis=0)
    assert (used > 0).sum() > 1  # of one bank alone the test would say little


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_gradients(axes):
    model = tamed(**axes).double()
    ids = batch([[5, 6, 7, 8], [3], [9, 9, 4]], 1, 1)
    vectors = torch.randn(*ids.shape, model.textcnn.embeddings.output_dim, dtype=torch.float64, requires_grad=True)

    def outputs(vectors):
        encoded = model.textcnn(inputs_embeds=vectors, attention_mask=(ids != PAD).long())
        return encoded.pooler_output, encoded.balance_loss

    assert torch.autograd.gradcheck(outputs, (vectors,))
    pooled, balance = outputs(vectors)
    (pooled.sum() + balance).backward()
    assert model.textcnn.convolution.router.weight.grad.abs().sum() > 0


def test_the_balancing_loss_is_one_where_banks_are_used_alike():
    model = tamed(num_experts=4)
    network = model.textcnn.convolution
    with torch.no_grad():
        network.router.weight.zero_()
        network.router.bias.zero_()
        output = model.textcnn(batch([[5], [6], [7], [8]]))
        assert output.balance_loss.item() == pytest.approx(1.0)
        network.router.bias[2] = 20.0
        output = model.textcnn(batch([[5], [6], [7], [8]]))
    assert output.balance_loss.item() == pytest.approx(4.0, abs=1e-4)
    assert (output.gates[:, 2] > 0.99).all()


def test_the_balancing_loss_trains_and_does_not_judge():
    model = tamed(num_experts=3, balance_weight=10.0, dropout=0.0)
    ids, labels = batch([[5, 6], [7, 8]]), torch.tensor([0, 1])
    judged = model.eval()(ids, labels=labels).loss
    trained = model.train()(ids, labels=labels).loss
    balance = model.textcnn(ids).balance_loss
    torch.testing.assert_close(trained, judged + 10.0 * balance)


def test_only_chosen_banks_are_read():
    """Tables of other banks may hold anything."""
    model = tamed(num_experts=3)
    folded = fold(model, word_tokenizer())
    texts = TEXTS[1:]
    wanted = folded.logits(texts)
    gates = folded.route(*folded.encode(texts))
    table = folded.tensors["table"].copy().reshape(3, -1, folded.tensors["table"].shape[1])
    for bank in range(3):
        spoilt = table.copy()
        spoilt[bank] = np.nan
        logits = folded.replace(table=spoilt.reshape(folded.tensors["table"].shape)).logits(texts)
        kept = gates[:, bank] == 0
        np.testing.assert_array_equal(logits[kept], wanted[kept])


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_explanations_state_the_route_and_add_up(axes):
    folded = fold(tamed(**axes), word_tokenizer())
    for text in TEXTS:
        explanation = folded.explain(text, "b")
        total = explanation.bias + sum(contribution.weight for contribution in explanation.contributions)
        assert total == pytest.approx(explanation.logit, abs=1e-5)
        assert explanation.logit == pytest.approx(folded.logits([text])[0, 1], abs=1e-5)
        gates = folded.route(*folded.encode([text]))[0]
        assert dict(explanation.route) == {int(i): pytest.approx(float(gates[i])) for i in np.flatnonzero(gates)}
        assert len(explanation.route) == axes.get("experts_per_text", 1)
    assert f"given the route to expert {explanation.route[0][0]} (gate" in str(explanation)
    assert explanation.to_dict()["route"][0]["expert"] == explanation.route[0][0]


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_saved_and_loaded(axes, tmp_path):
    model = tamed(**axes)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    save_artifact(model, tokenizer, tmp_path)
    wanted = TorchClassifier(model, tokenizer).predict_proba(TEXTS)
    folded, again = load(tmp_path), load(tmp_path)
    exported = export_onnx(model, tokenizer, tmp_path / "model.onnx")
    for classifier in (folded, again, pickle.loads(pickle.dumps(folded)), exported):
        np.testing.assert_allclose(classifier.predict_proba(TEXTS), wanted, atol=1e-5)
    rounded = textcnn.fold(tmp_path, int8=True, texts=TEXTS)
    np.testing.assert_allclose(rounded.predict_proba(TEXTS), wanted, atol=0.05)
    assert load(tmp_path).is_int8
    trimmed = fold(model, word_tokenizer(), texts=TEXTS, trim=True)
    np.testing.assert_allclose(trimmed.predict_proba(TEXTS), wanted, atol=1e-5)
    info = textcnn.info(tmp_path)
    assert info.architecture["num_experts"] == axes["num_experts"]
    assert "certify" not in info.verbs
    with pytest.raises(ValueError, match="certify: got a model with num_experts"):
        textcnn.certify(tmp_path, text="w5")
    with pytest.raises(ValueError, match="factored: got it with num_experts"):
        fold(model, word_tokenizer(), int8=True, factored=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_experts": 0}, "num_experts: got 0"),
        ({"num_experts": 2, "experts_per_text": 3}, r"experts_per_text: got 3; expected at most num_experts \(2\)"),
        ({"num_experts": 2, "pooling": "segments"}, "pooling: got 'segments' with 2 experts"),
        ({"num_experts": 2, "num_members": 2}, "num_members: got 2 with 2 experts"),
        ({"num_experts": 2, "backbone": "pyramid"}, "num_experts: got 2 with the backbone pyramid"),
        ({"balance_weight": -1.0}, "balance_weight: got -1.0"),
    ],
)
def test_what_no_network_has_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Architecture(**changes).check()
