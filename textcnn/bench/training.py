"""Training speed, as ratios to nn.Conv1d with autograd and to fastText, on the same texts in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest.mock import patch

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from ..data import TextDataModule
from ..model import Architecture, TextCNNConfig
from ..model.convolution import ParallelConv
from ..settings.benchmarks import TrainBenchSettings
from ..training.base import KIM_2014
from ..training.run import TRAINER, quiet_lightning, sizes
from ..training.tasks.classification import ClassificationModule
from . import peers
from .figures import Figures
from .timing import paired, per_call

DIMENSIONS, FILTERS, WIDTHS = 300, 100, (3, 4, 5)
# What is compared with fastText, with vectors that start from naive Bayes: chosen on folds of AG News' train texts.
FOR_NEWS = Architecture(embedding_dim=100, kernel_sizes=[1, 2, 3, 5], label_smoothing=0.1)
CASED_WORDS: dict[str, Any] = {"tokenizer": "word", "lowercase": False, "vocab_size": 60_000, "vectors": None}
# Run in a process of its own, whose peak is that of one step.
MEMORY = """\
import sys
from textcnn.bench.processes import peak_memory
from textcnn.bench.training import Step, synthetic
# What is compiled or loaded once is not the step's.
getattr(Step(synthetic(2, 8), 30_000), sys.argv[1])()
step = Step(synthetic(256, 512), 30_000)
before = peak_memory()
getattr(step, sys.argv[1])()
print(peak_memory() - before)"""


def run(settings: TrainBenchSettings) -> Figures:
    """Time the training operator against nn.Conv1d, amax and autograd, and a whole fit against it and fastText.

    The network is Kim's: widths 3, 4, 5 with 100 filters each, 300 dimensions; fastText meets widths 1, 2, 3, 5 and 100
    dimensions. Ratios are measured in turns on the same batches; the two figures beside one are medians.
    """
    # Random vectors, of the size that the bare operator has.
    data = TextDataModule(settings.data, label_column=settings.label_column, batch_size=256, vectors=None)
    figures = Figures()
    texts = token_ids(data)
    measure_steps(figures, texts, data.vocab_size)
    if torch.cuda.is_available():
        measure_gpu(figures, texts, data.vocab_size)
    if not settings.skip_fit:
        measure_fit(figures, data, texts)
        if settings.peers:
            measure_fasttext(figures, str(settings.data), settings.label_column, settings.max_epochs)
    return figures


class Step:
    """One forward and backward pass over a batch, with our operator or with nn.Conv1d.

    Args:
        texts: Token ids of each text.
        vocab_size: Rows of the embedding.
        device: Device to run on.
        dtype: Of weights and features.
    """

    def __init__(
        self, texts: list[np.ndarray], vocab_size: int, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        torch.manual_seed(0)
        config = TextCNNConfig(
            vocab_size=vocab_size, embedding_dim=DIMENSIONS, num_filters=FILTERS, kernel_sizes=WIDTHS
        )
        self.embedding = nn.Embedding(vocab_size, DIMENSIONS, padding_idx=0, device=device, dtype=dtype)
        self.convolution = ParallelConv(config, DIMENSIONS).to(device, dtype)
        for convolution in self.convolution.convs:
            # A window of pads then adds the 0 that the activation gives anyway, and theirs needs no mask.
            nn.init.zeros_(convolution.bias)
        rows = [torch.from_numpy(text) for text in texts]
        self.padded = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
        self.flat = torch.cat(rows).to(device)
        self.offsets = torch.tensor([0, *np.cumsum([len(row) for row in rows])], device=device)
        self.gradient = torch.randn(len(texts), FILTERS * len(WIDTHS), device=device, dtype=dtype)

    def ours(self) -> Tensor:
        """Run our operator on the distinct tokens of the batch, forward and backward."""
        distinct, index = self.flat.unique(return_inverse=True)
        vectors = nn.functional.embedding(distinct, self.embedding.weight, sparse=self.flat.device.type == "cpu")
        features, _ = self.convolution(vectors, index, self.offsets)
        features.backward(self.gradient)
        return self._done(features)

    def theirs(self) -> Tensor:
        """Run nn.Conv1d over the padded batch, amax and autograd, forward and backward."""
        return self._done(self.conv1d_backward(self.padded))

    def conv1d_backward(self, padded: Tensor) -> Tensor:
        vectors = self.embedding(padded).transpose(1, 2)
        pooled = []
        for convolution in self.convolution.convs:
            width = convolution.weight.shape[2]
            windows = nn.functional.conv1d(vectors, convolution.weight, convolution.bias, padding=width - 1)
            pooled.append(windows.relu().amax(dim=2))
        features = torch.cat(pooled, dim=1)
        features.backward(self.gradient)
        return features

    def _done(self, features: Tensor) -> Tensor:
        for parameter in (*self.embedding.parameters(), *self.convolution.parameters()):
            parameter.grad = None
        return features.detach()


def synthetic(count: int, length: int, vocab_size: int = 30_000, seed: int = 0) -> list[np.ndarray]:
    """Return texts of one length whose token frequencies follow Zipf's law."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, vocab_size)
    return list(rng.choice(np.arange(1, vocab_size), size=(count, length), p=chances / chances.sum()))


def measure_steps(figures: Figures, texts: list[np.ndarray], vocab_size: int) -> None:
    """Measure the operator alone: sorted and unsorted batches, memory, and cost by text length."""
    rng = np.random.default_rng(0)
    some = [texts[i] for i in rng.permutation(len(texts))[: 256 * 8]]
    by_length = sorted(some, key=len)
    for key, order, size in (
        ("step_sorted_256", by_length, 256),
        ("step_unsorted_256", some, 256),
        ("step_sorted_50", by_length[: len(by_length) // 50 * 50], 50),
    ):
        # Batches from all over the lengths.
        starts = range(0, len(order), size * max(1, len(order) // size // 8))
        steps = [Step(order[start : start + size], vocab_size) for start in starts]
        for step in steps[:1]:
            torch.testing.assert_close(step.ours(), step.theirs(), rtol=1e-4, atol=1e-4)
        figures.ratio(
            key, f"forward and backward, batches of {size}",
            lambda steps=steps: [step.ours() for step in steps], lambda steps=steps: [step.theirs() for step in steps],
            size * len(steps), rounds=3,
        )  # fmt: skip
    ours, theirs = (_memory(way) for way in ("ours", "theirs"))
    figures.add(
        "memory_512", "peak memory of a step, B=256, T=512, over nn.Conv1d's", ours / theirs, "x", ours, theirs, "MB"
    )
    short, long = Step(synthetic(20_000, 10), 30_000), Step(synthetic(100, 2_000), 30_000)
    of_long, of_short = paired(long.ours, short.ours, 5)
    figures.add(
        "cost_growth", "cost of a token at T=2,000 over T=10",
        of_long / of_short, "x", 1e9 * of_long / 200_000, 1e9 * of_short / 200_000, "ns/token",
    )  # fmt: skip


def measure_gpu(figures: Figures, texts: list[np.ndarray], vocab_size: int) -> None:
    """Measure the operator on a GPU: against cuDNN under torch.compile, and against the memory bandwidth."""
    some = sorted((texts * (4096 // len(texts) + 1))[:4096], key=len)
    step = Step(some, vocab_size, "cuda", torch.bfloat16)
    compiled = torch.compile(step.conv1d_backward)

    def synchronised(run: Callable[[], object]) -> Callable[[], None]:
        def call() -> None:
            run()
            torch.cuda.synchronize()

        return call

    for key, how, theirs in (
        ("gpu_step_4096", " under torch.compile", lambda: step._done(compiled(step.padded))),
        ("gpu_step_eager_4096", "", step.theirs),
    ):
        figures.ratio(
            key, f"B=4096, bf16, against cuDNN, amax and autograd{how}",
            synchronised(step.ours), synchronised(theirs), 4096,
        )  # fmt: skip
    rows = len(step.flat) * sum(WIDTHS) * FILTERS * 2
    seconds = per_call(synchronised(step.ours))
    figures.add("gpu_table_gb_per_second", "table rows that the forward pass reads", rows / 1e9 / seconds, "GB/s")


def measure_fit(figures: Figures, data: TextDataModule, texts: list[np.ndarray]) -> None:
    """Measure the texts per second of a whole epoch of a fit over those of the operator alone, on the same batches."""
    steps = [Step(texts[start : start + 256], data.vocab_size) for start in range(0, len(texts), 256)]
    bare = len(texts) / median(per_call(lambda: [step.ours() for step in steps], 0.0) for _ in range(3))
    epochs = EpochTimes()
    _fit(data, max_epochs=4, callbacks=[epochs])
    # The first epoch also compiles.
    whole = len(texts) / median(epochs.seconds[1:])
    figures.add("fit_vs_op", "texts/s of a fit over the bare operator's", whole / bare, "x", whole, bare, "texts/s")


def measure_fasttext(figures: Figures, path: str, label_column: str | None, epochs: int) -> None:
    """Measure the seconds from texts to trained model over those of fastText's best model, and both accuracies."""
    theirs, their_accuracy = peers.fasttext_best(path, label_column)
    warm = TextDataModule(path, label_column=label_column, batch_size=256, **CASED_WORDS)
    _fit(warm, FOR_NEWS, naive_bayes=0.5, max_epochs=1, limit_train_batches=4)
    # Nothing that was tokenised before may help.
    with tempfile.TemporaryDirectory() as folder, patch("datasets.config.HF_DATASETS_CACHE", folder):
        started = time.perf_counter()
        data = TextDataModule(path, label_column=label_column, batch_size=256, validation_fraction=0.02, **CASED_WORDS)
        trainer, module = _fit(data, FOR_NEWS, learning_rate=2e-3, naive_bayes=0.5, max_epochs=epochs)
        seconds = time.perf_counter() - started
        accuracy = trainer.test(module, datamodule=data, verbose=False)[0]["test_accuracy"]
    print(f"ours: {accuracy:.4f} after {seconds:.1f} s; fastText: {their_accuracy:.4f} after {theirs:.1f} s")
    figures.add(
        "fit_vs_fasttext", "seconds of training over those of fastText's best model",
        seconds / theirs, "x", seconds, theirs, "s",
    )  # fmt: skip
    figures["fit_vs_fasttext"] |= {"accuracy": accuracy, "their_accuracy": their_accuracy}


class EpochTimes(Callback):
    """Seconds of each epoch's training batches."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self._started = time.perf_counter()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def token_ids(data: TextDataModule) -> list[np.ndarray]:
    """Return the token ids of the train texts, in batches as training reads them."""
    rows = []
    for batch in data.train_dataloader():
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            rows.append(ids[mask.bool()].long().numpy())
    return [row for row in rows if len(row)]


def _fit(
    data: TextDataModule,
    architecture: Architecture = KIM_2014,
    learning_rate: float = 1e-3,
    naive_bayes: float = 0.0,
    **options: Any,
) -> tuple[lightning.Trainer, ClassificationModule]:
    lightning.seed_everything(0, workers=True, verbose=False)
    quiet_lightning()
    module = ClassificationModule(
        **sizes(data), architecture=architecture, learning_rate=learning_rate, naive_bayes=naive_bayes
    )
    options = {**TRAINER, "limit_val_batches": 0, **options}
    trainer = lightning.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False, **options)
    trainer.fit(module, datamodule=data)
    return trainer, module


def _memory(way: str) -> float:
    done = subprocess.run([sys.executable, "-c", MEMORY, way], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
