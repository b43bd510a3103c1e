"""Token vectors that start with what naive Bayes makes of the train texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file
from sklearn.naive_bayes import MultinomialNB

from textcnn.data import TextDataModule
from textcnn.estimators.classifier import TextCNNClassifier
from textcnn.model import Architecture
from textcnn.tokenization import load_tokenizer
from textcnn.training.evidence import log_count_ratios
from textcnn.training.run import sizes
from textcnn.training.tasks.classification import ClassificationModule


def test_ratios_are_those_of_naive_bayes() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (50, 3))
    counts[0] += 300 - counts.sum(axis=0)  # classes of equal size, where both smooth alike
    logs = MultinomialNB(alpha=1.0).fit(counts.T, [0, 1, 2]).feature_log_prob_.T
    np.testing.assert_allclose(log_count_ratios(counts), logs - logs.mean(axis=1, keepdims=True), atol=1e-6)


def test_what_was_never_seen_speaks_for_no_class() -> None:
    ratios = log_count_ratios(np.array([[90, 10, 0], [0, 0, 0], [9, 1, 0]]))
    assert ratios.dtype == np.float32
    np.testing.assert_allclose(ratios[1], 0, atol=1e-7)
    assert np.isfinite(ratios).all()


class Start(Callback):
    """Keeps the token vectors that training starts from."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.vectors = vectors_of(pl_module)


def vectors_of(module: Any) -> torch.Tensor:
    return module.model.textcnn.embeddings.channels[0].weight.detach().clone()


def module_of(data: TextDataModule, naive_bayes: float, members: int = 1) -> ClassificationModule:
    torch.manual_seed(0)
    architecture = Architecture(num_filters=4, embedding_dim=8, num_members=members)
    return ClassificationModule(**sizes(data), architecture=architecture, naive_bayes=naive_bayes)


@pytest.mark.parametrize("members", [1, 2])
def test_vectors_start_with_the_evidence(reviews: Path, tmp_path: Path, members: int) -> None:
    data = TextDataModule(str(reviews), vectors=None)
    start = Start()
    trainer = lightning.Trainer(
        default_root_dir=tmp_path, max_epochs=1, log_every_n_steps=1, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[start],
    )  # fmt: skip
    trainer.fit(module_of(data, 0.5, members), datamodule=data)
    wanted = 0.5 * log_count_ratios(data.token_counts())[1:]
    got, random = start.vectors, vectors_of(module_of(data, 0.0, members))
    assert not got[0].any(), "the pad token stays zero"
    for own, own_random in zip(got.chunk(members, dim=1), random.chunk(members, dim=1), strict=True):
        np.testing.assert_allclose(own[1:, :2], wanted, rtol=1e-6)
        assert torch.equal(own[:, 2:], own_random[:, 2:])
    lovely, dull = (data.tokenizer.convert_tokens_to_ids(word) for word in ("lovely", "dull"))
    positive = data.labels.index("positive")
    assert got[lovely, positive] > 0 > got[dull, positive]


def test_a_stream_is_refused_and_the_estimator_takes_it(reviews: Path, tmp_path: Path) -> None:
    data = TextDataModule(str(reviews), streaming=True, validation_fraction=0)
    with pytest.raises(ValueError, match=r"\Anaive_bayes: the data is a stream"):
        data.token_counts()
    texts, labels = ["a lovely film", "a dull film"] * 20, ["good", "bad"] * 20
    untrained: dict[str, Any] = {"max_epochs": 1, "learning_rate": 1e-12, "embedding_dim": 8, "num_filters": 4}
    frequent = TextCNNClassifier(**untrained, naive_bayes=2.0, tokenizer="word", min_frequency=30).fit(texts, labels)
    frequent.save(tmp_path)
    assert set(load_tokenizer(tmp_path).get_vocab()) == {"[PAD]", "[UNK]", "a", "film"}
    known = TextCNNClassifier(**untrained, naive_bayes=2.0, tokenizer="word").fit(texts, labels)
    known.save(tmp_path)
    vectors = load_file(tmp_path / "model.safetensors")["textcnn.embeddings.channels.0.weight"]
    lovely, dull = load_tokenizer(tmp_path).convert_tokens_to_ids(["lovely", "dull"])
    assert vectors[lovely, 1] > 1 > -1 > vectors[dull, 1]


def test_too_many_labels_are_refused(reviews: Path) -> None:
    data = TextDataModule(str(reviews), vectors=None)
    with pytest.raises(ValueError, match="got 2 labels and embedding_dim 1"):
        ClassificationModule(**sizes(data), architecture=Architecture(embedding_dim=1), naive_bayes=0.5)
    with pytest.raises(ValueError, match="with initial vectors"):
        ClassificationModule(**{**sizes(data), "vectors_dim": 8}, naive_bayes=0.5)
