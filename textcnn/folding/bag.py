"""Folds the bag of a trained model into the table that the runtime adds up, in float32 or 8 bits.

Shapes: `V` vocabulary, `R` table rows, `C` classes, `D` values in a row: C, or those of the second factor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]


def fold_bag(bag: Any, buckets: int) -> Tensors:
    """Return the tensors of a `model.bag.HashedBag` in float32.

    Vectors and the layer after them are multiplied into rows of logits, unless the two factors take less room. Buckets
    whose row is 0, which no training text has, share one row where that takes less room.

    Args:
        bag: The trained bag.
        buckets: Number of buckets, as in config.json.

    Returns:
        bag_table [R, D] and, where there are any, bag_output [C, D] and bag_row_of_bucket [buckets].
    """
    table = _array(bag.rows.weight)
    tensors: Tensors = {}
    if bag.output is not None:
        output = _array(bag.output.weight)
        if len(table) * len(output) <= table.size + output.size:
            table = table @ output.T
        else:
            tensors["bag_output"] = output
    first = bag.vocab_size
    used = table[first:].any(axis=1)
    if used.sum() * table.shape[1] + buckets < (len(used) - 1) * table.shape[1]:
        # The last row is 0: a bucket without a weight still counts in a mean.
        row_of_bucket = np.full(buckets, first + used.sum(), dtype=np.int32)
        row_of_bucket[used] = first + np.arange(used.sum(), dtype=np.int32)
        zero = np.zeros((1, table.shape[1]), dtype=np.float32)
        table = np.concatenate([table[:first], table[first:][used], zero])
        tensors["bag_row_of_bucket"] = row_of_bucket
    return {"bag_table": np.ascontiguousarray(table), **tensors}


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
    trimmed = {**tensors, "bag_table": np.concatenate([kept, table[vocab_size:]])}
    if "bag_row_of_bucket" in tensors:
        trimmed["bag_row_of_bucket"] = tensors["bag_row_of_bucket"] + np.int32(len(rows) - vocab_size)
    return trimmed


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
