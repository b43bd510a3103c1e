"""The proof of value of the training operator: fifty steps with it and with plain torch end at the same weights."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification, convolution
from textcnn.model.ngram_max import ngram_max


def weights_after_fifty_steps(implementation: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    monkeypatch.setattr(convolution, "ngram_max", partial(ngram_max, implementation=implementation))
    torch.manual_seed(0)
    config = TextCNNConfig(vocab_size=300, embedding_dim=20, num_filters=10, dropout=0.0, id2label={0: "a", 1: "b"})
    model = TextCNNForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    for _ in range(50):
        lengths = rng.integers(1, 30, size=32)
        ids = torch.zeros(32, int(lengths.max()), dtype=torch.long)
        for row, length in enumerate(lengths):
            ids[row, :length] = torch.from_numpy(rng.integers(1, 300, size=length))
        labels = (ids.sum(dim=1) % 2).long()
        loss = model(ids, attention_mask=(ids > 0).long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("implementation", ["cpu", "gpu"])
def test_fifty_steps_end_at_the_same_weights(implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    start = TextCNNForSequenceClassification(
        TextCNNConfig(vocab_size=300, embedding_dim=20, num_filters=10, dropout=0.0, id2label={0: "a", 1: "b"})
    ).state_dict()
    wanted = weights_after_fifty_steps("reference", monkeypatch)
    got = weights_after_fifty_steps(implementation, monkeypatch)
    for name, tensor in wanted.items():
        assert (got[name] - tensor).abs().max() < 1e-5, name
    assert max((wanted[name] - start[name]).abs().max() for name in wanted) > 0.01
