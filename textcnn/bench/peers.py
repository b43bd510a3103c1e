"""Other text classifiers for CPUs: fastText, TF-IDF, model2vec, a transformer; each as a function of a list of texts.

Their speed does not depend on whether their labels are right, so they learn what our model answers, or nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison.peers.base import silence
from ..comparison.peers.fasttext import words

Peer = Callable[[list[str]], Any]


def fasttext_peer(texts: Sequence[str], labels: Sequence[str]) -> Peer:
    """Return fastText, 100 dimensions, word bigrams (Joulin 2016, https://arxiv.org/abs/1607.01759), in one call."""
    model = _fasttext(texts, labels)
    # The Python wrapper around this call fails with numpy 2; this is what it calls, and faster than a call a text.
    return lambda batch: model.f.multilinePredict([_line(text) + "\n" for text in batch], 1, 0.0, "strict")


def write_fasttext(texts: Sequence[str], labels: Sequence[str], path: str) -> None:
    """Write the model of `fasttext_peer` to a file."""
    _fasttext(texts, labels).save_model(path)


def _fasttext(texts: Sequence[str], labels: Sequence[str]) -> Any:
    fasttext = import_peer("fasttext")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = (f"__label__{label.replace(' ', '_')} {_line(t)}" for t, label in zip(texts, labels, strict=True))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with silence():
            return fasttext.train_supervised(str(path), dim=100, wordNgrams=2, epoch=1, thread=1, verbose=0)


# Settings of fastText from which its best is taken, by accuracy on held-out train texts.
FASTTEXT_GRID: tuple[dict[str, Any], ...] = tuple(
    {"lr": lr, "epoch": epoch, "wordNgrams": words, "dim": dim}
    for lr, epoch in ((0.1, 5), (0.1, 25), (0.25, 15), (0.5, 5))
    for words in (1, 2)
    for dim in (10, 100)
)


def fasttext_best(path: str, label_column: str | None, threads: int = 2) -> tuple[float, float]:
    """Return the training seconds and test accuracy of the best of FASTTEXT_GRID.

    The best is chosen on a tenth of the train texts.
    """
    from ..data import TextDataModule

    fasttext = import_peer("fasttext")
    data = TextDataModule(path, label_column=label_column)
    with tempfile.TemporaryDirectory() as folder, silence():

        def write(*roles: str) -> str:
            lines = []
            for texts, targets in map(data.texts_and_targets, roles):
                lines += [f"__label__{target} {words(text)}" for text, target in zip(texts, targets, strict=True)]
            # It reads the lines in their order, which in many files is that of the labels.
            np.random.default_rng(0).shuffle(lines)
            file = Path(folder) / "-".join(roles)
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            return str(file)

        part, held_out, whole, test = write("train"), write("validation"), write("train", "validation"), write("test")

        def score(settings: dict[str, Any]) -> float:
            try:
                model = fasttext.train_supervised(part, thread=threads, verbose=0, **settings)
            except RuntimeError:  # it diverged
                return 0.0
            return float(model.test(held_out)[1])

        best = max(FASTTEXT_GRID, key=score)
        started = time.perf_counter()
        model = fasttext.train_supervised(whole, thread=threads, verbose=0, **best)
        return time.perf_counter() - started, model.test(test)[1]


def tfidf_peer(texts: Sequence[str], labels: Sequence[str]) -> Peer:
    """Return TF-IDF of words and word bigrams with logistic regression, from scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=20, tol=0.1))
    pipeline.fit(list(texts), list(labels))
    return lambda batch: pipeline.predict(batch)


def model2vec_peer(tokenizer_json: str, classes: Sequence[str]) -> Peer:
    """Return model2vec's classifier: the mean of static vectors of 256 dimensions and a hidden layer of 512."""
    from tokenizers import Tokenizer

    model2vec = import_peer("model2vec")
    mlp = import_peer("model2vec.inference.mlp")
    tokenizer = Tokenizer.from_str(tokenizer_json)
    rng = np.random.default_rng(0)

    def layer(rows: int, columns: int) -> Any:
        return mlp.Layer(rng.normal(size=(columns, rows)).astype(np.float32), np.zeros(columns, np.float32))

    vectors = rng.normal(size=(tokenizer.get_vocab_size(), 256)).astype(np.float32)
    head = mlp.MLPHead([layer(256, 512), layer(512, len(classes))], mlp.Activation.SOFTMAX, np.array(classes))
    pipeline = import_peer("model2vec.inference").StaticModelPipeline(model2vec.StaticModel(vectors, tokenizer), head)
    return lambda batch: pipeline.predict(batch, use_multiprocessing=False)


def transformer_peer(checkpoint: str, num_labels: int) -> Peer:
    """Return a transformer with a classification head, in length-sorted batches of 64, cut at 256 tokens."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, num_labels=num_labels, ignore_mismatched_sizes=True
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def predict(batch: list[str]) -> list[int]:
        labels: list[int] = []
        texts = sorted(batch, key=len)
        with torch.inference_mode():
            for start in range(0, len(texts), 64):
                inputs = tokenizer(
                    texts[start : start + 64], padding=True, truncation=True, max_length=256, return_tensors="pt"
                )
                labels += model(**inputs).logits.argmax(-1).tolist()
        return labels

    return predict


def _line(text: str) -> str:
    return " ".join(text.split("\n"))


def import_peer(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ValueError(
            f"--peers: {package} is not installed; expected the extra; pip install 'textcnn[bench]'"
        ) from None
