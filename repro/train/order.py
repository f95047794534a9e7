"""Which images make up each update of an epoch: a function of (seed, epoch), by default drawn once and repeated."""

from __future__ import annotations

import torch

from repro.train.seeds import generator


def permutation(images: int, *, seed: int, epoch: int, order: str) -> torch.Tensor:
    """Return the order of epoch 1, 2, ...: int64 [images]; `repeated` is the source's way, `fresh` draws each anew."""
    name = ("order",) if order == "repeated" else ("order", epoch)
    return torch.randperm(images, generator=generator(seed, *name))
