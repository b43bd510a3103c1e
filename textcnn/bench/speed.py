"""Inference speed, as ratios to other classifiers on the same texts in the same run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..artifact import read_artifact
from ..data.prediction import read_texts
from ..folding.fold import fold
from ..runtime.folded import FoldedTextCNN
from ..settings.benchmarks import SpeedBenchSettings
from . import peers
from .figures import Figures
from .heads import measure_heads
from .processes import cold_start, first_label, resident_memory
from .timing import paired, per_call
from .tokenizers import measure_tokenizers

# Texts for what is slow: the ratio is of the same texts on either side.
FEW, VERY_FEW = 1024, 128


def run(settings: SpeedBenchSettings) -> Figures:
    """Time a trained model against other classifiers, on one core unless noted, and return the ratios.

    Every ratio is measured in turns on the same texts; the two figures beside it are medians.
    """
    directory, wanted = str(settings.model), list(settings.peers)
    texts = read_texts(str(settings.texts), settings.text_column)
    figures = measure(directory, texts, wanted, settings.transformer, settings.threads)
    if settings.unicode:
        foreign = [text for path in settings.unicode for text in read_texts(path, settings.text_column)]
        measure_unicode(figures, foreign, "fasttext" in wanted)
    if settings.resident:
        with tempfile.TemporaryDirectory() as folder:
            _int8(directory, texts).save(folder)
            small, large = resident_memory(folder, texts)
            figures.add("resident_mb", "largest resident memory while scoring 1 GB", large, "MB")
            figures.add("resident_growth_mb", "its growth from a file of 100 MB", large - small, "MB")
    return figures


def measure(
    directory: str, texts: list[str], wanted: list[str], transformer: str | None = None, threads: int = 2
) -> Figures:
    """Measure all figures that need one process, on one core except for those of `threads`.

    Args:
        directory: The artifact.
        texts: Texts to label.
        wanted: Peers to compare with.
        transformer: Checkpoint of the peer transformers.
        threads: Threads to compare with one.
    """
    import torch
    from threadpoolctl import threadpool_limits

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    figures = Figures()
    model, tokenizer = read_artifact(directory)
    exact, rounded = fold(model, tokenizer), fold(model, tokenizer, int8=True)
    ids, offsets = exact.encode(texts)
    tokens, size = len(ids), sum(len(text.encode()) for text in texts)
    print(f"{len(texts):,} texts, {tokens / len(texts):.1f} tokens each, {size / 1e6:.1f} MB")

    with threadpool_limits(1):
        few_ids, few_offsets = ids[: offsets[FEW]] if len(texts) > FEW else ids, offsets[: FEW + 1]
        reference = conv1d_reference(model, few_ids, few_offsets)
        count = len(few_offsets) - 1
        _check(reference(), exact.features_of_ids(few_ids, few_offsets))
        for name, folded in (("float32", exact), ("int8", rounded)):
            figures.ratio(
                f"pooled_{name}_vs_conv1d", f"ids to pooled features, {name}, against nn.Conv1d and amax",
                lambda folded=folded: folded.features_of_ids(few_ids, few_offsets), reference, count, rounds=3,
            )  # fmt: skip
        encoder = exact.tokenizer.reference
        figures.ratio(
            "tokenizer_vs_tokenizers", "texts to ids, against tokenizers.encode_batch_fast, one thread",
            lambda: exact.encode(texts), lambda: encoder.encode_batch_fast(texts), len(texts),
        )  # fmt: skip
        measure_tokenizers(figures, texts, wanted)
        _peers(figures, rounded, texts, wanted, transformer, str(exact.tokenizer_json))
        measure_heads(figures, exact, texts)
        measure_heads(figures, rounded, texts)

    one, many = (fold(model, tokenizer, int8=True, threads=n) for n in (1, threads))
    copies = texts * max(1, 60_000 // len(texts))
    figures.ratio(
        f"threads_{threads}_vs_1", f"text to label, int8, {threads} threads against one",
        lambda: many.predict(copies), lambda: one.predict(copies), len(copies),
    )  # fmt: skip
    short = [min(texts, key=lambda text: abs(len(text) - 60))]
    rounded.predict(short)
    calls = [per_call(lambda: rounded.predict(short), 0.0) for _ in range(2000)]
    figures.add("single_text_microseconds", "predict([text]) of a short text, median", 1e6 * median(calls), "us")
    growth = _cost_growth(rounded, ids)
    figures.add("cost_growth", "cost of a token in texts of 100,000 tokens over texts of 50", *growth)
    seconds = per_call(lambda: rounded.predict(texts), 1.0)
    figures.add("text_mb_per_second", "text to label, int8, one core", size / 1e6 / seconds, "MB/s")
    seconds = per_call(lambda: rounded.features_of_ids(ids, offsets), 1.0)
    read = tokens * rounded.tables.table.strides[0]
    figures.add("table_gb_per_second", "table rows read by the int8 kernel, one core", read / 1e9 / seconds, "GB/s")
    figures.add(
        "memory_gb_per_second", "this machine's copy of 256 MB, read and written, one core", _bandwidth(), "GB/s"
    )
    with tempfile.TemporaryDirectory() as folder:
        rounded.save(folder)
        ours, theirs = cold_start(folder, short[0])
        figures.add(
            "cold_start_vs_import_torch", "process start to first label over `import torch`",
            ours / theirs, "x", ours, theirs, "s",
        )  # fmt: skip
        if "fasttext" in wanted:
            path = str(Path(folder) / "fasttext.bin")
            peers.write_fasttext(texts, rounded.predict(texts).tolist(), path)
            ours, theirs = first_label(folder, short[0], path)
            figures.add(
                "first_label_fresh", "process start to first label, nothing cached, over fastText's",
                ours / theirs, "x", ours, theirs, "s",
            )  # fmt: skip
    return figures


def measure_unicode(figures: Figures, texts: list[str], fasttext: bool) -> None:
    """Measure texts in many scripts: a network of the usual size with random weights, its tokenizer trained on them."""
    import torch

    from ..model import TextCNNConfig, TextCNNForSequenceClassification
    from ..tokenization import train_tokenizer, vocabulary_size

    torch.manual_seed(0)
    tokenizer = train_tokenizer(texts, "wordpiece", vocab_size=30_000)
    config = TextCNNConfig(
        vocab_size=vocabulary_size(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        id2label={i: str(i) for i in range(4)},
    )
    folded = fold(TextCNNForSequenceClassification(config), tokenizer, int8=True)
    size = sum(len(text.encode()) for text in texts)
    foreign = sum(not text.isascii() for text in texts) / len(texts)
    print(f"{len(texts):,} texts, {foreign:.0%} of them not ASCII, {size / 1e6:.1f} MB")
    if fasttext:
        peer = peers.fasttext_peer(texts, folded.predict(texts).tolist())
        figures.ratio(
            "label_vs_fasttext_unicode", "the same with texts in many scripts",
            lambda: folded.predict(texts), lambda: peer(texts), len(texts),
        )  # fmt: skip


def conv1d_reference(model: Any, ids: np.ndarray, offsets: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a function from token ids to pooled features.

    It uses nn.Conv1d and amax, in padded batches of 256 sorted by length.
    """
    import torch
    from torch.nn import functional

    network = model.textcnn
    activation = functional.relu if model.config.activation == "relu" else getattr(torch, model.config.activation)
    order = np.argsort(np.diff(offsets), kind="stable")
    batches = []
    for start in range(0, len(order), 256):
        rows = [
            torch.from_numpy(ids[offsets[row] : offsets[row + 1]].astype(np.int64))
            for row in order[start : start + 256]
        ]
        batches.append(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=model.config.pad_token_id))

    def run() -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for batch in batches:
                vectors = network.embeddings(batch).transpose(1, 2)
                pooled = []
                for convolution in network.convolution.convs:
                    width = convolution.weight.shape[2]
                    windows = functional.conv1d(
                        vectors, convolution.weight, convolution.bias, padding=width - 1, groups=convolution.groups
                    )
                    # Pads are zero vectors: a window that holds nothing else is left out, as in the model.
                    real = (batch != model.config.pad_token_id).float()[:, None]
                    seen = functional.max_pool1d(functional.pad(real, (width - 1, width - 1)), width, 1) > 0
                    pooled.append(activation(windows.masked_fill(~seen, -torch.inf).amax(dim=2)))
                parts.append(torch.cat(pooled, dim=1))
        features = torch.empty(len(order), parts[0].shape[1])
        features[torch.from_numpy(order)] = torch.cat(parts)
        return features.numpy()

    return run


def _peers(
    figures: Figures, ours: FoldedTextCNN, texts: list[str], wanted: list[str], transformer: str | None, tokenizer: str
) -> None:
    labels = ours.predict(texts).tolist()
    if len(set(labels)) == 1:  # a peer cannot learn one class
        labels[0] = next(label for label in ours.labels if label != labels[0])
    makers: dict[str, tuple[str, Callable[[], peers.Peer], list[str]]] = {
        "fasttext": ("label_vs_fasttext", lambda: peers.fasttext_peer(texts, labels), texts),
        "tfidf": ("label_vs_tfidf", lambda: peers.tfidf_peer(texts, labels), texts),
        "model2vec": ("label_vs_model2vec", lambda: peers.model2vec_peer(tokenizer, ours.labels), texts),
        "transformers": (
            "label_vs_transformer",
            lambda: peers.transformer_peer(str(transformer), len(ours.labels)),
            texts[:: max(1, len(texts) // VERY_FEW)],
        ),
    }
    for name in [name for name in wanted if name in makers]:
        key, make, some = makers[name]
        peer = make()
        figures.ratio(
            key, f"text to label, int8, against {name}",
            lambda some=some: ours.predict(some), lambda some=some, peer=peer: peer(some), len(some),
            rounds=3 if name == "transformers" else 5,
        )  # fmt: skip


def _cost_growth(folded: FoldedTextCNN, ids: np.ndarray) -> tuple[float, str, float, float, str]:
    stream = np.resize(ids, 1_000_000).astype(np.int32)
    short, long = (np.arange(0, len(stream) + 1, length, dtype=np.int64) for length in (50, 100_000))
    of_long, of_short = paired(
        lambda: folded.features_of_ids(stream, long), lambda: folded.features_of_ids(stream, short)
    )
    return of_long / of_short, "x", 1e9 * of_long / len(stream), 1e9 * of_short / len(stream), "ns/token"


def _bandwidth() -> float:
    # Both arrays written once: a new page of memory costs more than copying it.
    source, target = np.ones(1 << 25), np.zeros(1 << 25)
    np.copyto(target, source)
    return 2 * source.nbytes / 1e9 / per_call(lambda: np.copyto(target, source), 1.0)


def _int8(directory: str, texts: list[str]) -> FoldedTextCNN:
    model, tokenizer = read_artifact(directory)
    return fold(model, tokenizer, int8=True, texts=texts)


def _check(reference: np.ndarray, ours: np.ndarray) -> None:
    difference = float(np.abs(reference - ours).max())
    if difference > 1e-4:
        raise RuntimeError(f"the folded features differ from nn.Conv1d's by {difference}; expected rounding only")
