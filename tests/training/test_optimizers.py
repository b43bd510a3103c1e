"""RowAdamW against torch's dense AdamW on the same gradients."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from textcnn.core import library
from textcnn.core.training import EmbeddingRows
from textcnn.training import optimizers
from textcnn.training.optimizers import LONGEST_GAP, RowAdamW, clip_gradient_norm

ROWS, COLUMNS = 40, 6


@pytest.fixture(autouse=True, params=["core", "torch"])
def implementation(request, monkeypatch):
    """Everything holds with the core and, as on a GPU, without it."""
    if request.param == "torch":
        monkeypatch.setattr(optimizers, "_fits_core", lambda parameter: False)
    return request.param


def train(optimizer_class, steps, sparse, start=None, cosine=True):
    """Trains an embedding and a dense vector on gradients that leave most rows alone for long."""
    torch.manual_seed(0)
    embedding = nn.Embedding(ROWS, COLUMNS, sparse=sparse).double()
    dense = nn.Parameter(torch.randn(COLUMNS).double())
    groups = [{"params": [dense]}, {"params": embedding.parameters(), "weight_decay": 0.0}]
    optimizer = optimizer_class(groups, lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / steps if cosine else 1.0)
    begin = 0
    if start is not None:
        begin = start["begin"]
        embedding.load_state_dict(start["embedding"])
        dense.data.copy_(start["dense"])
        optimizer.load_state_dict(start["optimizer"])
        schedule.load_state_dict(start["schedule"])
    generator = torch.Generator().manual_seed(1)
    batches = []
    for step in range(steps):
        # Some rows in every batch, some now and then, some once. The gradients do not depend on the weights, so
        # that rounding is not magnified from step to step.
        rows = torch.randint(0, 10 if step % 7 else ROWS, (5,), generator=generator)
        batches.append((rows, torch.randn(5, COLUMNS, generator=generator).double()))
    for rows, gradient in batches[begin:]:
        if sparse:
            optimizer.touch(embedding.weight, rows.unique())
        loss = (embedding(rows) * gradient).sum() + (dense * gradient[0]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield {
            "embedding": embedding.state_dict(),
            "dense": dense.data,
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "settle": getattr(optimizer, "settle", None),
        }


def last(states):
    *_, state = states
    if state["settle"]:
        state["settle"]()
    return state["embedding"]["weight"], state["dense"]


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("steps", [1, 5, 60, 2 * LONGEST_GAP + 30])
def test_takes_the_steps_of_dense_adamw(steps, cosine):
    dense = last(train(torch.optim.AdamW, steps, sparse=False, cosine=cosine))
    rows = last(train(RowAdamW, steps, sparse=True, cosine=cosine))
    for ours, theirs in zip(rows, dense, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_takes_the_same_steps_in_float32(implementation):
    """The core's step and torch's, on gradients of a hundred columns: what one vectorised loop and its end do."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(ROWS, 101, generator=generator)
    weights = [nn.Parameter(start.clone()) for _ in range(2)]
    rows = RowAdamW([{"params": weights[:1], "weight_decay": 0.0}], lr=0.01)
    dense = torch.optim.AdamW([{"params": weights[1:], "weight_decay": 0.0}], lr=0.01)
    for _ in range(40):
        chosen = torch.randperm(ROWS, generator=generator)[:7]
        rows.touch(weights[0], torch.cat([chosen, chosen]))
        values = torch.randn(7, 101, generator=generator)
        gradient = torch.sparse_coo_tensor(chosen[None], values, start.shape, check_invariants=True)
        weights[0].grad, weights[1].grad = gradient, gradient.to_dense()
        rows.step()
        dense.step()
    rows.settle()
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-6, atol=1e-6)
    assert optimizers._fits_core(weights[0]) == (implementation == "core")


def test_moves_a_row_that_only_momentum_moves():
    states = train(RowAdamW, 30, sparse=True)
    before = [copy.deepcopy(next(states)["embedding"]["weight"]) for _ in range(20)][-1]
    weight, _ = last(states)
    assert (weight - before)[30:].abs().max() > 1e-4, "rows without a gradient keep moving, as in the dense one"


def test_resume():
    states = train(RowAdamW, 80, sparse=True)
    for _ in range(50):
        state = next(states)
    saved = copy.deepcopy({key: value for key, value in state.items() if key != "settle"}) | {"begin": 50}
    whole = last(states)
    resumed = last(train(RowAdamW, 80, sparse=True, start=saved))
    for ours, theirs in zip(resumed, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_accumulated_gradients():
    embeddings = [nn.Embedding(ROWS, COLUMNS, sparse=sparse).double() for sparse in (True, False)]
    embeddings[1].load_state_dict(embeddings[0].state_dict())
    for embedding, optimizer_class in zip(embeddings, (RowAdamW, torch.optim.AdamW), strict=True):
        optimizer = optimizer_class([{"params": embedding.parameters(), "weight_decay": 0.0}], lr=0.1)
        for _ in range(3):
            for rows in ([1, 2, 2], [2, 3]):
                (embedding(torch.tensor(rows)) ** 2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        if embedding.sparse:
            optimizer.settle()
    torch.testing.assert_close(embeddings[0].weight, embeddings[1].weight, rtol=1e-6, atol=1e-8)


def test_weight_decay_of_rows_is_refused():
    embedding = nn.Embedding(ROWS, COLUMNS, sparse=True)
    optimizer = RowAdamW(embedding.parameters(), weight_decay=0.1)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="expected 0"):
        optimizer.step()


@pytest.mark.parametrize("max_norm", [0.1, 1e6])
def test_clipping_is_torchs(max_norm):
    torch.manual_seed(0)
    embeddings = [nn.Embedding(ROWS, COLUMNS, sparse=sparse) for sparse in (True, False)]
    layers = [nn.Linear(COLUMNS, 3) for _ in range(2)]
    embeddings[1].load_state_dict(embeddings[0].state_dict())
    layers[1].load_state_dict(layers[0].state_dict())
    for embedding, layer in zip(embeddings, layers, strict=True):
        layer(embedding(torch.tensor([3, 3, 5]))).square().sum().backward()
    pairs = [
        [*embedding.parameters(), *layer.parameters()] for embedding, layer in zip(embeddings, layers, strict=True)
    ]
    norm = clip_gradient_norm(pairs[0], max_norm)
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(pairs[1], max_norm))
    for ours, theirs in zip(*pairs, strict=True):
        gradient = ours.grad.to_dense() if ours.grad.is_sparse else ours.grad
        torch.testing.assert_close(gradient, theirs.grad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_core_takes_the_same_steps_with_every_set_of_instructions(dtype):
    results = []
    for name in library.available_instructions():
        rng = np.random.default_rng(0)
        weight, mean = (rng.normal(size=(9, 37)).astype(dtype) for _ in range(2))
        square, last = (mean**2).astype(dtype), np.zeros(9, dtype)
        powers = 0.9 ** np.arange(5)
        rows = EmbeddingRows(weight, mean, square, last)
        with library.instructions_of(name):
            rows.catch_up(np.array([3, 8, 3]), 4, powers.cumsum(), powers, powers, 1e-8)
            rows.step(np.array([3, 8]), rng.normal(size=(2, 37)).astype(dtype), 5, (0.9, 0.99), 0.1, 1e-8)
        assert last.tolist() == [0, 0, 0, 5, 0, 0, 0, 0, 5]
        results.append(np.stack([weight, mean, square]))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=2e-5 if dtype == np.float32 else 1e-13)


def test_core_checks_rows():
    arrays = [np.zeros((4, 2), np.float32) for _ in range(3)]
    rows = EmbeddingRows(*arrays, np.zeros(4, np.float32))
    powers = np.ones(3)
    for outside in (-1, 4):
        with pytest.raises(ValueError, match=f"rows: got {outside}; expected 0 to 3"):
            rows.catch_up(np.array([0, outside]), 1, powers, powers, powers, 1e-8)
        with pytest.raises(ValueError, match=f"rows: got {outside}; expected 0 to 3"):
            rows.step(np.array([outside]), np.ones((1, 2), np.float32), 1, (0.9, 0.99), 0.1, 1e-8)
    with pytest.raises(ValueError, match="more steps behind than the longest gap of 2"):
        rows.catch_up(np.array([1]), 3, powers, powers, powers, 1e-8)
    with pytest.raises(ValueError, match=r"gradient: got float32 \(1, 3\); expected contiguous float32 \(1, 2\)"):
        rows.step(np.array([1]), np.ones((1, 3), np.float32), 1, (0.9, 0.99), 0.1, 1e-8)
    with pytest.raises(ValueError, match="mean: got float64"):
        EmbeddingRows(arrays[0], arrays[1].astype(float), arrays[2], np.zeros(4, np.float32))
    assert not any(array.any() for array in arrays)
