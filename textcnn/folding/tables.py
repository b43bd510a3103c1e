"""The arithmetic of the fold: every term of a convolution, for every token, in one matrix product.

Shapes: `V` vocabulary, `D` vector size, `E` vector size of all members, `R` values in a table row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.layout import Layout
from .bag import fold_bag

# Tokens folded at a time: bounds the memory beside the table itself.
_ROWS_AT_A_TIME = 8192


def fold_float32(model: Any, config: dict[str, Any]) -> dict[str, NDArray[Any]]:
    import torch

    network = model.textcnn
    layout = Layout.of(config, np.dtype(np.float32))
    vocab_size = int(config["vocab_size"])
    convolutions = list(network.convolution.convs)
    members = int(config.get("num_members", 1))
    # The last row is the zero vector: what lies around a text, and padding inside it.
    table = np.zeros((vocab_size + 1, layout.columns), dtype=np.float32)
    with evaluating(model):
        device = model.head.bias.device
        # A member's filters read its own vectors: one matrix product for each member.
        terms = [list(_terms(convolutions, layout, member, members)) for member in range(members)]
        weights = [torch.cat([weight for _, weight in own], dim=1) for own in terms if own]
        for begin in range(0, vocab_size if weights else 0, _ROWS_AT_A_TIME):
            end = min(begin + _ROWS_AT_A_TIME, vocab_size)
            vectors = network.embeddings(torch.arange(begin, end, device=device)).float()
            for own, weight, read in zip(terms, weights, vectors.chunk(members, dim=1), strict=True):
                made, at = (read @ weight).cpu().numpy(), 0
                for columns, filters in own:
                    table[begin:end, columns] = made[:, at : at + filters.shape[1]]
                    at += filters.shape[1]
    row_of_id = np.arange(vocab_size, dtype=np.int32)
    row_of_id[config["pad_token_id"]] = -1
    tensors = {
        "table": table,
        "row_of_id": row_of_id,
        "scale": np.ones(layout.features, dtype=np.float32),
        "bias": np.concatenate(
            [np.zeros(0, np.float32), *(as_array(convolution.bias) for convolution in convolutions)]
        ),
        "head_weight": as_array(model.head.mean_weight),
        "head_bias": as_array(model.head.bias),
    }
    if network.pooled_norm is not None:
        tensors["norm_weight"] = as_array(network.pooled_norm.weight)
        tensors["norm_bias"] = as_array(network.pooled_norm.bias)
    if model.bag is not None:
        tensors |= fold_bag(model.bag)
    return tensors


def table_factors(model: Any, config: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Token vectors [V + 1, E], the last of them zero, and weights [E, R] whose product is the table."""
    import torch

    network, layout, members = model.textcnn, Layout.of(config, np.dtype(np.float32)), int(config.get("num_members", 1))
    with evaluating(model):
        device = network.convolution.convs[0].weight.device
        vectors = network.embeddings(torch.arange(int(config["vocab_size"]), device=device))
        weights = torch.zeros(vectors.shape[1], layout.columns, device=device)
        for member, own in enumerate(weights.chunk(members)):
            for columns, weight in _terms(list(network.convolution.convs), layout, member, members):
                own[:, columns] = weight
    return np.concatenate([as_array(vectors), np.zeros((1, len(weights)), np.float32)]), as_array(weights)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Without dropout and gradients; the model is left as it was."""
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def _terms(convolutions: list[Any], layout: Layout, member: int, members: int) -> Iterator[tuple[slice, Any]]:
    """Columns of the table that a member fills, and [D, columns] the weights that make them of its vectors."""
    for i, convolution in enumerate(convolutions):
        own = convolution.weight.chunk(members)[member].float()
        for offset in range(own.shape[2]):
            start = layout.widths[i].columns(offset).start + member * len(own)
            yield slice(start, start + len(own)), own[:, :, offset].T


def as_array(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy().copy()
    return array
