"""A bag of tokens and hashed n-grams: rows of weights, pooled over a text.

Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification", https://arxiv.org/abs/1607.01759. The hash of an
n-gram is fastText's, over fixed hashes of the token ids; `textcnn/core/bag.hpp` computes the same.

Shapes: `B` texts, `N` tokens of all texts, `G` features of all texts, `L` longest n-gram, `V` vocabulary, `C` classes,
`D` values in a row: C, or bag_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import TextCNNConfig

_FACTOR = 116049371
_LOW = 0xFFFFFFFF


class BagRows(nn.Embedding):
    """The rows of a bag, which start between -bound and bound."""

    bound = 0.0


class BagOutput(nn.Linear):
    """The layer that makes logits of the vectors of a bag; it starts at 0, as in fastText."""


class HashedBag(nn.Module):
    """The logits of a bag: one row for each token and each n-gram of 2 to `bag_ngrams` tokens, pooled.

    The rows are added up (sum), and divided by their number (mean) or by its square root (sqrtn), so that long texts do
    not have the largest logits. sqrtn is the combiner of that name in TensorFlow.

    A token has the row of its id. An n-gram has row V + hash mod bag_buckets, so that different n-grams may share one.
    Rows hold logits, or with `bag_dim` vectors that a linear layer makes logits of, as in fastText. A text without a
    token has logits of 0. In training, the fraction `dropout` of the features is left out.

    Example:
        >>> bag = HashedBag(TextCNNConfig(vocab_size=100, bag="sum", bag_buckets=64))
        >>> bag(torch.tensor([5, 7, 9]), None, torch.tensor([0, 2, 3])).shape
        torch.Size([2, 2])
    """

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__()
        self.pooling, self.vocab_size, self.pad_token_id = config.bag, config.vocab_size, config.pad_token_id
        self.ngrams, self.dropout = config.bag_ngrams, config.dropout
        self.buckets = config.bag_buckets if config.bag_ngrams > 1 else 0
        columns = config.num_logits if config.bag_dim is None else config.bag_dim
        self.rows = BagRows(config.vocab_size + self.buckets, columns)
        self.output = None
        if config.bag_dim is not None:
            # As fastText starts its vectors; rows of logits start at 0.
            self.rows.bound = 1 / config.bag_dim
            self.output = BagOutput(config.bag_dim, config.num_logits, bias=False)

    def forward(self, ids: Tensor, holes: Tensor | None, offsets: Tensor) -> Tensor:
        """Return the logits of a flat batch: ids [N], holes [N] or None, offsets [B + 1] -> [B, C].

        Args:
            ids: Token ids of all texts, one text after the other.
            holes: True where a position is padding inside a text; None where there is none.
            offsets: Text b is ids[offsets[b]:offsets[b + 1]].
        """
        features, counts = self.features(ids, holes, offsets)
        if self.training and self.dropout:
            features, counts = self._dropped(features, counts)
        # Sparse gradients are those of distinct rows: each is read once.
        distinct, index = features.unique(return_inverse=True)
        ends = functional.pad(counts.cumsum(0), (1, 0))
        mode = "mean" if self.pooling == "mean" else "sum"
        pooled = functional.embedding_bag(index, self.rows(distinct), ends, mode=mode, include_last_offset=True)
        if self.pooling == "sqrtn":
            pooled = pooled / counts.clamp(min=1).to(pooled).sqrt()[:, None]
        if self.training and self.dropout and self.pooling != "mean":
            kept = 1 - self.dropout
            pooled = pooled / (kept if self.pooling == "sum" else kept**0.5)
        return pooled if self.output is None else self.output(pooled)

    def _dropped(self, features: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Leave out a fraction `dropout` of the features, drawn at random."""
        kept = torch.rand(len(features), device=features.device) >= self.dropout
        ends = functional.pad(counts.cumsum(0), (1, 0))
        return features[kept], functional.pad(kept.cumsum(0), (1, 0))[ends].diff()

    def features(self, ids: Tensor, holes: Tensor | None, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows [G] of the features of all texts, text by text, and the number of rows of each text: [B]."""
        count = len(ids)
        ids = ids.long()
        # [N, L]: the row of the n-gram of each length that begins at each token.
        rows = ids.new_full((count, self.ngrams), -1)
        # The padding token is none, also where a text names it.
        real = ids != self.pad_token_id
        if holes is not None:
            real &= ~holes
        rows[:, 0] = torch.where(real, ids, -1)
        hashes, own = _hash_of_ids(ids), _hash_of_ids(ids)
        text = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=ids.device), offsets.diff())
        whole = real
        for length in range(2, min(self.ngrams, count) + 1):
            last = slice(length - 1, None)
            hashes = hashes[:-1] * _FACTOR + own[last]
            whole = whole[:-1] & real[last] & (text[: count - length + 1] == text[last])
            rows[: count - length + 1, length - 1] = torch.where(
                whole, self.vocab_size + _unsigned_remainder(hashes, self.buckets), -1
            )
        exist = rows >= 0
        per_token = functional.pad(exist.sum(dim=1).cumsum(0), (1, 0))
        return rows[exist], per_token[offsets].diff()

    @torch.no_grad()
    def set_logits(self, weights: Tensor) -> None:
        """Start from the logits [V + bag_buckets, C] that each row adds.

        With `bag_dim`, rows hold their coordinates along the directions that carry most of them: all of them where
        bag_dim is at least C.
        """
        weights = weights.to(self.rows.weight)
        if self.output is None:
            self.rows.weight.copy_(weights)
            return
        classes, columns = weights.shape[1], self.rows.embedding_dim
        kept = min(classes, columns)
        directions = torch.eye(classes, dtype=weights.dtype, device=weights.device)
        if columns < classes:
            # Eigenvectors of C x C numbers in place of a decomposition of all rows; the largest values come last.
            directions = torch.linalg.eigh(weights.double().T @ weights.double())[1].flip(1).to(weights)
        self.rows.weight[:, :kept] = weights @ directions[:, :kept]
        self.output.weight.zero_()
        self.output.weight[:, :kept] = directions[:, :kept]


def _hash_of_ids(ids: Tensor) -> Tensor:
    """Signed 32-bit hashes of token ids, in int64: the finaliser of MurmurHash3 of the id plus 2^32 / phi."""
    value = (ids + 0x9E3779B9) & _LOW
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & _LOW
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & _LOW
    value = value ^ (value >> 16)
    return value - ((value >> 31) << 32)


def _unsigned_remainder(hashes: Tensor, buckets: int) -> Tensor:
    """Remainders of int64 numbers that are read as unsigned."""
    high, low = (hashes >> 32) & _LOW, hashes & _LOW
    return ((high % buckets) * (2**32 % buckets) + low) % buckets
