"""`train_supervised`: a bag of words, n-grams and subwords, trained as fastText trains and with its argument names.

Shapes: `N` texts, `R` rows, `D` vector size, `C` labels.
"""

from __future__ import annotations

import ctypes
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.library import BagTrainingSpec, address, check, library
from ..errors import closest
from ..folding.convert import fold_fasttext
from ..folding.fasttext import FastTextFile
from ..folding.fasttext_matrices import DenseMatrix
from ..runtime.fasttext_words import FastTextWords
from ..runtime.hierarchy import LabelTree, huffman_children
from ..runtime.tokenizer import Utf8Texts
from .model import FastText
from .tokens import split_byte_tokens

LOSSES = ("softmax", "ova", "hs", "ns")
_END = b"</s>"
# Of fastText's arguments, those that would change the model and are not there.
_REFUSED = ("autotuneValidationFile", "autotuneMetric", "autotuneDuration", "autotuneModelSize")


def train_supervised(
    input: str | Path,
    lr: float = 0.1,
    dim: int = 100,
    ws: int = 5,
    epoch: int = 5,
    minCount: int = 1,
    minCountLabel: int = 0,
    minn: int = 0,
    maxn: int = 0,
    neg: int = 5,
    wordNgrams: int = 1,
    loss: str = "softmax",
    bucket: int = 2_000_000,
    thread: int = 1,
    lrUpdateRate: int = 100,
    t: float = 1e-4,
    label: str = "__label__",
    verbose: int = 2,
    pretrainedVectors: str = "",
    seed: int = 0,
    **others: Any,
) -> FastText:
    """Train a classifier on a file of lines such as `__label__spam free entry, call now`.

    Texts are visited in an order drawn anew in each epoch, one after the other. The same seed gives the same model with
    any number of threads: they share the reading of words and n-grams, which is done once.

    Args:
        input: The file.
        lr: Learning rate, which falls to 0.
        dim: Size of the vectors.
        ws: Accepted and not used, as in fastText's classifiers.
        epoch: Number of epochs.
        minCount: Least number of occurrences of a word.
        minCountLabel: Least number of occurrences of a label.
        minn: Characters of the shortest subword.
        maxn: Characters of the longest subword; 0 for none.
        neg: Negative samples of the loss ns.
        wordNgrams: Words of the longest n-gram.
        loss: softmax, ova (a text may have several labels), hs or ns.
        bucket: Number of buckets that n-grams and subwords are hashed to.
        thread: Threads that read the texts.
        lrUpdateRate: Accepted and not used: the rate is computed for each text.
        t: Accepted and not used, as in fastText's classifiers.
        label: Prefix of labels.
        verbose: 2 prints the loss of each epoch on standard error.
        pretrainedVectors: Refused; use `textcnn train --vectors`.
        seed: Seed of the vectors and of the order of the texts.
        others: Refused, with the nearest name.

    Example:
        >>> model = train_supervised("train.txt", wordNgrams=2, epoch=10)
        >>> model.test("test.txt")
        (7600, 0.901, 0.901)

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An argument cannot be used, or the file has no labelled line.
    """
    args = {name: value for name, value in locals().items() if name not in ("others", "input")}
    _check(args, others)
    corpus = _read(Path(input), label, minCount, minCountLabel)
    if wordNgrams <= 1 and maxn == 0:
        args["bucket"] = bucket = 0
    rows = len(corpus.words) + bucket
    rng = np.random.default_rng(seed)
    vectors = rng.random((rows, dim), dtype=np.float32)
    vectors -= np.float32(0.5)
    vectors *= np.float32(2 / dim)
    output = np.zeros((len(corpus.labels), dim), dtype=np.float32)
    file = FastTextFile(
        None, {**args, "model": "supervised"}, corpus.words, corpus.word_counts, corpus.labels, corpus.label_counts,
        corpus.tokens, None, DenseMatrix(vectors), DenseMatrix(output),
    )  # fmt: skip
    _descend(corpus, args, vectors, output)
    return FastText(fold_fasttext(file, label, skipped_prefix=label), file)


@dataclass(frozen=True)
class _Corpus:
    """Lines of a file: their text, their labels [N] as ids, words and labels by frequency."""

    texts: Utf8Texts
    label_ids: NDArray[np.int32]
    label_offsets: NDArray[np.int64]
    words: list[bytes]
    word_counts: NDArray[np.int64]
    labels: list[bytes]
    label_counts: NDArray[np.int64]
    tokens: int


def _read(path: Path, label: str, least_word: int, least_label: int) -> _Corpus:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected lines such as `{label}spam free entry, call now`")
    prefix = label.encode()
    lines = path.read_bytes().split(b"\n")
    if not lines[-1]:
        lines.pop()
    counts: Counter[bytes] = Counter()
    label_tokens: list[list[bytes]] = []
    for line in lines:
        tokens = split_byte_tokens(line)
        counts.update(tokens)
        label_tokens.append([token for token in tokens if token.startswith(prefix)])
    counts[_END] += len(lines)
    common = counts.most_common()
    words = [(token, count) for token, count in common if not token.startswith(prefix) and count >= least_word]
    labels = [(token, count) for token, count in common if token.startswith(prefix) and count >= least_label]
    if not labels:
        raise ValueError(f"{path}: got no word that begins with {label!r}; expected lines such as `{label}spam a text`")
    ids = {token: index for index, (token, _) in enumerate(labels)}
    own = [[ids[token] for token in tokens if token in ids] for tokens in label_tokens]
    lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
    label_lengths = np.fromiter(map(len, own), dtype=np.int64, count=len(own))
    return _Corpus(
        Utf8Texts(b"".join(lines), lengths.cumsum()),
        np.array([index for line in own for index in line], dtype=np.int32),
        np.concatenate([[0], label_lengths.cumsum()]).astype(np.int64),
        [token for token, _ in words],
        np.array([count for _, count in words], dtype=np.int64),
        [token for token, _ in labels],
        np.array([count for _, count in labels], dtype=np.int64),
        counts.total(),
    )


def _descend(corpus: _Corpus, args: dict[str, Any], vectors: NDArray[np.float32], output: NDArray[np.float32]) -> None:
    """Train the two matrices in place."""
    settings = {
        "skipped_prefix": args["label"],
        "buckets": args["bucket"],
        "min_n": args["minn"],
        "max_n": args["maxn"],
    }
    lengths = np.fromiter(map(len, corpus.words), dtype=np.int64, count=len(corpus.words))
    tensors = {"word_bytes": np.frombuffer(b"".join(corpus.words), dtype=np.int8), "word_ends": lengths.cumsum()}
    words = FastTextWords(settings, tensors, corpus.labels)
    rows, offsets = words.rows(corpus.texts, args["wordNgrams"], args["thread"])
    begins, nodes, sides = _paths(corpus) if args["loss"] == "hs" else (None, None, None)
    negatives = _negatives(corpus.label_counts) if args["loss"] == "ns" else None
    loss = ctypes.c_double()
    for number in range(args["epoch"]):
        spec = BagTrainingSpec(
            texts=len(offsets) - 1,
            rows=len(vectors),
            columns=args["dim"],
            outputs=len(output),
            offsets=address(offsets),
            row_indices=address(rows),
            label_offsets=address(corpus.label_offsets),
            labels=address(corpus.label_ids),
            input=address(vectors),
            output=address(output),
            path_begins=address(begins),
            path_nodes=address(nodes),
            path_sides=address(sides),
            negatives=address(negatives),
            negative_count=0 if negatives is None else len(negatives),
            negative_samples=args["neg"],
            epoch=number,
            epochs=args["epoch"],
            learning_rate=args["lr"],
            seed=args["seed"] & (1 << 64) - 1,
            loss=LOSSES.index(args["loss"]),
        )
        check(library().textcnn_train_bag(ctypes.byref(spec), ctypes.byref(loss)))
        if not (np.isfinite(loss.value) and np.isfinite(output).all()):
            raise ValueError(f"lr: got {args['lr']}, with which the loss is not finite; expected a smaller one")
        if args["verbose"] >= 2:
            print(f"epoch {number + 1}/{args['epoch']}: loss {loss.value:.4f}", file=sys.stderr)


def _paths(corpus: _Corpus) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """The decisions above each label, one label after the other."""
    tree = LabelTree(huffman_children(corpus.label_counts.tolist()))
    paths = [tree.path(index) for index in range(tree.labels)]
    begins = np.concatenate([[0], np.cumsum([len(path) for path in paths])]).astype(np.int64)
    nodes = np.array([node for path in paths for node, _ in path], dtype=np.int32)
    return begins, nodes, np.array([side > 0 for path in paths for _, side in path], dtype=np.uint8)


def _negatives(counts: NDArray[np.int64], size: int = 1_000_000) -> NDArray[np.int32]:
    """Labels in proportion to the square root of their frequency."""
    shares = np.sqrt(counts) / np.sqrt(counts).sum()
    return np.repeat(np.arange(len(counts), dtype=np.int32), np.ceil(shares * size).astype(np.int64))


def _check(args: dict[str, Any], others: dict[str, Any]) -> None:
    for name in others:
        if name in _REFUSED:
            raise ValueError(
                f"{name}: got it; expected fixed settings, as textcnn has no autotune; choose on a held-out file"
            )
        near = closest(name, args)
        raise ValueError(
            f"got an unknown argument {name!r}; expected one of fastText's"
            + (f"; did you mean {near!r}?" if near else f": {', '.join(args)}")
        )
    least = {"dim": 1, "epoch": 1, "thread": 1, "wordNgrams": 1, "minn": 0, "maxn": 0, "neg": 0, "bucket": 0}
    for name, value in least.items():
        given = args[name]
        if isinstance(given, bool) or not isinstance(given, int) or given < value:
            raise ValueError(f"{name}: got {given!r}; expected a whole number of at least {value}")
    if args["loss"] not in LOSSES:
        near = closest(str(args["loss"]), LOSSES)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"loss: got {args['loss']!r}; expected one of {', '.join(LOSSES)}{hint}")
    if not args["lr"] > 0:
        raise ValueError(f"lr: got {args['lr']!r}; expected a number above 0")
    if args["wordNgrams"] > 64 or args["maxn"] > 1024:
        raise ValueError(
            "wordNgrams, maxn: got a longer n-gram than 64 words or 1024 characters; expected shorter ones"
        )
    if args["bucket"] == 0 and (args["wordNgrams"] > 1 or args["maxn"] > 0):
        raise ValueError("bucket: got 0; expected some for n-grams and subwords, such as 2000000")
    if args["pretrainedVectors"]:
        raise ValueError(
            "pretrainedVectors: got a file; expected none; use `textcnn train --vectors`, which reads word vectors"
        )
    if not args["label"]:
        raise ValueError("label: got ''; expected the prefix of labels, such as __label__")
