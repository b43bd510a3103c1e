"""Folding of the bag of a trained model into the table that the runtime adds up, in float32 or 8 bits.

Shapes: `V` vocabulary, `R` table rows, `C` classes, `D` values in a row: C, or those of the second factor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]


def fold_bag(bag: Any) -> Tensors:
    """Return the tensors of a `model.bag.HashedBag` in float32: bag_table [R, D] and perhaps bag_output [C, D].

    Vectors and the layer after them are multiplied into rows of logits, unless the two factors take less room.
    """
    table = _array(bag.rows.weight)
    if bag.output is None:
        return {"bag_table": table}
    output = _array(bag.output.weight)
    if keeps_factors(len(table), len(output), table.shape[1]):
        return {"bag_table": table, "bag_output": output}
    return {"bag_table": np.ascontiguousarray(table @ output.T)}


def keeps_factors(rows: int, classes: int, components: int) -> bool:
    """Return True if vectors [R, D] and the layer after them [C, D] take less space than rows of logits [R, C].

    Example:
        >>> keeps_factors(rows=100_000, classes=77, components=16)
        True
    """
    return rows * components + classes * components < rows * classes


def prune_bag(tensors: Tensors, buckets: int) -> Tensors:
    """Return the tensors with one row for all buckets whose row is 0, if that takes less room.

    A bucket that no training text has keeps a row of 0, if its weights started there.

    Args:
        tensors: Of `fold_bag` or `quantize_bag`.
        buckets: Number of buckets.

    Returns:
        The tensors; where rows were left out, with bag_row_of_bucket [buckets].
    """
    table = tensors["bag_table"]
    first = len(table) - buckets
    used = table[first:].any(axis=1)
    count = int(used.sum())
    if 4 * buckets >= (buckets - count - 1) * table.shape[1] * table.itemsize:
        return tensors
    # The last row is 0: such a bucket still counts in a mean.
    row_of_bucket = np.full(buckets, first + count, dtype=np.int32)
    row_of_bucket[used] = first + np.arange(count, dtype=np.int32)
    zero = np.zeros((1, table.shape[1]), dtype=table.dtype)
    pruned = np.concatenate([table[:first], table[first:][used], zero])
    return {**tensors, "bag_table": pruned, "bag_row_of_bucket": row_of_bucket}


def trim_bag(tensors: Tensors, rows: NDArray[np.int64], vocab_size: int) -> Tensors:
    """Return the tensors with the rows of some tokens only.

    n-grams stay as they are: those of a token that was left out keep their rows.

    Args:
        tensors: Of `fold_bag`.
        rows: Ids of the tokens that are kept, in their order; vocab_size for a row of zeros.
        vocab_size: V.
    """
    table = tensors["bag_table"]
    zero = np.zeros((1, table.shape[1]), dtype=table.dtype)
    kept = np.concatenate([table[:vocab_size], zero])[rows]
    return {**tensors, "bag_table": np.concatenate([kept, table[vocab_size:]])}


def quantize_bag(tensors: Tensors) -> Tensors:
    """Return the tensors with the table in 8 bits and bag_scale [D], one scale for each column.

    Each row that a text adds is wrong by at most half a step: the logits of a mean by half a step as well, those of a
    sum by as many halves as the text has tokens and n-grams.
    """
    table = tensors["bag_table"]
    largest = np.abs(table).max(axis=0, initial=0)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return {**tensors, "bag_table": np.rint(table / scale).astype(np.int8), "bag_scale": scale}


def _array(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy().copy()
    return array
