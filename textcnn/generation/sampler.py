"""Ancestral sampling of a masked diffusion model: hidden tokens are uncovered, a few at each step.

Sahoo et al. 2024, https://arxiv.org/abs/2406.07524. Shapes: `B` texts, `T` tokens, `V` vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Logits [H, V] of the hidden tokens of ids [B, T] at the positions where a mask [B, T] is true.
Predict = Callable[[Tensor, Tensor], Tensor]


def uncover(
    ids: Tensor,
    hidden: Tensor,
    predict: Predict,
    steps: int,
    temperature: float,
    top_p: float,
    generator: torch.Generator,
) -> Tensor:
    """Return ids in which every hidden token has been drawn: [B, T].

    From time t to time s < t each hidden token is uncovered with probability (t - s) / t; an uncovered token stays.

    Args:
        ids: [B, T] token ids; what stands at hidden positions is not read.
        hidden: [B, T], true at tokens to write.
        predict: Returns the logits of hidden tokens.
        steps: Steps from t = 1 to 0.
        temperature: Divisor of the logits.
        top_p: Only the most likely tokens that make up this much probability are drawn.
        generator: Source of randomness.
    """
    ids, hidden = ids.clone(), hidden.clone()
    for step in range(steps):
        left = steps - step
        now = hidden & (torch.rand(hidden.shape, generator=generator) < 1 / left)
        if not now.any():
            continue
        # Logits of all hidden tokens depend on each other's places only, so those drawn later are left out.
        ids[now] = draw(predict(ids, now) / temperature, top_p, generator)
        hidden &= ~now
    return ids


def draw(logits: Tensor, top_p: float, generator: torch.Generator) -> Tensor:
    """Return ids drawn from the softmax of logits, cut at `top_p`: [H, V] -> [H]."""
    probabilities = logits.float().softmax(dim=-1)
    if top_p < 1:
        ordered, places = probabilities.sort(dim=-1, descending=True)
        # The first token stays, whatever its probability.
        ordered = ordered.masked_fill(ordered.cumsum(dim=-1) - ordered >= top_p, 0.0)
        chosen = torch.multinomial(ordered, 1, generator=generator)
        return places.gather(1, chosen)[:, 0]
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
