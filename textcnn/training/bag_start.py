"""The bag of a run: whether there is one, and the weights that it starts with.

These are the weights of a linear model of the same features, or naive Bayes' log-count ratios. The sum of a network and
of a linear model that were trained apart is better than either, and better than both trained together, where the
linear model leaves the network nothing to learn: see docs/lab-log.md.

Shapes: `N` texts, `G` features of all texts, `R` rows of the bag, `K` rows that occur, `C` classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..model import Architecture
from ..model.bag import HashedBag
from ..model.head_columns import head_slices
from ..runtime.capabilities import REGRESSION
from ..runtime.checks import read_config
from ..runtime.decisions import ORDINAL
from .class_weights import chosen_weights
from .evidence import log_count_ratios
from .logistic import chosen_inverse_strength, fit_logistic

# Texts whose features are found at a time.
_TEXTS = 4096
# Texts of the linear model, spread evenly over more of them.
_MOST_TEXTS = 50_000
# The networks that may have a bag.
_BESIDE_A_BAG = {"backbone": "parallel", "pooling": "max", "num_experts": 1}
# Most numbers in the rows of a bag that "auto" adds, 128 MB: there is none from some 330 classes on. A linear model for
# 1,000 classes made a run of one epoch over 20,000 texts take 138 s and 2.9 GB; for 20,000 it would not fit in memory.
_MOST_NUMBERS = 32_000_000
# Longest n-gram of characters: docs/lab-log.md has what 4 and 5 gave.
_CHARACTERS = 4
# Penalty of ridge regression, over the mean square of the length of a text's features. From 0.01 to 0.2 the validation
# R2 of star ratings of IMDB, sentiment of tweets and of MR differed by less than 0.01.
_RIDGE = 0.1


def network_with_bag(fields: Mapping[str, Any], wanted: bool = True, init: str | Path | None = None) -> Architecture:
    """Return the network of settings, with the bag that "auto" stands for, and no weights of classes for "auto".

    Args:
        fields: Fields of an Architecture; bag and class_weights may be "auto".
        wanted: False where "auto" is no bag, and in `network_for_data` no weights of classes.
        init: Directory of a run whose network is taken over, or None.

    Example:
        >>> network_with_bag({"bag": "auto"}).bag, network_with_bag({"bag": "auto", "pooling": "segments"}).bag
        ('sqrtn', 'none')
    """
    changed = {"bag": "none", "bag_ngrams": fields.get("bag_ngrams") or Architecture.bag_ngrams}
    if fields.get("class_weights") == "auto":
        changed["class_weights"] = None
    network = Architecture(**{**fields, **changed})
    started = _config_of(init)
    fits = network.kernel_sizes and all(
        getattr(network, name) == started.get(name, value) == value for name, value in _BESIDE_A_BAG.items()
    )
    bag = fields.get("bag", "auto")
    return dataclasses.replace(network, bag=("sqrtn" if wanted and fits else "none") if bag == "auto" else bag)


def network_for_data(data: Any, fields: Mapping[str, Any], wanted: bool = True, init: Any = None) -> Architecture:
    """Return the network of settings for data, with what "auto" stands for and the n-grams that tokens need.

    Beside a bag, texts that the shipped vectors do not fit become characters, unless tokens or vectors are asked for:
    the data module is told. There is no bag by "auto" whose rows would be too many numbers for the classes.

    Args:
        data: Data module.
        fields, wanted, init: As of `network_with_bag`.
    """
    buckets = fields.get("bag_buckets", Architecture.bag_buckets)
    network = network_with_bag(fields, wanted, init)
    if network.bag != "none" and buckets * data.num_labels <= _MOST_NUMBERS and data.suits_characters:
        data.default_kind = "char"
    fits = (data.vocab_size + buckets) * data.num_labels <= _MOST_NUMBERS
    network = network_with_bag(fields, wanted and fits, init)
    network = dataclasses.replace(network, class_weights=chosen_weights(fields.get("class_weights"), data, wanted))
    if fields.get("bag_ngrams") is None:
        ngrams = _CHARACTERS if data.has_characters else _config_of(init).get("bag_ngrams", network.bag_ngrams)
        network = dataclasses.replace(network, bag_ngrams=ngrams)
    return network


def _config_of(init: str | Path | None) -> dict[str, Any]:
    """Return the config.json of the run that training starts from; empty without one."""
    # What is wrong with the directory is found where its weights are read.
    config = None if init is None else Path(init) / "config.json"
    return read_config(config) if config is not None and config.is_file() else {}


def bag_weights(
    bag: HashedBag,
    start: str,
    data: Any,
    classes: int,
    intercept: bool,
    heads: Sequence[Mapping[str, Any]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each row of a bag adds at the start, float32 [R, C], and what a text without any has, [C].

    Args:
        bag: The bag.
        start: "linear" or "naive_bayes".
        data: Data module of the train texts. Its numbers, in a regression, are standardised.
        classes: C.
        intercept: Fit logits of a text without any row; else they are 0.
        heads: Heads of the model, each of which has a linear model of its own; None for one task.
            That of ordered levels is a ridge regression of their places.
    """
    ids, lengths, targets = data.encoded_train()
    if heads is not None:
        parts = []
        for head, own in head_slices(heads):
            found = targets[head["name"]]
            if head["problem_type"] == REGRESSION:
                mean, deviation = (values[own] for values in data.target_scale())
                parts.append(ridge_of_bag(bag, ids, lengths, (found.astype(np.float64) - mean) / deviation, intercept))
            elif head["problem_type"] == ORDINAL:
                _refuse_naive_bayes(start, f"the ordered levels of {head['name']}")
                places = _standardized_places(found, len(head["labels"]))
                parts.append(ridge_of_bag(bag, ids, lengths, places, intercept))
            else:
                parts.append(start_of_bag(bag, start, ids, lengths, found, len(head["labels"]), intercept))
        return np.concatenate([own for own, _ in parts], axis=1), np.concatenate([own for _, own in parts])
    if data.problem_type == ORDINAL:
        _refuse_naive_bayes(start, "problem_type ordinal")
        return ridge_of_bag(bag, ids, lengths, _standardized_places(targets, data.num_labels), intercept)
    if data.problem_type != REGRESSION:
        return start_of_bag(bag, start, ids, lengths, targets, classes, intercept)
    mean, deviation = data.target_scale()
    return ridge_of_bag(bag, ids, lengths, (targets.astype(np.float64) - mean) / deviation, intercept)


def _refuse_naive_bayes(start: str, kind: str) -> None:
    if start == "naive_bayes":
        raise ValueError(f"bag_start: got naive_bayes with {kind}; expected linear or zero")


def _standardized_places(targets: np.ndarray, levels: int) -> np.ndarray:
    """Return the places [N] of levels in standard deviations from their mean, NaN for a text without one."""
    known = (targets >= 0) & (targets < levels)
    places = np.where(known, targets, np.nan).astype(np.float64)
    # Of several label columns, the train rows may lack all levels but one.
    return (places - places[known].mean()) / (places[known].std() or 1.0)


def start_of_bag(
    bag: HashedBag,
    start: str,
    ids: np.ndarray,
    lengths: np.ndarray,
    targets: np.ndarray,
    classes: int,
    intercept: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits that each row of a bag adds at the start, float32 [R, C], and those of a text without any, [C].

    Args:
        bag: The bag.
        start: "linear" or "naive_bayes".
        ids: Token ids of the train texts, one text after the other.
        lengths: [N] tokens of each text.
        targets: [N] class ids, -1 for a text without a label, or zeros and ones [N, C], NaN for one.
        classes: C.
        intercept: Fit logits of a text without any; else they are 0.
    """
    labelled = np.flatnonzero(targets >= 0 if targets.ndim == 1 else ~np.isnan(targets).any(axis=1))
    if len(labelled) > _MOST_TEXTS and start == "linear":
        labelled = labelled[np.linspace(0, len(labelled) - 1, _MOST_TEXTS).astype(np.int64)]
    if len(labelled) < len(lengths):
        ids, lengths, targets = _rows(labelled, ids, lengths, targets)
    weights, bias = np.zeros((bag.rows.num_embeddings, classes), dtype=np.float32), np.zeros(classes, np.float32)
    counts, rows = _feature_counts(bag, ids, lengths)
    if not len(rows):
        return weights, bias
    divisor = _divisor(bag, counts)
    if start == "naive_bayes":
        indicator = targets > 0 if targets.ndim == 2 else np.eye(classes)[targets]
        scale = 1.0 if divisor is None else divisor.mean()
        weights[rows] = scale * log_count_ratios(np.asarray(counts.T @ indicator.astype(np.float64)))
        return weights, bias
    # A feature is scaled by its inverse document frequency, so that regularisation holds rare features back less; the
    # scales are multiplied into the weights. On held-out tenths of the train texts of TREC, MR and Banking77 that gave
    # 85.9, 76.5 and 87.8 %, no scales 85.2, 75.5 and 85.6 %, and the log-count ratios of NB-SVM 86.5, 76.8 and 86.2 %.
    scaled, rarity = _scaled(counts, divisor)
    model = fit_logistic(
        scaled, targets, classes, chosen_inverse_strength(scaled, targets, classes, intercept), intercept
    )
    weights[rows] = model.weights.numpy() * rarity[:, None].astype(np.float32)
    return weights, model.bias.numpy()


def ridge_of_bag(
    bag: HashedBag, ids: np.ndarray, lengths: np.ndarray, numbers: np.ndarray, intercept: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of each row of a bag in a number, float32 [R, 1], and the number of a text without any, [1].

    They are those of ridge regression, with the features of `start_of_bag`.

    Args:
        bag: The bag.
        ids: Token ids of the train texts, one text after the other.
        lengths: [N] tokens of each text.
        numbers: [N] standardised numbers, NaN for a text without one.
        intercept: Fit the number of a text without any; else it is 0.
    """
    from sklearn.linear_model import Ridge

    chosen = np.flatnonzero(np.isfinite(numbers))
    if len(chosen) > _MOST_TEXTS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, _MOST_TEXTS).astype(np.int64)]
    if len(chosen) < len(lengths):
        ids, lengths, numbers = _rows(chosen, ids, lengths, numbers)
    weights = np.zeros((bag.rows.num_embeddings, 1), dtype=np.float32)
    counts, rows = _feature_counts(bag, ids, lengths)
    if not len(rows):
        return weights, np.zeros(1, np.float32)
    scaled, rarity = _scaled(counts, _divisor(bag, counts))
    penalty = _RIDGE * float(scaled.multiply(scaled).sum()) / scaled.shape[0]
    model = Ridge(alpha=penalty, fit_intercept=intercept, solver="sparse_cg", tol=1e-3).fit(scaled, numbers)
    weights[rows, 0] = model.coef_ * rarity
    return weights, np.array([model.intercept_], dtype=np.float32).reshape(1)


def _divisor(bag: HashedBag, counts: Any) -> np.ndarray | None:
    """Return what the sum of the rows of each text is divided by, [N]; None for a sum."""
    per_text = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    divisors: dict[str, np.ndarray | None] = {"sum": None, "mean": per_text, "sqrtn": np.sqrt(per_text)}
    return divisors[bag.pooling]


def _scaled(counts: Any, divisor: np.ndarray | None) -> tuple[Any, np.ndarray]:
    """Return the pooled features of each text times their rarity, [N, K], and the rarity [K]."""
    from scipy.sparse import diags

    rarity = np.log(counts.shape[0] / counts.getnnz(axis=0))
    if divisor is not None:
        # The pooled features are some 1/divisor of their sum: the weights are as many times as large.
        rarity = rarity * divisor.mean()
        counts = diags(1 / divisor) @ counts
    return (counts @ diags(rarity)).tocsr(), rarity


def _feature_counts(bag: HashedBag, ids: np.ndarray, lengths: np.ndarray) -> tuple[Any, np.ndarray]:
    """Count the rows of each text: a sparse matrix [N, K] and the rows [K] that occur."""
    from scipy.sparse import csr_matrix

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    parts, counts = [], []
    for begin in range(0, len(lengths), _TEXTS):
        own = offsets[begin : begin + _TEXTS + 1]
        tokens = torch.from_numpy(ids[own[0] : own[-1]].astype(np.int64))
        features, of_text = bag.features(tokens, None, torch.from_numpy(own - own[0]))
        parts.append(features.numpy())
        counts.append(of_text.numpy())
    features = np.concatenate([np.zeros(0, np.int64), *parts])
    ends = np.concatenate([[0], *counts]).cumsum()
    rows, columns = np.unique(features, return_inverse=True)
    matrix = csr_matrix((np.ones(len(features)), columns, ends), shape=(len(lengths), len(rows)))
    matrix.sum_duplicates()
    return matrix, rows


def _rows(
    chosen: np.ndarray, ids: np.ndarray, lengths: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some of the texts, by their numbers."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    kept = np.concatenate([ids[:0], *(ids[offsets[n] : offsets[n + 1]] for n in chosen.tolist())])
    return kept, lengths[chosen], targets[chosen]
