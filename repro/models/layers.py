"""Layers that torch does not have, or not with the 2012 meaning."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class SameMapNorm(nn.Module):
    """Response normalisation within a map (source.md 4, rnorm): [n, c, h, w] -> [n, c, h, w].

    y = x / (1 + alpha/size^2 * sum of x^2 over the size x size window centred at the pixel, clipped)^beta.
    The divisor is size^2 at the borders too.
    """

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.float() if x.dtype == torch.bfloat16 else x  # which has no number between 1 and 1.0078
        # count_include_pad divides by size^2 everywhere, so that alpha times the mean is alpha/size^2 times the sum
        mean_square = F.avg_pool2d(wide * wide, self.size, stride=1, padding=self.size // 2, count_include_pad=True)
        return (wide * (1 + self.alpha * mean_square) ** -self.beta).to(x.dtype)
