"""Squeeze and excitation: channels weighted by their mean over a text.

Hu et al. 2018, "Squeeze-and-Excitation Networks", https://arxiv.org/abs/1709.01507.

Shapes: `B` texts, `T` positions, `F` channels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .sequences import masked_mean

# Channels for each unit of the bottleneck; 16 in the paper, whose layers are wider.
_REDUCTION = 8


class SqueezeExcitation(nn.Module):
    """Gate of each channel, between 0 and 1, which two linear layers compute from the means of all channels.

    Equation:
        gate = sigmoid(W2 relu(W1 mean_t(x_t) + b1) + b2); y_t = gate * x_t
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(1, channels // _REDUCTION))
        self.excite = nn.Linear(self.squeeze.out_features, channels)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Return the weighted values: [B, T, F], mask [B, T, 1] -> [B, T, F]; the mean leaves padding out."""
        gate = self.excite(functional.relu(self.squeeze(masked_mean(values, mask)))).sigmoid()
        return values * gate[:, None]
