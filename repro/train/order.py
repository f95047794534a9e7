"""Which images make up each update of an epoch: a function of (seed, epoch), by default drawn once and repeated."""

from __future__ import annotations

import torch

from repro.train.seeds import generator


def batch_sizes(images: int, *, batch: int, file_images: int) -> list[int]:
    """Sizes of an epoch's minibatches: the images are cut into files, each file into minibatches, its last one short.

    CIFAR-10's five files of 10,000 give 78 minibatches of 128 and one of 16 each: 395 updates (source.md 3.1).
    """
    sizes = []
    for start in range(0, images, file_images):
        whole, rest = divmod(min(file_images, images - start), batch)
        sizes += [batch] * whole + [rest] * (rest > 0)
    return sizes


def permutation(images: int, *, seed: int, epoch: int, order: str) -> torch.Tensor:
    """int64 [images]: the order of epoch 1, 2, ...; `repeated` is the source's way, `fresh` draws every epoch anew."""
    name = ("order",) if order == "repeated" else ("order", epoch)
    return torch.randperm(images, generator=generator(seed, *name))
