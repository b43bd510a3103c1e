"""The n-grams behind each class and each filter of a model, over many texts.

Shapes: `N` texts, `F` filters of all widths, `C` classes, `G` distinct n-grams, `P` pairs of an n-gram and a filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..progress import batches_with_progress
from ..runtime.folded import FoldedTextCNN

# Odd multipliers of a polynomial hash of token ids.
_FACTOR, _SEED = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True)
class Entry:
    """An n-gram: its text, in how many texts it won a filter, and what it adds to a logit, or a filter, where it does.

    Of single-label models, `weight` is what it adds to a class beyond the mean of all classes, which is what decides.
    """

    text: str
    texts: int
    weight: float


@dataclass(frozen=True)
class Filter:
    """A filter: its number among the features, width, share of texts in which it fires, mean value there, the class
    that it speaks for most with its weight for it, and its n-grams, the most frequent first."""

    number: int
    width: int
    fires: float
    mean: float
    label: str
    weight: float
    ngrams: tuple[Entry, ...]


@dataclass(frozen=True)
class Lexicon:
    """texts: how many were read. classes: label to the n-grams that win often and weigh much. filters: all of them."""

    texts: int
    classes: dict[str, tuple[Entry, ...]]
    filters: tuple[Filter, ...]

    @property
    def dead(self) -> tuple[int, ...]:
        """The filters that fire in no text."""
        return tuple(one.number for one in self.filters if one.fires == 0)


def lexicon(model: FoldedTextCNN, texts: Sequence[str], top: int = 10) -> Lexicon:
    """Read texts and find the n-grams that count for each class and activate each filter.

    Args:
        model: A folded model.
        texts: Texts such as it was trained on.
        top: N-grams of each class and filter.

    Raises:
        ValueError: there is no text, `top` is less than 0, or the model has no convolutions or normalises its pooled
            features.
    """
    if top < 0:
        raise ValueError(f"top: got {top}; expected a whole number of at least 0")
    if not texts:
        raise ValueError("lexicon: got no text; expected some")
    features = model.tables.layout.features
    if not features:
        raise ValueError(
            "inspect: got a model without convolutions; expected some, whose filters it lists; explain single texts"
        )
    fired, total = np.zeros(features, np.int64), np.zeros(features)
    pieces = []
    begin = 0
    batches = batches_with_progress(texts, description="reading")
    for won in chain.from_iterable(model.winners(some) for some in batches):
        fires = won.sums > 0
        fired += fires.sum(axis=0)
        total += np.where(fires, won.features, 0).sum(axis=0, dtype=np.float64)
        n, f = np.nonzero(fires)
        first, last = won.first[n, f], won.last[n, f]
        hashes = _hash_windows(won.ids, won.begins[n] + first, last - first + 1)
        skipped = won.skipped[n]
        pieces.append((hashes, n + begin, f, won.features[n, f], skipped + first, skipped + last))
        begin += len(won)
    hashes, n, f, values, first, last = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    _, example, ngram = np.unique(hashes, return_index=True, return_inverse=True)
    count = len(example)
    # Texts in which an n-gram won any filter.
    seen = np.unique(ngram * len(texts) + n) // len(texts)
    in_texts = np.bincount(seen, minlength=count)
    pairs, of_pair = np.unique(ngram * features + f, return_inverse=True)
    pair_texts, pair_sum = np.bincount(of_pair), np.bincount(of_pair, weights=values)
    pair_ngram, pair_filter = pairs // features, pairs % features

    names: dict[int, str] = {}

    def name(g: int) -> str:
        if g not in names:
            at = example[g]
            names[g] = _text_of(model, texts[n[at]], int(first[at]), int(last[at]))
        return names[g]

    weight = head_weight(model)
    served = weight.argmax(axis=0)
    classes = {}
    for c, label in enumerate(model.labels):
        added = np.bincount(pair_ngram, weights=pair_sum * weight[c, pair_filter], minlength=count)
        chosen = np.argsort(-added, kind="stable")[:top]
        classes[label] = tuple(
            Entry(name(int(g)), int(in_texts[g]), float(added[g] / in_texts[g])) for g in chosen if added[g] > 0
        )
    by_filter = np.lexsort((-pair_sum, pair_filter))
    begins = np.searchsorted(pair_filter[by_filter], np.arange(features + 1))
    widths = model.tables.layout.width_of_features()
    filters = []
    for number in range(features):
        own = by_filter[begins[number] : begins[number + 1]][:top]
        filters.append(
            Filter(
                number=number,
                width=int(widths[number]),
                fires=float(fired[number] / len(texts)),
                mean=float(total[number] / max(1, fired[number])),
                label=model.labels[int(served[number])],
                weight=float(weight[served[number], number]),
                ngrams=tuple(
                    Entry(name(int(pair_ngram[p])), int(pair_texts[p]), float(pair_sum[p] / pair_texts[p])) for p in own
                ),
            )
        )
    return Lexicon(len(texts), classes, tuple(filters))


def head_weight(model: FoldedTextCNN) -> NDArray[np.float64]:
    """Return the contribution of each filter to each class [C, F]; for exclusive classes, beyond the mean of all."""
    weight = model.tables.head_weight.astype(np.float64)
    return weight if model.multi_label else weight - weight.mean(axis=0)


def scale_filters(model: FoldedTextCNN, factors: Mapping[int, float]) -> FoldedTextCNN:
    """Return the model with the contribution of some filters multiplied; 0 drops a filter.

    Raises:
        ValueError: there is no filter of that number.
    """
    check_filters(model, factors)
    weight = model.tensors["head_weight"].copy()
    for number, factor in factors.items():
        weight[:, number] *= np.float32(factor)
    return model.replace(head_weight=weight)


def save_scaled(directory: str | Path, factors: Mapping[int, float], output: str | Path) -> Path:
    """Write a copy of an artifact with the contribution of some filters multiplied; 0 drops a filter.

    Every interface to the copy gives the new answers. Weights, tables (in float32 or int8, as they are) and calibration
    are those of the artifact, except for the weights of the head.

    Raises:
        ValueError: there is no filter of that number, or the output is the artifact itself.
    """
    import torch

    from ..artifact import read_artifact, save_artifact
    from ..loading import load_folded
    from ..runtime.storage import digest_of_weights

    if Path(output).resolve() == Path(directory).resolve():
        raise ValueError(f"output: got {output}, the artifact itself; expected another directory")
    folded = load_folded(directory, "inspect")
    edited = scale_filters(folded, factors)
    model, tokenizer = read_artifact(directory)
    with torch.no_grad():
        for number, factor in factors.items():
            model.head.weight[:, number] *= factor
    path = save_artifact(model, tokenizer, output)
    # The tables belong to the weights beside them.
    edited.metadata = {**edited.metadata, "weights": digest_of_weights(path / "model.safetensors")}
    edited.save(path)
    return path


def check_filters(model: FoldedTextCNN, numbers: Mapping[int, float] | Sequence[int]) -> None:
    """Raise ValueError if a number is not that of a filter of the model."""
    features = model.tables.layout.features
    for number in numbers:
        if not 0 <= number < features:
            raise ValueError(f"filter: got {number}; expected a number from 0 to {features - 1}")


def _hash_windows(ids: NDArray[np.int32], begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number for each run of token ids that runs of other ids have with a chance of 2^-64."""
    hashes = np.full(len(begins), _SEED, dtype=np.uint64)
    for j in range(int(lengths.max(initial=0))):
        inside = j < lengths
        token = ids[np.where(inside, begins + j, 0)].astype(np.uint64) + np.uint64(1)
        mixed = (hashes ^ token) * _FACTOR
        hashes = np.where(inside, mixed ^ (mixed >> np.uint64(29)), hashes)
    return hashes


def _text_of(model: FoldedTextCNN, text: str, first: int, last: int) -> str:
    spans = model.spans(text)
    start, end = spans[first][0], spans[last][1]
    return " ".join(text[start:end].split())
