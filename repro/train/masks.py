"""Dropout's masks as packed bits: an epoch's are drawn at once on the CPU, so devices agree, and sent once."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch
from torch import nn

from repro.nets.layers import Dropout

WORD = 64  # bits of a random number
PRECISION = 24  # binary digits of a probability: those of an fp32 uniform draw, as the original's (source.md 1, 28)


class Masks:
    """The masks of all dropout layers of a net on `device`: a row of words for each image, a bit for each unit."""

    def __init__(self, net: nn.Module, device: torch.device | str = "cpu") -> None:
        self.layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, Dropout)]
        self.words = [ceil(layer.units / WORD) for _, layer in self.layers]
        self._shifts = torch.arange(8, dtype=torch.uint8, device=device)

    def draw(self, images: int, generator_of: Callable[[str], torch.Generator]) -> torch.Tensor:
        """Draw masks for so many images, a layer's from `generator_of(its name)`: int64 [images, words], on the CPU."""
        drawn = [
            _bernoulli(images * words, layer.keep, generator_of(name)).view(images, words)
            for (name, layer), words in zip(self.layers, self.words, strict=True)
        ]
        return torch.cat(drawn, 1) if drawn else torch.empty(images, 0, dtype=torch.int64)

    def put(self, rows: torch.Tensor) -> None:
        """Give each dropout layer its masks in `rows` (int64 [b, words], of `draw`) for the next forward pass."""
        bits = (rows.view(torch.uint8).unsqueeze(2) >> self._shifts).bitwise_and_(1).flatten(1)
        for (_, layer), part in zip(self.layers, bits.split([WORD * words for words in self.words], 1), strict=True):
            layer.mask = part[:, : layer.units]


def _bernoulli(words: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Draw int64 [words], each of whose bits is 1 with `probability`, rounded to 24 binary digits.

    From the last digit of the probability to the first, a random word is joined by `or` where the digit is 1 and by
    `and` where it is 0: after each, a bit is 1 with the probability that the digits so far stand for. One half takes
    one word, so 64 units take one random number.
    """
    digits = round(probability * 2**PRECISION)
    assert 0 < digits < 2**PRECISION, probability
    place = (digits & -digits).bit_length() - 1  # what follows the last 1 changes nothing
    out = torch.zeros(words, dtype=torch.int64)
    while place < PRECISION:
        drawn = torch.empty(words, dtype=torch.int64).random_(-(2**63), None, generator=generator)
        out = out | drawn if digits >> place & 1 else out & drawn
        place += 1
    return out
