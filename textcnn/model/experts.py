"""A mixture of experts: several banks of parallel convolutions, of which a router picks a few for each text.

Shazeer et al. 2017, https://arxiv.org/abs/1701.06538; the loss that balances the banks is that of Fedus et al. 2021,
"Switch Transformers", https://arxiv.org/abs/2101.03961, section 2.2.

Shapes: `B` texts, `N` positions of all texts, `U` distinct tokens, `D` vector size, `F` filters of a bank, `X` banks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TextCNNConfig
from .convolution import ParallelConv


class ExpertsConv(nn.Module):
    """Banks of convolutions and a linear router over the mean of a text's token vectors.

    The mean is a sum over tokens, so that the router folds into a table as the banks do. A chosen bank's features are
    multiplied by its probability, through which the router learns; the others' are 0. Only chosen banks are computed.
    """

    def __init__(self, config: TextCNNConfig, input_dim: int) -> None:
        super().__init__()
        self.banks = nn.ModuleList(ParallelConv(config, input_dim) for _ in range(config.num_experts))
        self.router = nn.Linear(input_dim, config.num_experts)
        self.experts_per_text = config.experts_per_text
        self.filters = sum(config.filters)

    def route(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gates [B, X] and the balancing loss of a flat batch: vectors [U, D], index [N], offsets [B + 1].

        A gate is the bank's probability, or 0 where the bank is not among the `experts_per_text` most probable ones.
        The loss is X times the sum over banks of the share of texts that go to it times its mean probability: 1 where
        all banks are used alike.
        """
        real = index >= 0
        text = _text_of(offsets)[real]
        sums = vectors.new_zeros(len(offsets) - 1, vectors.shape[1]).index_add(0, text, vectors[index[real]])
        counts = torch.bincount(text, minlength=len(sums)).clamp(min=1)
        probabilities = self.router(sums / counts[:, None]).softmax(dim=1)
        # Stable: of banks alike the first, as the tables have it.
        order = probabilities.sort(dim=1, descending=True, stable=True).indices[:, : self.experts_per_text]
        chosen = torch.zeros_like(probabilities).scatter(1, order, 1.0)
        shares = chosen.mean(dim=0) / self.experts_per_text
        return probabilities * chosen, len(self.banks) * (shares * probabilities.mean(dim=0)).sum()

    def features(self, vectors: Tensor, index: Tensor, offsets: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and winners [B, X F] of a flat batch, bank after bank; 0 and -1 for banks not chosen."""
        shape = (len(offsets) - 1, len(self.banks) * self.filters)
        features, winners = vectors.new_zeros(shape), index.new_full(shape, -1)
        text, lengths = _text_of(offsets), offsets.diff()
        for number, bank in enumerate(self.banks):
            rows = gates[:, number].nonzero()[:, 0]
            if not len(rows):
                continue
            own = index[gates[text, number] > 0]
            begins = torch.cat([offsets[:1], lengths[rows].cumsum(dim=0)])
            found, windows = bank(vectors, own, begins)
            columns = torch.arange(number * self.filters, (number + 1) * self.filters, device=rows.device)
            place = (rows[:, None], columns)
            features = features.index_put(place, (found * gates[rows, number, None]).to(features.dtype))
            winners = winners.index_put(place, windows)
        return features, winners

    def forward(self, vectors: Tensor, index: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of a flat batch.

        Shapes: vectors [U, D], index [N], offsets [B + 1] -> features, winners [B, X F].
        """
        return self.features(vectors, index, offsets, self.route(vectors, index, offsets)[0])


def _text_of(offsets: Tensor) -> Tensor:
    """Number of the text of each position: [B + 1] -> [N]."""
    return torch.repeat_interleave(torch.arange(len(offsets) - 1, device=offsets.device), offsets.diff())
