"""Which images make up each update of an epoch: a function of (seed, epoch), by default drawn once and repeated."""

from __future__ import annotations

import torch

from repro.train.seeds import generator


def permutation(images: int, *, seed: int, epoch: int, order: str) -> torch.Tensor:
    """int64 [images]: the order of epoch 1, 2, ...; `repeated` is the source's way, `fresh` draws every epoch anew."""
    name = ("order",) if order == "repeated" else ("order", epoch)
    return torch.randperm(images, generator=generator(seed, *name))
