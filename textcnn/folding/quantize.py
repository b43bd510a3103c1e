"""Rounding of folded tables to 8 bits, or storage of the two factors that they are made of.

Shapes: `V` table rows, `E` components of a token's vector, of all channels and members, `R` values in a row,
`F` filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import array_with_progress
from ..runtime.classifier import TextClassifier
from ..runtime.encoder import unit_vectors
from ..runtime.folded import FoldedTextCNN
from ..runtime.head_outputs import head_slices
from ..runtime.heads import alone
from ..runtime.layout import Layout

# Beyond the largest sums in some texts, a little more is left for others.
_MARGIN = 1.1
# A filter that hardly fires in those texts keeps at least this share of its range.
_COARSEST = 8


def quantize(
    tensors: dict[str, NDArray[Any]], config: dict[str, Any], largest: NDArray[np.float32] | None = None
) -> dict[str, NDArray[Any]]:
    """Round a float32 table to int8, with one scale for each filter, such that sums of windows fit int8 as well.

    Args:
        tensors: As FoldedTextCNN takes them, the table in float32.
        config: The model's config.json.
        largest: [F] largest sums that real texts have; larger ones are cut off there. Without them the scale is such
            that no window of any tokens overflows, which is some two times coarser.
    """
    table = tensors["table"]
    source, target = Layout.of(config, table.dtype), Layout.of(config, np.dtype(np.int8))
    scale = _scales(table, config, largest)
    rounded = np.zeros((len(table), target.columns), dtype=np.int8)
    for i, offset, filters in _places(config, source):
        terms = table[:, source.widths[i].columns(offset)] * (1 / scale[filters])
        np.rint(terms, out=terms)
        np.clip(terms, -127, 127, out=terms)
        rounded[:, target.widths[i].columns(offset)] = terms
    return {**tensors, "table": rounded, "scale": scale}


def factor(
    tensors: dict[str, NDArray[Any]],
    config: dict[str, Any],
    vectors: NDArray[np.float32],
    weights: NDArray[np.float32],
    largest: NDArray[np.float32] | None = None,
) -> dict[str, NDArray[Any]]:
    """Store token vectors in 8 bits and filters in 16, of which the runtime makes the int8 table.

    A row of the table takes as many bytes as there are filters times their widths, a vector as it has components: a
    file is smaller, and may hold more tokens, where vectors are narrow.

    Args:
        tensors: As FoldedTextCNN takes them, the table in float32.
        config: The model's config.json.
        vectors: [V, E] of the table's rows.
        weights: [E, R] such that vectors @ weights is the table.
        largest: As of `quantize`.
    """
    largest_component = np.abs(vectors).max(axis=0, initial=0)
    steps = np.where(largest_component > 0, largest_component / 127, 1).astype(np.float32)
    rounded = np.rint(vectors / steps).astype(np.int8)
    weights = weights * steps[:, None]
    # Scales of the sums that the rounded vectors make.
    scale = _scales(rounded @ weights, config, largest)
    source, target = Layout.of(config, weights.dtype), Layout.of(config, np.dtype(np.int8))
    filters = np.zeros((len(weights), target.columns), dtype=np.float16)
    for i, offset, own in _places(config, source):
        columns = source.widths[i].columns(offset)
        filters[:, target.widths[i].columns(offset)] = weights[:, columns] / scale[own]
    kept = {name: tensor for name, tensor in tensors.items() if name != "table"}
    return {**kept, "vectors": rounded, "filters": filters, "scale": scale}


def _places(config: dict[str, Any], layout: Layout) -> Iterator[tuple[int, int, slice]]:
    """Number of the width, offset in its window, and its filters among all, for every place of every window."""
    for i, width in enumerate(config["kernel_sizes"]):
        for offset in range(width):
            yield i, offset, layout.widths[i].features


def _scales(
    table: NDArray[np.float32], config: dict[str, Any], largest: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """[F] what one step of 8 bits is worth in each filter, such that sums of windows fit."""
    layout = Layout.of(config, table.dtype)
    scale = np.ones(layout.features, dtype=np.float32)
    for i, width in enumerate(config["kernel_sizes"]):
        slices = [layout.widths[i].columns(offset) for offset in range(width)]
        # The table has a row of zeros, so that neither bound is negative.
        bound = np.maximum(
            np.sum([table[:, s].max(axis=0) for s in slices], axis=0),
            -np.sum([table[:, s].min(axis=0) for s in slices], axis=0),
        )
        at = layout.widths[i].feature
        if largest is not None:
            bound = np.minimum(bound, np.maximum(_MARGIN * largest[at : at + len(bound)], bound / _COARSEST))
        # Each term may round up by half a step; no window worth using is so wide that the 64 is reached.
        scale[at : at + len(bound)] = np.where(bound > 0, bound / max(127 - width / 2, 64), 1)
    return scale


def largest_sums(tensors: dict[str, NDArray[Any]], config: dict[str, Any], ids: Any, offsets: Any) -> NDArray[Any]:
    """Return the largest sum of a window, before bias and activation, in texts given as token ids: [F]."""
    plain = {**config, "activation": "identity", "pooled_norm": False, "pooling": "max"}
    features = len(tensors["bias"])
    maxima = {"bias": np.zeros_like(tensors["bias"]), "head_weight": tensors["head_weight"][:, :features]}
    sums = FoldedTextCNN(plain, {**tensors, **maxima}, None)
    largest: NDArray[Any] = sums.features_of_ids(ids, offsets).max(axis=0, initial=0)
    return largest


def saturated_share(
    exact: dict[str, NDArray[Any]], rounded: dict[str, NDArray[Any]], config: dict[str, Any], ids: Any, offsets: Any
) -> float:
    """Return the share of pooled features that 8 bits cut off in texts given as token ids.

    Args:
        exact: The tensors in float32.
        rounded: Those of the int8 tables, whose sums end at 127 steps of their `scale`.
        config: The model's config.json.
        ids, offsets: Of the texts.
    """
    plain = {
        **config, "activation": "identity", "pooled_norm": False, "bag": "none", "pooling": "max", "num_experts": 1,
    }  # fmt: skip
    # Pooling that gives a filter several features takes each from the same sums.
    exact = {**exact, "head_weight": exact["head_weight"][:, : len(exact["bias"])]}
    sums = FoldedTextCNN(plain, {**exact, "bias": np.zeros_like(exact["bias"])}, None).features_of_ids(ids, offsets)
    return float((sums > 127.5 * rounded["scale"]).mean()) if sums.size else 0.0


def measure_vector_error(exact: FoldedTextCNN, rounded: FoldedTextCNN, texts: list[str]) -> dict[str, float]:
    """Measure the cosine between the int8 and the float32 vectors of an encoder on real texts."""
    if not texts:
        return {"texts": 0}
    wanted = array_with_progress(exact.logits, texts, "encoding in float32")
    got = array_with_progress(rounded.logits, texts, "encoding in 8 bits")
    cosines = (unit_vectors(wanted) * unit_vectors(got)).sum(axis=1)
    return {"texts": len(texts), "min_cosine": float(cosines.min()), "mean_cosine": float(cosines.mean())}


def _largest_error(errors: list[dict[str, float]]) -> dict[str, float]:
    """Return the largest error of several heads, of labels and of numbers, and the least agreement."""
    names = dict.fromkeys(name for one in errors for name in one)
    return {
        name: (min if name == "label_agreement" else max)(one[name] for one in errors if name in one) for name in names
    }


def measure_error(exact: TextClassifier, rounded: TextClassifier, texts: list[str]) -> dict[str, float]:
    """Measure the difference between int8 and float32 answers on real texts: probabilities and labels, or numbers."""
    if not texts:
        return {"texts": 0}
    if head_slices(exact.config):
        return _largest_error(
            [measure_error(alone(exact, n), alone(rounded, n), texts) for n in head_slices(exact.config)]
        )
    if exact.regression:
        error = np.abs(exact.logits(texts) - rounded.logits(texts))
        return {"texts": len(texts), "max_difference": float(error.max()), "mean_difference": float(error.mean())}
    wanted = array_with_progress(exact.predict_proba, texts, "answering in float32")
    got = array_with_progress(rounded.predict_proba, texts, "answering in 8 bits")
    difference = np.abs(wanted - got)
    if exact.multi_label:
        thresholds = np.array([exact.thresholds.get(name, 0.5) for name in exact.labels], dtype=np.float32)
        same = (wanted >= thresholds) == (got >= thresholds)
    else:
        same = wanted.argmax(axis=1) == got.argmax(axis=1)
    return {
        "texts": len(texts),
        "max_probability_difference": float(difference.max()),
        "mean_probability_difference": float(difference.mean()),
        "label_agreement": float(same.mean()),
    }
