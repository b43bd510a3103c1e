"""Batches of like length: each text once, an order that depends on (seed, epoch) only."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from textcnn.data.batches import BatchDataset, LengthBatchSampler, group_by_length, length_loader
from textcnn.data.collator import TextCollator
from textcnn.data.encoding import EncodedTexts, encode_texts
from textcnn.data.labels import Targets


def _dataset(count: int, *, longest: int = 30, seed: int = 0) -> BatchDataset:
    """Text i consists of the token i + 1, one to `longest` times, and has the label i % 3."""
    lengths = np.random.default_rng(seed).integers(0, longest + 1, size=count)
    ids = np.repeat(np.arange(count, dtype=np.int32) + 1, lengths)
    encoded = EncodedTexts.of(ids, lengths, np.zeros(count, dtype=bool))
    return BatchDataset(encoded, np.arange(count), {"labels": Targets(np.arange(count) % 3)}, 3, TextCollator(0))


def _texts(batch: dict[str, torch.Tensor]) -> list[int]:
    """Which text each row of a batch is; -1 for an empty one."""
    return [max(row, default=0) - 1 for row in batch["input_ids"].tolist()]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 1000])
def test_each_position_once(count: int, shuffle: bool) -> None:
    lengths = np.random.default_rng(1).integers(0, 50, size=count)
    batches = group_by_length(lengths, 64, np.random.default_rng(0) if shuffle else None)
    assert sorted(np.concatenate([np.zeros(0, int), *batches]).tolist()) == list(range(count))
    assert sorted(map(len, batches), reverse=True) == [64] * (count // 64) + [count % 64] * bool(count % 64)
    sampler = LengthBatchSampler(lengths, 64, shuffle=shuffle)
    assert len(sampler) == len(list(sampler)) == len(batches)


def test_batches_hold_texts_of_like_length() -> None:
    loader = length_loader(_dataset(5000, longest=200), 50, shuffle=True)
    real = cells = 0
    for batch in loader:
        real += int(batch["attention_mask"].sum())
        cells += batch["input_ids"].numel()
    assert real / cells > 0.95  # batches drawn at random would have half


def test_assembled_batches_agree_with_the_collator() -> None:
    dataset = _dataset(300)
    for batch in length_loader(dataset, 7, shuffle=True):
        for row, text in enumerate(_texts(batch)):
            if text < 0:  # an empty text
                continue
            ids, lengths = dataset.encoded.gather(np.array([text]))
            assert batch["input_ids"][row].tolist()[: lengths[0]] == ids.tolist()
            assert int(batch["attention_mask"][row].sum()) == lengths[0]
            assert batch["labels"][row] == text % 3


def test_no_sorting_keeps_the_order() -> None:
    loader = length_loader(_dataset(10), 4, sort=False)
    assert torch.cat([batch["labels"] for batch in loader]).tolist() == [i % 3 for i in range(10)]


def _order(sampler: LengthBatchSampler) -> list[int]:
    return np.concatenate(list(sampler)).tolist()


def test_an_epoch_has_one_order_whatever_came_before() -> None:
    lengths = np.random.default_rng(0).integers(0, 50, size=500)
    counting = LengthBatchSampler(lengths, 8, shuffle=True, seed=3)
    orders = [_order(counting) for _ in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    told = LengthBatchSampler(lengths, 8, shuffle=True, seed=3)
    told.set_epoch(2)
    assert _order(told) == orders[2]
    assert _order(told) == orders[3]
    assert _order(LengthBatchSampler(lengths, 8, shuffle=True, seed=4)) != orders[0]


@pytest.mark.parametrize("count", [500, 481, 2])
def test_processes_of_a_distributed_run_share_each_batch(count: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 50, size=count)
    whole = LengthBatchSampler(lengths, 32, shuffle=True)
    parts = []
    for rank in range(4):
        sampler = LengthBatchSampler(lengths, 8, shuffle=True)
        sampler.num_replicas, sampler.rank = 4, rank
        parts.append(list(sampler))
        assert len(sampler) == len(whole) == len(parts[-1])
    for batch, *shares in zip(whole, *parts, strict=True):
        assert sorted(row for share in shares for row in share) == sorted(batch)
        assert all(len(share) <= 8 for share in shares)
    assert sorted(row for part in parts for batch in part for row in batch) == list(range(count))


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*no `val_dataloader`")
def test_a_resumed_run_sees_the_order_of_an_uninterrupted_one(fit) -> None:
    def loader() -> Any:
        return length_loader(_dataset(100, longest=5), 8, shuffle=True)

    whole, _ = fit(loader(), 4)
    assert len({str(batches) for batches in whole.values()}) == 4
    _, checkpoint = fit(loader(), 2)
    resumed, _ = fit(loader(), 4, checkpoint)
    assert resumed == {epoch: whole[epoch] for epoch in (2, 3)}


def test_workers_give_the_same_batches() -> None:
    alone = list(length_loader(_dataset(60), 8, shuffle=True))
    helped = list(length_loader(_dataset(60), 8, shuffle=True, num_workers=2))
    assert all(torch.equal(a[key], b[key]) for a, b in zip(alone, helped, strict=True) for key in a)


def test_a_loader_is_faster_than_any_model(tokenizer: Any) -> None:
    texts = pa.chunked_array([pa.array(["good film", "a bad film and a bad plot"] * 10_000)])
    encoded = encode_texts(texts, tokenizer)
    dataset = BatchDataset(encoded, np.arange(20_000), {"labels": Targets(np.arange(20_000) % 2)}, 2, TextCollator(0))
    loader = length_loader(dataset, 64, shuffle=True)
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        count = sum(len(batch["labels"]) for batch in loader)
        best = max(best, count / (time.perf_counter() - start))
    assert best > 50_000  # some 400,000 texts/s where nothing else runs
