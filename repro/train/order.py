"""The order of the images in an epoch, a function of seed and epoch."""

from __future__ import annotations

import torch

from repro.train.seeds import generator


def permutation(images: int, *, seed: int, epoch: int, order: str) -> torch.Tensor:
    """Return the order of epoch 1, 2, ...: int64 [images], one for all epochs if `repeated`, one for each if `fresh`.

    The released source repeats one order (source.md 1, 30).
    """
    name = ("order",) if order == "repeated" else ("order", epoch)
    return torch.randperm(images, generator=generator(seed, *name))
