"""Folding of a mixture of experts: each bank into its own table, and the router into one.

Shapes: `X` banks, `V` vocabulary, `D` vector size, `F` filters of a bank, `C` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the tensors of a bank, those that lie one after the other in the file.
_STACKED = ("table", "scale", "bias")


def bank_of(model: Any, bank: int) -> Any:
    """Return one bank of a TextCNNForSequenceClassification as a separate model, with its part of the head."""
    network = model.textcnn
    filters = network.convolution.filters
    own = slice(bank * filters, (bank + 1) * filters)
    encoder = SimpleNamespace(
        embeddings=network.embeddings, convolution=network.convolution.banks[bank], pooled_norm=None
    )
    head = SimpleNamespace(mean_weight=model.head.mean_weight[:, own], bias=model.head.bias)
    return SimpleNamespace(textcnn=encoder, head=head, bag=None, training=False, eval=model.eval, train=model.train)


def router_table(model: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the contribution of each token to the router, [V + 1, X], the last row zero, and the router's bias [X]."""
    import torch

    network = model.textcnn
    router = network.convolution.router
    with torch.inference_mode():
        ids = torch.arange(model.config.vocab_size, device=router.weight.device)
        terms = (network.embeddings(ids).float() @ router.weight.float().T).cpu().numpy()
    zero = np.zeros((1, terms.shape[1]), dtype=np.float32)
    return np.concatenate([terms, zero]), router.bias.detach().float().cpu().numpy().copy()


def stack_banks(banks: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the tensors of all banks as `ExpertsTextCNN` takes them."""
    stacked = {name: np.concatenate([bank[name] for bank in banks]) for name in _STACKED}
    weight = np.concatenate([bank["head_weight"] for bank in banks], axis=1)
    return {**stacked, "row_of_id": banks[0]["row_of_id"], "head_weight": weight, "head_bias": banks[0]["head_bias"]}
