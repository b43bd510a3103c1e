"""Small models, their tokenizers and a reference answer for the runtime's tests."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
from numpy.typing import NDArray
from tokenizers import models, pre_tokenizers
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from textcnn.artifact import save_artifact
from textcnn.core import library
from textcnn.core.build import instruction_sets
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification

VOCAB_SIZE = 50
PAD = 0

# Every axis of the configuration that folding or the kernels see, each with one value changed.
CONFIGS: dict[str, dict[str, Any]] = {
    "default": {},
    "one-wide": {"kernel_sizes": [1]},
    "even-widths": {"kernel_sizes": [2, 4], "num_filters": [5, 9]},
    "all-unrolled-widths": {"kernel_sizes": [1, 2, 3, 4, 5, 6, 7, 8], "num_filters": 3},
    "wider-than-unrolled": {"kernel_sizes": [9, 13], "num_filters": [33, 20]},
    "many-filters": {"num_filters": [100, 33, 64]},
    # Every way in which filters are cut into vectors and blocks of vectors.
    "all-blocks": {"kernel_sizes": [1, 2, 3, 4, 5, 6, 7, 8], "num_filters": [5, 17, 56, 57, 97, 120, 231, 260]},
    "all-blocks-wide": {"kernel_sizes": [9, 10, 11], "num_filters": [4, 150, 260]},
    "one-filter": {"num_filters": 1},
    "stride": {"stride": 2},
    "stride-past-width": {"stride": 7},
    "dilation": {"dilation": 3},
    "dilation-stride-same": {"dilation": 2, "stride": 3, "padding": "same"},
    "dilation-valid": {"dilation": 4, "padding": "valid"},
    "same": {"padding": "same"},
    "same-even": {"padding": "same", "kernel_sizes": [2, 4]},
    "valid": {"padding": "valid"},
    "multichannel": {"variant": "multichannel"},
    "members": {"num_members": 3, "num_filters": [5, 1, 17]},
    "members-multichannel": {"num_members": 2, "variant": "multichannel"},
    "embedding-norm": {"embedding_norm": True},
    "pooled-norm": {"pooled_norm": True},
    "pooled-norm-valid": {"pooled_norm": True, "padding": "valid", "activation": "softplus"},
    "temperature": {"temperature": 2.5},
    "multi-label": {"problem_type": "multi_label_classification", "thresholds": {"b": 0.3}},
    # Three numbers of a text.
    "regression": {"problem_type": "regression"},
    "regression-bag": {"problem_type": "regression", "bag": "sqrtn", "bag_buckets": 200},
    "bag-sum": {"bag": "sum", "bag_ngrams": 3, "bag_buckets": 64},
    "bag-mean": {"bag": "mean", "bag_buckets": 1000, "temperature": 1.5},
    "bag-of-tokens-members": {"bag": "sum", "bag_ngrams": 1, "num_members": 2, "dilation": 2},
    "bag-vectors": {"bag": "mean", "bag_dim": 5, "bag_buckets": 31},
    "bag-two-factors": {"bag": "mean", "bag_dim": 2, "bag_ngrams": 5, "bag_buckets": 300},
    "bag-sqrtn": {"bag": "sqrtn", "bag_ngrams": 3, "bag_buckets": 200},
    "bag-alone": {"bag": "mean", "bag_ngrams": 3, "bag_buckets": 200, "kernel_sizes": []},
    "bag-alone-tokens": {"bag": "sum", "bag_ngrams": 1, "kernel_sizes": []},
    **{name: {"activation": name} for name in ("tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus")},
}
# Means of activations beside the maxima, which the same loops of the core add up.
MEANS: dict[str, dict[str, Any]] = {
    f"means-{name}": {"pooling": "max_mean", **changes}
    for name, changes in {
        "default": {},
        "all-blocks": {"kernel_sizes": [1, 2, 3, 4, 5, 6, 7, 8], "num_filters": [5, 17, 56, 57, 97, 120, 231, 260]},
        "wider-than-unrolled": {"kernel_sizes": [9, 13], "num_filters": [33, 20], "activation": "leaky_relu"},
        "few-filters": {"kernel_sizes": [1, 2, 3], "num_filters": [1, 7, 15], "activation": "identity"},
        "tanh-dilation-stride-same": {"activation": "tanh", "dilation": 2, "stride": 3, "padding": "same"},
        "softplus-valid": {"activation": "softplus", "padding": "valid", "dilation": 4},
        "members": {"num_members": 2, "num_filters": [5, 1, 17], "temperature": 2.5},
    }.items()
}
# Those with features of filters.
CONVOLUTIONS = [name for name, changes in CONFIGS.items() if changes.get("kernel_sizes", True)]


def _instructions() -> list[str]:
    """Sets of instructions that this machine can run."""
    able = []
    for name in instruction_sets():
        with contextlib.suppress(ValueError), library.instructions_of(name):
            able.append(name)
    return able


INSTRUCTIONS = _instructions()


def make_model(**changes: Any) -> TextCNNForSequenceClassification:
    """A small model with random weights everywhere, also where training would start from ones and zeros."""
    torch.manual_seed(0)
    settings = {
        "vocab_size": VOCAB_SIZE,
        "pad_token_id": PAD,
        "embedding_dim": 6,
        "num_filters": 4,
        "id2label": {0: "a", 1: "b", 2: "c"},
        **changes,
    }
    model = TextCNNForSequenceClassification(TextCNNConfig(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
        if model.bag is not None:
            if model.config.bag == "sum":
                # Thousands of rows are added up.
                model.bag.rows.weight *= 0.005
            # Buckets that no text of the training had.
            model.bag.rows.weight[-model.bag.buckets // 2 :] *= model.bag.buckets == 0
        for channel in model.textcnn.embeddings.channels if model.textcnn.embeddings else []:
            channel.weight[PAD] = 0
    return model


def without_digests(directory: Path) -> None:
    """Remove from an artifact what would tell that its files were changed: damage then reaches the checks behind it."""
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config.pop("digests", None)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    content = (directory / "folded.safetensors").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    for name in ("digest", "config"):
        header["__metadata__"].pop(name, None)
    plain = json.dumps(header).encode()
    plain += b" " * (-(8 + len(plain)) % 64)  # tensors stay at multiples of a cache line
    (directory / "folded.safetensors").write_bytes(len(plain).to_bytes(8, "little") + plain + content[end:])


def word_tokenizer(vocab_size: int = VOCAB_SIZE) -> tokenizers.Tokenizer:
    """Words "w2", "w3", ... to the ids 2, 3, ...; 0 is the padding and 1 the unknown word."""
    vocab = {"[PAD]": 0, "[UNK]": 1} | {f"w{i}": i for i in range(2, vocab_size)}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def id_lists(seed: int = 0) -> list[list[int]]:
    """Texts as ids: empty, every short length, holes, padding outside, and longer than the kernel's 2,048 rows."""
    rng = np.random.default_rng(seed)
    texts = [rng.integers(1, VOCAB_SIZE, length).tolist() for length in range(40)]
    texts += [[0], [0, 0, 0], [0, 5, 0], [0, 0, 5, 0, 0, 0, 7, 0], [3, *[0] * 30, 4]]
    texts += [rng.integers(0, 3, length).tolist() for length in (5, 20, 60)]
    texts += [rng.integers(0, VOCAB_SIZE, 2500).tolist(), rng.integers(1, VOCAB_SIZE, 4500).tolist()]
    return texts


def flat(texts: list[list[int]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ids of all texts and the offsets between them."""
    offsets = np.cumsum([0, *map(len, texts)])
    return np.array([i for text in texts for i in text], dtype=np.int32), offsets.astype(np.int64)


def dense_weight(convolution: torch.nn.Conv1d) -> torch.Tensor:
    """[F, M * D, W] weights over the vectors of all members: zeros where a filter reads none of another's."""
    weight = convolution.weight
    dense = weight.new_zeros(len(weight), convolution.in_channels, weight.shape[2])
    filters, components = len(weight) // convolution.groups, weight.shape[1]
    for member in range(convolution.groups):
        own = slice(member * filters, (member + 1) * filters)
        dense[own, member * components : (member + 1) * components] = weight[own]
    return dense


def reference_logits(model: TextCNNForSequenceClassification, ids: list[int]) -> NDArray[np.float64]:
    """Logits of one text by torch's own convolution in float64, window by window.

    Every text gets its margins as explicit zero vectors, and a window counts when it holds a real token.
    """
    config = model.config
    network = model.textcnn.double()
    bag = reference_bag(model, ids)
    real = [position for position, token in enumerate(ids) if token != PAD]
    ids = ids[real[0] : real[-1] + 1] if real else []
    is_token = torch.tensor([token != PAD for token in ids], dtype=torch.float64)
    pooled, means = [], []
    windows_found = False
    with torch.inference_mode():
        vectors = torch.zeros(len(ids), 1, dtype=torch.float64)
        if network.embeddings is not None:
            vectors = network.embeddings(torch.tensor(ids, dtype=torch.long)) * is_token[:, None]
        for convolution, width in zip(network.convolution.convs, config.kernel_sizes, strict=True):
            span = (width - 1) * config.dilation
            left, right = {"wide": (span, span), "same": (span // 2, span - span // 2), "valid": (0, 0)}[config.padding]
            scores = torch.zeros(len(convolution.bias), 0, dtype=torch.float64)
            if real and len(ids) + left + right > span:
                steps = {"stride": config.stride, "dilation": config.dilation}
                signal = functional.pad(vectors.T[None], (left, right))
                scores = functional.conv1d(signal, dense_weight(convolution), convolution.bias, **steps)[0]
                tokens = functional.pad(is_token[None, None], (left, right))
                counts = functional.conv1d(tokens, torch.ones(1, 1, width, dtype=torch.float64), **steps)[0, 0]
                scores = scores[:, counts > 0]
            if scores.shape[1]:
                windows_found = True
                pooled.append(network.convolution.activation(scores.amax(dim=1)))
                means.append(network.convolution.activation(scores).mean(dim=1))
            else:
                pooled.append(torch.zeros(len(scores), dtype=torch.float64))
                means.append(pooled[-1])
        features = torch.cat([torch.zeros(0, dtype=torch.float64), *pooled, *means * (config.pooling == "max_mean")])
        if network.pooled_norm is not None and windows_found:
            features = network.pooled_norm(features)
        weight = model.head.weight.double() / config.num_members
        logits = functional.linear(features, weight, model.head.bias.double()) + bag
        return (logits / config.temperature).numpy()


def hash_of_id(number: int) -> int:
    """The hash of a token id, as docs/explanation/fold.md has it."""
    value = (number + 0x9E3779B9) % 2**32
    value = (value ^ value >> 16) * 0x85EBCA6B % 2**32
    value = (value ^ value >> 13) * 0xC2B2AE35 % 2**32
    value ^= value >> 16
    return value - 2**32 if value >= 2**31 else value


def reference_features(config: TextCNNConfig, ids: list[int]) -> list[tuple[int, int, int]]:
    """Row, first token and length of every feature of a bag, with Python's unlimited integers."""
    features = []
    for first, token in enumerate(ids):
        value = 0
        for last in range(first, min(first + config.bag_ngrams, len(ids))):
            if ids[last] == PAD:
                break
            value = (value * 116049371 + hash_of_id(ids[last])) % 2**64
            row = token if last == first else config.vocab_size + value % config.bag_buckets
            features.append((row, first, last - first + 1))
    return features


def reference_shares(model: TextCNNForSequenceClassification, ids: list[int]) -> dict[tuple[int, int], torch.Tensor]:
    """Return the logits [C] that each feature of a bag adds, in float64, by its first and last token."""
    if model.bag is None:
        return {}
    features = reference_features(model.config, ids)
    divisor = {"sum": 1, "mean": len(features), "sqrtn": len(features) ** 0.5}[model.config.bag]
    values = model.bag.rows.weight.detach().double() / divisor
    if model.bag.output is not None:
        values = values @ model.bag.output.weight.detach().double().T
    return {(first, first + length - 1): values[row] for row, first, length in features}


def reference_bag(model: TextCNNForSequenceClassification, ids: list[int]) -> torch.Tensor:
    """Logits [C] of a bag in float64, before the temperature; 0 for a model without one."""
    nothing = torch.zeros(model.config.num_labels, dtype=torch.float64)
    return sum(reference_shares(model, ids).values(), nothing)


def write_artifact(directory: Path, **changes: Any) -> Path:
    """The artifact of a small model, with the tokenizer of words."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    return save_artifact(make_model(**changes), tokenizer, directory)
