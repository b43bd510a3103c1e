"""Losses on pairs of vectors in a batch: contrastive, and the match of two Gram matrices.

Shapes: `B` texts, `D` size of a vector, `E` size of a teacher's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def paired_contrastive_loss(vectors: Tensor, others: Tensor, temperature: float = 0.05) -> Tensor:
    """Return the mean cross-entropy of telling each vector's partner from the other rows: [B, D] twice -> [].

    The partner of row b is row b of `others`: two dropouts of one text in SimCSE (Gao et al. 2021,
    https://arxiv.org/abs/2104.08821).
    """
    similarity = functional.normalize(vectors, dim=-1) @ functional.normalize(others, dim=-1).T
    return functional.cross_entropy(similarity / temperature, torch.arange(len(vectors), device=vectors.device))


def supervised_contrastive_loss(vectors: Tensor, labels: Tensor, temperature: float = 0.05) -> Tensor:
    """Return the contrastive loss whose positives are the texts of the same label: vectors [B, D], labels [B] -> [].

    Khosla et al. 2020, https://arxiv.org/abs/2004.11362, equation 2. A text without another of its label in the batch
    counts for nothing, and neither does one with the label -1.
    """
    unit = functional.normalize(vectors, dim=-1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    logits = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    positive = (labels[:, None] == labels) & (labels[:, None] >= 0) & ~itself
    counts = positive.sum(dim=1)
    if not counts.any():
        return (vectors * 0).sum()
    losses = -logits.log_softmax(dim=1).masked_fill(~positive, 0).sum(dim=1)
    return (losses[counts > 0] / counts[counts > 0]).mean()


def gram_loss(vectors: Tensor, targets: Tensor, temperature: float = 0.05) -> Tensor:
    """Return the divergence between the similarities in two batches of vectors: [B, D], [B, E] -> [].

    Both Gram matrices of cosines, without their diagonals, are divided by the temperature and made distributions over
    the other texts of the batch; the loss is their KL divergence times temperature^2, as in Luxical
    (https://github.com/datologyai/luxical).
    """
    if len(vectors) < 3:  # with one other text there is nothing to distribute over
        return (vectors * 0).sum()
    own, wanted = (_similarities(one) / temperature for one in (vectors, targets))
    loss = functional.kl_div(own.log_softmax(dim=1), wanted.log_softmax(dim=1), log_target=True, reduction="batchmean")
    return temperature**2 * loss


def _similarities(vectors: Tensor) -> Tensor:
    """Cosines of each vector with the others: [B, D] -> [B, B - 1]."""
    unit = functional.normalize(vectors, dim=-1)
    gram = unit @ unit.T
    others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return gram[others].view(len(unit), -1)
