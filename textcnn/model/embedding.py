"""Token ids to vectors: one or two channels (Kim 2014, https://arxiv.org/abs/1408.5882), then a layer norm.

Everything here is a function of one token, which is what lets the model fold into tables.

Shapes: `V` vocabulary, `D` embedding_dim, `K` channels (1, or 2 for multichannel), `M` members.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TextCNNConfig


class TokenEmbedding(nn.Module):
    """Embedding of token ids: member by member, all channels side by side.

    Example:
        >>> embedding = TokenEmbedding(TextCNNConfig(vocab_size=100, embedding_dim=8, variant="multichannel"))
        >>> embedding(torch.tensor([5, 7])).shape
        torch.Size([2, 16])
    """

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__()
        assert config.embedding_dim is not None  # TextCNNConfig has resolved it
        channels = ("static", "non-static") if config.variant == "multichannel" else (config.variant,)
        self.num_members = config.num_members
        size = config.num_members * config.embedding_dim
        self.channels = nn.ModuleList(
            nn.Embedding(config.vocab_size, size, padding_idx=config.pad_token_id) for _ in channels
        )
        self.static = [name == "static" for name in channels]
        self.freeze_static()
        self.output_dim = size * len(channels)
        self.norm = nn.LayerNorm(self.output_dim, eps=config.layer_norm_eps) if config.embedding_norm else None
        self.dropout = nn.Dropout(config.embedding_dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return the vectors of token ids: [...] int64 -> [..., M * K * D]."""
        members = [channel(input_ids).unflatten(-1, (self.num_members, -1)) for channel in self.channels]
        return self.transform(torch.cat(members, dim=-1).flatten(-2))

    def transform(self, vectors: Tensor) -> Tensor:
        """Apply layer norm and dropout to looked-up vectors: [..., M * K * D] -> the same shape."""
        if self.norm is not None:
            vectors = self.norm(vectors)
        return self.dropout(vectors)

    def freeze_static(self) -> None:
        """Exclude the static channel from training (again, after weights were loaded as new parameters)."""
        for static, channel in zip(self.static, self.channels, strict=True):
            channel.weight.requires_grad_(not static)

    @torch.no_grad()
    def set_vectors(self, matrix: Tensor) -> None:
        """Initialise every channel of every member from the rows of a matrix [V, D], or of one each, [V, M, D].

        Raises:
            ValueError: the matrix has another shape.
        """
        rows, columns = self.channels[0].weight.shape
        expected = (rows, columns // self.num_members)
        if tuple(matrix.shape) not in (expected, (rows, self.num_members, expected[1])):
            raise ValueError(
                f"vectors: got a {tuple(matrix.shape)} matrix; expected {expected} (vocab_size, embedding_dim)"
            )
        for channel in self.channels:
            channel.weight.unflatten(1, (self.num_members, -1)).copy_(matrix if matrix.ndim == 3 else matrix[:, None])
            channel.weight[channel.padding_idx].zero_()
