"""The bag of a model as nodes of an ONNX graph.

Hashes are unsigned 64-bit numbers, which the operators of ONNX multiply, add and divide as fastText does.

Shapes: `B` texts, `T` tokens with padding, `L` longest n-gram, `V` vocabulary, `R` rows, `C` classes,
`D` values in a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..folding.bag import fold_bag, prune_bag
from ..model import TextCNNConfig
from ..runtime.bag import hashes_of_ids

_FACTOR = 116049371
# onnx.TensorProto.FLOAT, INT64 and UINT64, without importing onnx for them.
_FLOAT, _INT64, _UINT64 = 1, 7, 13


def bag_logits(graph: Any, config: TextCNNConfig, bag: Any, ids: str, real: str) -> str:
    """Add the nodes of a bag; return the name of its logits [B, C], divided by the temperature.

    Args:
        graph: Graph to add to.
        config: Of the model.
        bag: A `model.bag.HashedBag`.
        ids: [B, T] token ids, every text at the left edge.
        real: [B, T] True at tokens.
    """
    tensors = prune_bag(fold_bag(bag), bag.buckets) if bag.buckets else fold_bag(bag)
    table = tensors["bag_table"]
    temperature = np.float32(config.temperature)
    if "bag_output" not in tensors:
        table = table / temperature
    # Padding reads a row of zeros.
    nothing = graph.constant(len(table))
    table = np.concatenate([table, np.zeros((1, table.shape[1]), np.float32)])
    real = graph.add("And", real, graph.add("Not", graph.add("Equal", ids, graph.constant(config.pad_token_id))))
    exist, rows = [real], [graph.add("Where", real, ids, nothing)]
    if bag.ngrams > 1:
        numbers = hashes_of_ids(np.arange(config.vocab_size, dtype=np.int32)).astype(np.int64).astype(np.uint64)
        own = graph.add("Gather", graph.weight("bag.hashes", numbers), ids, axis=0)
        # Room for the n-grams that would hang over the end.
        room = graph.constant([0, 0, 0, bag.ngrams - 1])
        padded = graph.add("Pad", own, room, graph.constant(0, np.uint64))
        # Pad takes no truth values everywhere.
        inside = graph.add("Pad", graph.add("Cast", real, to=_INT64), room, graph.constant(0))
        row_of_bucket = None
        if "bag_row_of_bucket" in tensors:
            row_of_bucket = graph.weight("bag.row_of_bucket", tensors["bag_row_of_bucket"].astype(np.int64))
        hashes, whole = own, real
        for length in range(2, bag.ngrams + 1):
            begin, end = length - 1, -(bag.ngrams - length) or np.iinfo(np.int64).max
            at = graph.constant([begin]), graph.constant([end]), graph.constant([1])
            hashes = graph.add("Mul", hashes, graph.constant(_FACTOR, np.uint64))
            hashes = graph.add("Add", hashes, graph.add("Slice", padded, *at))
            there = graph.add("Greater", graph.add("Slice", inside, *at), graph.constant(0))
            whole = graph.add("And", whole, there)
            bucket = graph.add("Mod", hashes, graph.constant(bag.buckets, np.uint64))
            bucket = graph.add("Cast", bucket, to=_INT64)
            if row_of_bucket is None:
                row = graph.add("Add", bucket, graph.constant(config.vocab_size))
            else:
                row = graph.add("Gather", row_of_bucket, bucket, axis=0)
            rows.append(graph.add("Where", whole, row, nothing))
            exist.append(whole)
    every = graph.add("Concat", *rows, axis=1) if len(rows) > 1 else rows[0]
    pooled = graph.add("ReduceSum", graph.look_up("bag", table, every), graph.constant([1]), keepdims=0)
    if bag.pooling != "sum":
        flags = graph.add("Concat", *exist, axis=1) if len(exist) > 1 else exist[0]
        count = graph.add("ReduceSum", graph.add("Cast", flags, to=_FLOAT), graph.constant([1]), keepdims=1)
        count = graph.add("Max", count, graph.constant(1, np.float32))
        pooled = graph.add("Div", pooled, graph.add("Sqrt", count) if bag.pooling == "sqrtn" else count)
    if "bag_output" not in tensors:
        return str(pooled)
    output = graph.filters("bag.output", tensors["bag_output"] / temperature)
    return str(graph.add("Gemm", pooled, output, transB=1))
