"""Dropout masks as packed bits, drawn on the CPU for a whole epoch, so that all devices use the same masks."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch
from torch import nn

from repro.nets.layers import Dropout

WORD = 64  # bits of a random number
PRECISION = 24  # binary digits of a probability, as of an fp32 uniform draw in the original (source.md 1, 28)


class Masks:
    """The masks of all dropout layers of a net on `device`: one row of words per image, one bit per unit."""

    def __init__(self, net: nn.Module, device: torch.device | str = "cpu") -> None:
        self.layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, Dropout)]
        self.words = [ceil(layer.units / WORD) for _, layer in self.layers]
        self._shifts = torch.arange(8, dtype=torch.uint8, device=device)

    def draw(self, images: int, generator_for: Callable[[str], torch.Generator]) -> torch.Tensor:
        """Draw the masks of some images, int64 [images, words], on the CPU, a layer's from `generator_for(name)`."""
        drawn = [
            _bernoulli(images * words, layer.keep, generator_for(name)).view(images, words)
            for (name, layer), words in zip(self.layers, self.words, strict=True)
        ]
        return torch.cat(drawn, 1) if drawn else torch.empty(images, 0, dtype=torch.int64)

    def put(self, rows: torch.Tensor) -> None:
        """Set the masks of each dropout layer for the next forward pass from `rows`, int64 [b, words] of `draw`."""
        bits = (rows.view(torch.uint8).unsqueeze(2) >> self._shifts).bitwise_and_(1).flatten(1)
        for (_, layer), part in zip(self.layers, bits.split([WORD * words for words in self.words], 1), strict=True):
            layer.mask = part[:, : layer.units]


def _bernoulli(words: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Draw int64 [words], each bit 1 with `probability` rounded to 24 binary digits.

    From the last digit of the probability to the first, a random word is combined by `or` if the digit is 1 and by
    `and` if it is 0. After each step a bit is 1 with the probability that the digits so far represent. A probability of
    one half needs one word, so one random number serves 64 units.
    """
    digits = round(probability * 2**PRECISION)
    assert 0 < digits < 2**PRECISION, probability
    place = (digits & -digits).bit_length() - 1  # zeros after the last 1 have no effect
    out = torch.zeros(words, dtype=torch.int64)
    while place < PRECISION:
        drawn = torch.empty(words, dtype=torch.int64).random_(-(2**63), None, generator=generator)
        out = out | drawn if digits >> place & 1 else out & drawn
        place += 1
    return out
