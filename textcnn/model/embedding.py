"""Token ids to vectors: one or two channels (Kim 2014, https://arxiv.org/abs/1408.5882), then a layer norm.

Everything here is a function of one token, which is what lets the model fold into tables.

Shapes: `V` vocabulary, `D` embedding_dim, `K` channels (1, or 2 for multichannel).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TextCNNConfig


class TokenEmbedding(nn.Module):
    """Looks up the vectors of token ids, channels side by side.

    Example:
        >>> embedding = TokenEmbedding(TextCNNConfig(vocab_size=100, embedding_dim=8, variant="multichannel"))
        >>> embedding(torch.tensor([5, 7])).shape
        torch.Size([2, 16])
    """

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__()
        assert config.embedding_dim is not None  # TextCNNConfig has resolved it
        channels = ("static", "non-static") if config.variant == "multichannel" else (config.variant,)
        self.channels = nn.ModuleList(
            nn.Embedding(config.vocab_size, config.embedding_dim, padding_idx=config.pad_token_id) for _ in channels
        )
        self.static = [name == "static" for name in channels]
        self.freeze_static()
        self.output_dim = config.embedding_dim * len(channels)
        self.norm = nn.LayerNorm(self.output_dim, eps=config.layer_norm_eps) if config.embedding_norm else None
        self.dropout = nn.Dropout(config.embedding_dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Vectors of token ids: [...] int64 -> [..., K * D]."""
        return self.transform(torch.cat([channel(input_ids) for channel in self.channels], dim=-1))

    def transform(self, vectors: Tensor) -> Tensor:
        """What happens to a looked-up vector: layer norm and dropout, [..., K * D] -> [..., K * D]."""
        if self.norm is not None:
            vectors = self.norm(vectors)
        return self.dropout(vectors)

    def freeze_static(self) -> None:
        """Takes the static channel out of training (again, after weights were loaded as new parameters)."""
        for static, channel in zip(self.static, self.channels, strict=True):
            channel.weight.requires_grad_(not static)

    @torch.no_grad()
    def set_vectors(self, matrix: Tensor) -> None:
        """Starts every channel from the rows of a [V, D] matrix.

        Raises:
            ValueError: the matrix has another shape.
        """
        expected = self.channels[0].weight.shape
        if matrix.shape != expected:
            raise ValueError(
                f"vectors: got a {tuple(matrix.shape)} matrix; expected {tuple(expected)} (vocab_size, embedding_dim)"
            )
        for channel in self.channels:
            channel.weight.copy_(matrix)
            channel.weight[channel.padding_idx].zero_()
