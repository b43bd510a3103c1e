"""Stratified, seeded splits that keep equal texts together.

Shapes: N rows; every function returns a mask or numbers [N].
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def hold_out(strata: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return a mask [N] of about `fraction` of the rows, in proportion from every stratum.

    strata [N]: the class of each row. groups [N]: rows of one group (equal texts) stay together.
    The share of each class is rounded by largest remainders, so that many small classes together
    still give their part; one group of each class always stays behind (so the mask is empty where
    every class has a single text).
    """
    rng = np.random.default_rng(seed)
    first, group, sizes = _groups(groups)
    kinds = strata[first]
    classes = np.unique(kinds)
    weight = np.array([sizes[kinds == kind].sum() for kind in classes], dtype=float) * fraction
    quota = np.floor(weight).astype(np.int64)
    remainder = weight - quota
    rest = round(len(strata) * fraction) - int(quota.sum())
    if len(strata) > 1 and fraction > 0:
        rest = max(rest, 1 - int(quota.sum()))
    tie_break = rng.random(len(classes))
    quota[np.lexsort((tie_break, -remainder))[: max(rest, 0)]] += 1
    taken = np.zeros(len(first), dtype=bool)
    for kind, wanted in zip(classes, quota, strict=True):
        members = rng.permutation(np.flatnonzero(kinds == kind))[1:]
        total = np.cumsum(sizes[members])
        taken[members[total <= wanted]] = True
    return taken[group]


def folds(strata: np.ndarray, groups: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """Return the fold (0 to num_folds - 1) of each row, [N]; each class spread evenly over the folds."""
    rng = np.random.default_rng(seed)
    first, group, _ = _groups(groups)
    order = rng.permutation(len(first))
    order = order[np.argsort(strata[first][order], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(order)) % num_folds
    return fold[group]


def text_groups(texts: pa.ChunkedArray) -> np.ndarray:
    """Return a number for each text [N], the same for equal texts."""
    codes = texts.combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.unify_dictionaries().combine_chunks()
    return np.asarray(codes.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _groups(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (first row of each group, group number of each row, size of each group)."""
    _, first, group, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    return first, group, sizes
