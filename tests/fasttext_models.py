"""Small models of fastText for tests, and a reference in plain Python of how fastText answers.

The reference is written from the format and the papers, apart from the package's reader and core.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from textcnn.folding.fasttext import FastTextFile
from textcnn.folding.fasttext_matrices import DenseMatrix, QuantizedMatrix, Quantizer

needs_fasttext = pytest.mark.skipif(
    importlib.util.find_spec("fasttext") is None, reason="needs the package fasttext, an extra (bench)"
)
WORDS = ["</s>", "good", "bad", "film", "plot", "the", "a", "naïve", "日本", "unbelievablylongwordofmany", "x"]
LABELS = ["__label__pos", "__label__neg", "__label__mixed"]
TEXTS = [
    "", " ", "good film", "the bad plot", "a good film of an unknown kind", "日本 naïve film", "unseen",
    "good\tfilm\0the\vplot\f a\rx", "good </s> bad film", "__label__pos good film", "good __label__other film",
    "__label__ x", "unbelievablylongwordofmany film", "film " * 300, "x" * 500, "😀 good", "</s>",
    "word1 " * 63 + "good", "a" * 62 + " b", "</s", "good\u00a0film",
]  # fmt: skip


def make_file(
    loss: str = "softmax",
    ngrams: int = 1,
    minn: int = 0,
    maxn: int = 0,
    bucket: int = 50,
    dim: int = 6,
    labels: list[str] = LABELS,
    kind: str = "dense",
    words: list[str] = WORDS,
    seed: int = 0,
) -> FastTextFile:
    """A model of random numbers; kind: dense, quantized, pruned (quantised, with two fifths of the buckets left)."""
    rng = np.random.default_rng(seed)
    if ngrams <= 1 and maxn == 0:
        bucket = 0
    pruned = None
    rows = bucket
    if kind == "pruned":
        kept = rng.permutation(bucket)[: 2 * bucket // 5]
        pruned = {int(number): place for place, number in enumerate(kept)}
        rows = len(kept)
    count = len(words) + rows
    matrix = DenseMatrix(rng.normal(size=(count, dim)).astype(np.float32))
    if kind != "dense":
        matrix = quantized(rng, count, dim, norms=kind == "pruned")
    args = {
        "dim": dim, "ws": 5, "epoch": 5, "minCount": 1, "neg": 5, "wordNgrams": ngrams, "loss": loss,
        "model": "supervised", "bucket": bucket, "minn": minn, "maxn": maxn, "lrUpdateRate": 100, "t": 1e-4,
    }  # fmt: skip
    return FastTextFile(
        None, args, [word.encode() for word in words], np.arange(len(words), 0, -1, dtype=np.int64) * 10,
        [label.encode() for label in labels], np.arange(len(labels), 0, -1, dtype=np.int64) ** 2, 1000, pruned,
        matrix, DenseMatrix(rng.normal(size=(len(labels), dim)).astype(np.float32)),
    )  # fmt: skip


def quantized(rng: np.random.Generator, rows: int, dim: int, norms: bool) -> QuantizedMatrix:
    """Random codes and centroids; parts of two values, and a rest where the dimension is odd."""
    size = 2
    parts, last = -(-dim // size), dim % size or size

    def quantizer(values: int, parts: int, size: int, last: int) -> Quantizer:
        return Quantizer(values, parts, size, last, rng.normal(size=256 * values).astype(np.float32))

    codes = rng.integers(0, 256, (rows, parts), dtype=np.uint8)
    if not norms:
        return QuantizedMatrix(codes, quantizer(dim, parts, size, last), None, None)
    lengths = rng.integers(0, 256, rows, dtype=np.uint8)
    return QuantizedMatrix(codes, quantizer(dim, parts, size, last), lengths, quantizer(1, 1, 1, 1))


def row_of_codes(matrix: QuantizedMatrix, row: int) -> np.ndarray:
    """A row, put together from its centroids one by one."""
    own = matrix.quantizer
    values = []
    for part in range(own.parts):
        size = own.last_size if part == own.parts - 1 else own.size
        begin = part * 256 * own.size + int(matrix.codes[row, part]) * size
        values += own.centroids[begin : begin + size].tolist()
    norm = 1.0 if matrix.norm_codes is None else float(matrix.norm_quantizer.centroids[matrix.norm_codes[row]])
    return norm * np.array(values)


class Reference:
    """Reference predictions of fastText: the rows of a line, their mean, the output matrix."""

    def __init__(self, file: FastTextFile) -> None:
        self.file = file
        self.words = {word.decode(): row for row, word in enumerate(file.words)}
        self.labels = [label.decode() for label in file.labels]
        if isinstance(file.input, DenseMatrix):
            self.vectors = file.input.values.astype(np.float64)
        else:
            self.vectors = np.array([row_of_codes(file.input, row) for row in range(file.input.rows)])
        self.output = file.output.values.astype(np.float64)

    def hash(self, token: str) -> int:
        value = 2166136261
        for byte in token.encode():
            signed = byte - 256 if byte > 127 else byte
            value = ((value ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
        return value

    def tokens(self, line: str) -> list[str]:
        for space in "\n\r\t\v\f\0":
            line = line.replace(space, " ")
        return [token for token in line.split(" ") if token] + ["</s>"]

    def rows(self, line: str) -> list[int]:
        rows: list[int] = []
        hashes: list[int] = []
        args = self.file.args
        for token in self.tokens(line):
            if token in self.labels or (token not in self.words and token.startswith("__label__")):
                continue
            if token in self.words:
                rows.append(self.words[token])
            if token != "</s>":
                rows += self.subwords(token)
            value = self.hash(token)
            hashes.append(value - (1 << 32) if value >= 1 << 31 else value)
            if token == "</s>":
                break
        for i in range(len(hashes)):
            value = hashes[i] % (1 << 64)
            for j in range(i + 1, min(len(hashes), i + args["wordNgrams"])):
                value = (value * 116049371 + hashes[j]) % (1 << 64)
                rows += self.bucket(value % args["bucket"])
        return rows

    def subwords(self, token: str) -> list[int]:
        args, word = self.file.args, f"<{token}>"
        rows: list[int] = []
        for begin in range(len(word)):
            for n in range(max(1, args["minn"]), args["maxn"] + 1):
                piece = word[begin : begin + n]
                if len(piece) == n and not (n == 1 and piece in "<>" and begin in (0, len(word) - 1)):
                    rows += self.bucket(self.hash(piece) % args["bucket"])
        return rows

    def bucket(self, number: int) -> list[int]:
        if self.file.pruned is None:
            return [len(self.words) + number]
        place = self.file.pruned.get(number)
        return [] if place is None else [len(self.words) + place]

    def scores(self, line: str) -> np.ndarray:
        rows = self.rows(line)
        hidden = self.vectors[rows].mean(axis=0) if rows else np.zeros(self.vectors.shape[1])
        return self.output @ hidden

    def probabilities(self, line: str) -> np.ndarray:
        scores = self.scores(line)
        if self.file.loss == "softmax":
            exponentials = np.exp(scores - scores.max())
            return exponentials / exponentials.sum()
        if self.file.loss in ("ova", "ns"):
            return 1 / (1 + np.exp(-scores))
        return self.tree_probabilities(scores)

    def tree_probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Walk fastText's Huffman tree, built with a list of nodes as its paper says."""
        labels = len(self.labels)
        waiting = [(int(count), node) for node, count in enumerate(self.file.label_counts)]
        children: dict[int, tuple[int, int]] = {}
        for made in range(labels, 2 * labels - 1):
            # The rarest first; of equal ones, a node that was made comes before a label, an older one before a newer.
            waiting.sort(key=lambda item: (item[0], item[1] < labels, item[1] if item[1] >= labels else -item[1]))
            (first, left), (second, right) = waiting[:2]
            waiting = [*waiting[2:], (first + second, made)]
            children[made] = (left, right)
        found = np.zeros(labels)

        def walk(node: int, probability: float) -> None:
            if node < labels:
                found[node] = probability
                return
            right = 1 / (1 + np.exp(-scores[node - labels]))
            walk(children[node][0], probability * (1 - right))
            walk(children[node][1], probability * right)

        walk(2 * labels - 2, 1.0)
        return found


TRAIN = """\
import sys, json, fasttext
source, target, settings, quantize = sys.argv[1:]
model = fasttext.train_supervised(source, thread=1, verbose=0, **json.loads(settings))
if json.loads(quantize) is not None:
    model.quantize(input=source, thread=1, verbose=0, **json.loads(quantize))
model.save_model(target)
"""


def train_fasttext(source: Path, target: Path, settings: dict, quantize: dict | None = None) -> Path:
    """Train a model with fastText in a process of its own.

    Its wheel leaves parts of matrices as malloc gave them, which may be no numbers; glibc fills them with zeros here.
    """
    import json

    command = [sys.executable, "-c", TRAIN, str(source), str(target), json.dumps(settings), json.dumps(quantize)]
    for _ in range(5):
        done = subprocess.run(command, env={**os.environ, "MALLOC_PERTURB_": "255"}, capture_output=True, text=True)
        if done.returncode == 0:
            return target
    raise AssertionError(done.stderr)
