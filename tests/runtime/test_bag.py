"""The bag in the compiled core, compared with plain Python."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.core.library import available_instructions, instructions_of
from textcnn.runtime.bag import Bag, hash_of_word, hashes_of_ids

FACTOR = 116049371
INT32 = st.integers(-(2**31), 2**31 - 1)


def reference_features(rows, hashes, first_bucket_row, buckets, ngrams, row_of_bucket=None):
    """(row, first, length) of every feature, in no order, with Python's unlimited integers."""
    features = [(row, k, 1) for k, row in enumerate(rows) if row >= 0]
    for first in range(len(hashes) if buckets else 0):
        value = hashes[first] % 2**64
        for last in range(first + 1, min(first + ngrams, len(hashes))):
            value = (value * FACTOR + hashes[last]) % 2**64
            bucket = value % buckets
            row = first_bucket_row + bucket if row_of_bucket is None else row_of_bucket[bucket]
            if row >= 0:
                features.append((int(row), first, last - first + 1))
    return features


def reference_logits(bag: Bag, rows, hashes) -> np.ndarray:
    features = reference_features(rows, hashes, bag.first_bucket_row, bag.buckets, bag.ngrams, bag.row_of_bucket)
    table = bag.table.astype(np.float64) * (1.0 if bag.scale is None else bag.scale)
    total = np.zeros(table.shape[1])
    for row, _, _ in features:
        total += table[row]
    if features:
        total /= {"sum": 1, "mean": len(features), "sqrtn": len(features) ** 0.5}[bag.pooling]
    if bag.output is not None:
        total = bag.output.astype(np.float64) @ total
    return total / bag.temperature


def make_bag(
    seed=0, words=50, buckets=97, ngrams=3, columns=5, classes=None, int8=False, pruned=False, **options
) -> Bag:
    random = np.random.default_rng(seed)
    row_of_bucket = None
    bucket_rows = buckets
    if pruned:
        bucket_rows = buckets // 2
        row_of_bucket = np.full(buckets, -1, np.int32)
        row_of_bucket[random.permutation(buckets)[:bucket_rows]] = words + np.arange(bucket_rows)
    shape = (words + bucket_rows, columns)
    if int8:
        options |= {"scale": random.random(columns, dtype=np.float32) / 50}
        table = random.integers(-127, 128, shape, dtype=np.int8)
    else:
        table = random.standard_normal(shape, dtype=np.float32)
    if classes is not None:
        options |= {"output": random.standard_normal((classes, columns), dtype=np.float32)}
    return Bag(table, classes or columns, words, buckets, ngrams, row_of_bucket=row_of_bucket, **options)


KINDS = {
    "sum": {},
    "mean": {"pooling": "mean"},
    "sqrtn": {"pooling": "sqrtn", "int8": True},
    "one column": {"columns": 1},
    "eight columns": {"columns": 8, "ngrams": 5},
    "many columns": {"columns": 77, "pooling": "mean"},
    "second factor": {"columns": 33, "classes": 4, "pooling": "mean"},
    "int8": {"int8": True, "columns": 6},
    "int8, second factor": {"int8": True, "columns": 40, "classes": 3},
    "pruned": {"pruned": True},
    "no n-grams": {"buckets": 0, "ngrams": 1},
    "one bucket": {"buckets": 1, "ngrams": 2},
    "temperature": {"temperature": 2.5},
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.tuples(st.lists(st.integers(-1, 49), max_size=300), st.lists(INT32, max_size=40)), max_size=5),
    threads=st.integers(1, 3),
)
def test_logits_are_those_of_plain_python(kind, texts, threads) -> None:
    bag = make_bag(**KINDS[kind])
    rows = [row for own, _ in texts for row in own]
    hashes = [value for _, own in texts for value in own]
    row_offsets = np.cumsum([0, *(len(own) for own, _ in texts)])
    hash_offsets = np.cumsum([0, *(len(own) for _, own in texts)])
    logits = bag.logits(rows, row_offsets, hashes, hash_offsets, threads)
    expected = np.array([reference_logits(bag, *own) for own in texts]).reshape(len(texts), bag.classes)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=2e-4)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.integers(-1, 49), max_size=50), hashes=st.lists(INT32, max_size=50), ngrams=st.integers(1, 6))
def test_features_are_those_of_plain_python(rows, hashes, ngrams) -> None:
    for pruned in (False, True):
        bag = make_bag(ngrams=ngrams, pruned=pruned)
        found = bag.features(np.array(rows, np.int32), np.array(hashes, np.int32))
        expected = reference_features(rows, hashes, 50, 97 if ngrams > 1 else 0, ngrams, bag.row_of_bucket)
        own = zip(found.rows.tolist(), found.firsts.tolist(), found.lengths.tolist(), strict=True)
        assert sorted(own) == sorted(expected)
        values = bag.values(found.rows).sum(axis=0)
        np.testing.assert_allclose(values, reference_logits(bag, rows, hashes), atol=1e-9)


def test_every_set_of_instructions_gives_the_same_bytes() -> None:
    random = np.random.default_rng(0)
    for options in KINDS.values():
        bag = make_bag(**options)
        rows, hashes = random.integers(-1, 50, 3000), random.integers(-(2**31), 2**31, 3000)
        offsets = np.array([0, 0, 7, 500, 3000])
        answers = []
        for name in available_instructions():
            with instructions_of(name):
                answers.append(bag.logits(rows, offsets, hashes, offsets).tobytes())
        assert len(set(answers)) == 1


def test_hash_of_word_is_fnv_1a_over_signed_bytes() -> None:
    def reference(word: bytes) -> int:
        value = 2166136261
        for byte in word:
            value = (value ^ (byte - 256 if byte > 127 else byte) % 2**32) * 16777619 % 2**32
        return value - 2**32 if value >= 2**31 else value

    for word in (b"", b"hello", b"</s>", "žluťoučký".encode(), "語".encode(), bytes(range(256))):
        assert hash_of_word(word) == reference(word)


def test_hashes_of_ids_are_a_permutation() -> None:
    def reference(number: int) -> int:
        value = (number + 0x9E3779B9) % 2**32
        value = (value ^ value >> 16) * 0x85EBCA6B % 2**32
        value = (value ^ value >> 13) * 0xC2B2AE35 % 2**32
        value ^= value >> 16
        return value - 2**32 if value >= 2**31 else value

    ids = np.arange(100_000, dtype=np.int32)
    hashes = hashes_of_ids(ids)
    assert len(np.unique(hashes)) == len(ids)
    assert hashes[:1000].tolist() == [reference(number) for number in range(1000)]


def test_a_copy_gives_the_same_logits() -> None:
    for options in KINDS.values():
        bag = make_bag(**options)
        arguments = ([1, 2, 3], [0, 3], [5, 6, 7], [0, 3])
        for other in (copy.copy(bag), pickle.loads(pickle.dumps(bag))):
            assert (other.logits(*arguments) == bag.logits(*arguments)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "max"}, "expected one of sum, mean, sqrtn"),
        ({"first_bucket_row": 60}, "a row for each bucket"),
        ({"first_bucket_row": 1000}, "first_bucket_row"),
        ({"ngrams": 0}, "ngrams: got 0"),
        ({"buckets": 0}, "buckets: got 0"),
        ({"classes": 4}, "one column a class"),
        ({"row_of_bucket": np.full(97, 1000, np.int32)}, "row_of_bucket: got 1000"),
        ({"row_of_bucket": np.zeros(5, np.int32)}, "row_of_bucket: got shape"),
        ({"table": np.zeros((147, 5), np.float64)}, "int8 or float32"),
        ({"table": np.zeros((147, 5), np.int8)}, "scale: got none"),
        ({"temperature": float("nan")}, "calibrate"),
    ],
)
def test_what_cannot_be_a_bag_is_refused(change, message) -> None:
    plain = {"table": np.zeros((147, 5), np.float32), "classes": 5, "first_bucket_row": 50, "buckets": 97, "ngrams": 2}
    with pytest.raises(ValueError, match=message):
        Bag(**(plain | change))


def test_rows_and_offsets_are_checked() -> None:
    bag = make_bag()
    for rows, row_offsets, hashes, hash_offsets, message in [
        ([147], [0, 1], [], [0, 0], "got row 147; expected -1 to 146"),
        ([-2], [0, 1], [], [0, 0], "got row -2"),
        ([1], [0, 2], [], [0, 0], "row_offsets"),
        ([1, 2], [0, 2, 1, 2], [], [0, 0, 0, 0], "falling offsets at text 1"),
        ([1], [0, 1], [], [0], "hash_offsets: got 0 texts; expected 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            bag.logits(rows, row_offsets, hashes, hash_offsets)
