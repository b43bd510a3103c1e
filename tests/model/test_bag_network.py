"""The bag in torch: features against Python's unlimited integers, logits and gradients against plain sums."""

from __future__ import annotations

import pytest
import torch
from folded_models import PAD, VOCAB_SIZE, make_model, reference_bag, reference_features
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.model.bag import HashedBag
from textcnn.training.optimizers import RowAdamW

TEXT = st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=20)
KINDS = [
    {"bag": "sum", "bag_ngrams": 1},
    {"bag": "sum", "bag_ngrams": 3, "bag_buckets": 64},
    {"bag": "mean", "bag_ngrams": 2, "bag_buckets": 2**29},
    {"bag": "mean", "bag_ngrams": 7, "bag_buckets": 1},
]


def padded(texts: list[list[int]]) -> torch.Tensor:
    ids = torch.full((len(texts), max(map(len, texts), default=0)), PAD)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text, dtype=torch.long)
    return ids


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_features_are_those_of_unlimited_integers(kind, texts) -> None:
    config = TextCNNConfig(vocab_size=VOCAB_SIZE, pad_token_id=PAD, embedding_dim=2, **kind)
    bag = HashedBag.__new__(HashedBag)
    torch.nn.Module.__init__(bag)
    # Without its rows, which would be gigabytes for the largest number of buckets.
    bag.vocab_size, bag.pad_token_id, bag.ngrams = VOCAB_SIZE, PAD, config.bag_ngrams
    bag.buckets = config.bag_buckets if config.bag_ngrams > 1 else 0
    offsets = torch.tensor([0, *(len(text) for text in texts)]).cumsum(0)
    rows, counts = bag.features(torch.tensor([i for text in texts for i in text], dtype=torch.long), None, offsets)
    expected = [sorted(row for row, _, _ in reference_features(config, text)) for text in texts]
    assert [sorted(own.tolist()) for own in rows.split(counts.tolist())] == expected


@pytest.mark.parametrize("kind", [{"bag": "sum"}, {"bag": "mean", "bag_dim": 3}])
def test_padding_and_batches_change_nothing(kind) -> None:
    model = make_model(bag_buckets=40, **kind)
    texts = [[], [5], [5, 7, 9], [3, 0, 4, 4], list(range(1, 30))]
    with torch.no_grad():
        alone = torch.cat([model(padded([text])).logits for text in texts])
        together = model(padded(texts)).logits
        left = torch.full((len(texts), 40), PAD)
        for row, text in enumerate(texts):
            left[row, 40 - len(text) :] = torch.tensor(text, dtype=torch.long)
        torch.testing.assert_close(together, alone)
        torch.testing.assert_close(model(left).logits, alone)
        torch.testing.assert_close(model(padded(texts)).logits[0], model.head.bias)
        assert model(torch.zeros(2, 0)).logits.shape == (2, 3)
        # What is masked is no token, whatever stands there, and no n-gram spans it.
        masked = torch.tensor([[9, 3, 7, 4, 4]]), torch.tensor([[0, 1, 0, 1, 1]])
        torch.testing.assert_close(model(*masked).logits, model(padded([[3, 0, 4, 4]])).logits)


@pytest.mark.parametrize(
    "kind", [*KINDS[:2], {"bag": "mean", "bag_buckets": 9}, {"bag": "mean", "bag_dim": 4}, {"bag": "sqrtn"}]
)
def test_gradients_are_those_of_plain_sums(kind) -> None:
    model = make_model(**{"bag_buckets": 64, "kernel_sizes": [], **kind}).double()
    texts = [[5, 7, 9, 5], [], [3, 0, 4], [8]]
    parameters = list(model.bag.parameters())
    weights = torch.randn(len(texts), 3, dtype=torch.float64)
    bag = model.bag_logits(padded(texts))
    found = torch.autograd.grad((bag * weights).sum(), parameters)
    rows = [torch.tensor([row for row, _, _ in reference_features(model.config, text)]).long() for text in texts]
    power = {"sum": 0, "mean": 1, "sqrtn": 0.5}[kind["bag"]]
    sums = [model.bag.rows.weight[own].sum(0) / max(1, len(own)) ** power for own in rows]
    plain = torch.stack(sums)
    plain = plain if model.bag.output is None else plain @ model.bag.output.weight.T
    torch.testing.assert_close(bag, plain)
    torch.testing.assert_close(bag[0], reference_bag(model, texts[0]))
    for own, wanted in zip(found, torch.autograd.grad((plain * weights).sum(), parameters), strict=True):
        torch.testing.assert_close(own, wanted)


@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_dropout_leaves_features_out_and_keeps_the_mean(pooling) -> None:
    model = make_model(bag=pooling, bag_ngrams=1, kernel_sizes=[], dropout=0.25)
    with torch.no_grad():
        # Every row is 1: a sum counts the features that are kept, a mean stays 1.
        model.bag.rows.weight.fill_(1)
        ids = torch.randint(1, VOCAB_SIZE, (4000, 8))
        ids[:, 6:] = PAD
        logits = model.train().bag_logits(ids)[:, 0]
        whole = model.eval().bag_logits(ids)[:, 0]
    if pooling == "mean":
        assert set(logits.tolist()) <= {0.0, 1.0}
        return
    assert (whole == 6).all()
    torch.testing.assert_close(logits.mean(), torch.tensor(6.0), atol=0.15, rtol=0)
    torch.testing.assert_close((logits * 0.75).round(), logits * 0.75)
    assert len(logits.unique()) > 4


def test_rows_move_as_with_adamw() -> None:
    models = [make_model(bag="sum", bag_buckets=64, kernel_sizes=[]) for _ in range(2)]
    models[0].bag.rows.sparse = True
    optimizers = [kind(model.bag.rows.parameters(), lr=0.01, weight_decay=0.0)
                  for kind, model in zip((RowAdamW, torch.optim.AdamW), models, strict=True)]  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        ids = torch.randint(1, VOCAB_SIZE, (2, 3), generator=generator)
        optimizers[0].touch(models[0].bag.rows.weight, models[0].bag_rows(ids))
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model(ids, labels=torch.tensor([0, 2])).loss.backward()
            optimizer.step()
    optimizers[0].settle()
    torch.testing.assert_close(models[0].bag.rows.weight, models[1].bag.rows.weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dim", [None, 2, 3, 8])
def test_set_logits(dim) -> None:
    model = make_model(bag="sum", bag_dim=dim, bag_buckets=20)
    generator = torch.Generator().manual_seed(0)
    # Of rank two: two directions carry all of it.
    logits = torch.randn(70, 2, generator=generator) @ torch.randn(2, 3, generator=generator)
    model.bag.set_logits(logits)
    with torch.no_grad():
        got = model.bag.rows.weight if dim is None else model.bag.output(model.bag.rows.weight)
    torch.testing.assert_close(got, logits, atol=1e-4, rtol=1e-4)


def test_a_new_bag_adds_nothing() -> None:
    for kind in ({"bag": "sum"}, {"bag": "mean", "bag_dim": 4}):
        model = TextCNNForSequenceClassification(TextCNNConfig(vocab_size=30, embedding_dim=4, bag_buckets=9, **kind))
        ids = torch.tensor([[5, 7, 9]])
        assert model.bag_logits(ids).abs().max() == 0
        assert not torch.equal(model.head.weight, torch.zeros_like(model.head.weight))
        loss = model(ids, labels=torch.tensor([1])).loss
        loss.backward()
        assert any(parameter.grad.abs().max() > 0 for parameter in model.bag.parameters())


def test_vectors_are_no_tokens_of_a_bag() -> None:
    model = make_model(bag="sum", bag_buckets=20)
    with pytest.raises(ValueError, match="expected input_ids"):
        model(inputs_embeds=torch.zeros(1, 3, 6))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel_sizes": []}, "set bag to sum, mean or sqrtn"),
        ({"bag": "max"}, "expected one of none, sum, mean, sqrtn"),
        ({"bag": "sum", "bag_ngrams": 0}, "bag_ngrams: got 0"),
        ({"bag": "sum", "bag_ngrams": 65}, "at most 64"),
        ({"bag": "sum", "bag_buckets": 0}, "bag_buckets: got 0"),
        ({"bag": "sum", "bag_buckets": 2**30}, "less than"),
        ({"bag": "sum", "bag_dim": 0}, "bag_dim: got 0"),
        ({"bag": "sum", "kernel_sizes": [], "pooled_norm": True}, "pooled_norm: got True without convolutions"),
        ({"bag": "sum", "kernel_sizes": [], "num_members": 2}, "num_members: got 2 without convolutions"),
        ({"bag_ngram": 3}, "did you mean 'bag_ngrams'"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        TextCNNConfig(vocab_size=10, embedding_dim=4, **changes)
