"""Crops, reflections and colour noise (§4.1), as the paper prints them and as the source does them.

All randomness of an epoch is drawn at once, on the CPU, from the generator that the caller passes: devices agree, and
an epoch can be repeated. Crops are taken on the device that holds the photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

Crops = Literal["paper", "source", "all", "none"]
Colour = Literal["paper", "source", "none"]
View = tuple[int, int, bool]  # offset down, offset right, mirrored

SHARED = 32  # source.md 1, 22: so many consecutive images share one offset and one reflection
STRENGTH = 0.1  # §4.1: the deviation of alpha; source.md 1, 19: the noise's coefficient


@dataclass(frozen=True)
class Draws:
    """The random draws for some images, in the order in which they are trained on.

    `y`, `x` int64 [n]: offsets of the crop; `mirrored` bool [n]; `shift` float32 [n, 3]: grey levels (0..255 scale) to
    add to R, G, B, or None. With the source's noise images are divided by 1.1 afterwards: `divisor`.
    """

    y: torch.Tensor
    x: torch.Tensor
    mirrored: torch.Tensor
    shift: torch.Tensor | None = None
    divisor: float = 1.0

    def to(self, device: torch.device | str) -> Draws:
        """Return the same draws on a device."""
        shift = None if self.shift is None else self.shift.to(device)
        return Draws(self.y.to(device), self.x.to(device), self.mirrored.to(device), shift, self.divisor)

    def words(self) -> torch.Tensor:
        """Return all of it as whole numbers, int64 [n, 3], or [n, 5] where there is a shift."""
        drawn = torch.stack([self.y, self.x, self.mirrored.long()], 1)
        if self.shift is None:
            return drawn
        return torch.cat([drawn, F.pad(self.shift, (0, 1)).view(torch.int64)], 1)

    def from_words(self, words: torch.Tensor) -> Draws:
        """Return the draws with these `words`, and with the divisor of the draws at hand."""
        shift = None if self.shift is None else words[:, 3:].view(torch.float32)[:, :3]
        return Draws(words[:, 0], words[:, 1], words[:, 2], shift, self.divisor)


@dataclass(frozen=True)
class Components:
    """Principal components of the RGB values of the training set, on the 0..255 scale.

    `variances` float64 [3], ascending: the eigenvalues of the covariance of R, G, B; `vectors` float64 [3, 3]: its
    columns the eigenvectors, the largest entry of each positive.
    """

    variances: np.ndarray
    vectors: np.ndarray


def components(sums: np.ndarray, products: np.ndarray, images: int) -> Components:
    """Return the components of a training set of so many `images` from its sums, whole numbers.

    `sums` of each pixel int64 [h, w, 3], `products` of channels over all pixels int64 [3, 3].
    """
    pixels = images * sums.shape[0] * sums.shape[1]
    totals = [int(total) for total in sums.sum((0, 1))]
    covariance = np.array(
        [[(pixels * int(products[a, b]) - totals[a] * totals[b]) / pixels**2 for b in range(3)] for a in range(3)]
    )
    variances, vectors = np.linalg.eigh(covariance)
    largest = vectors[np.abs(vectors).argmax(0), range(3)]
    return Components(variances.clip(0), vectors * np.where(largest < 0, -1, 1))  # eigh leaves the sign open


def _offsets(border: int, crops: Crops) -> int:
    """Return the number of offsets: the paper counts 32 on a border of 32 (2048 = 32 x 32 x 2), the source draws 0..32
    (source.md 1, 21)."""
    return {"paper": max(1, border), "source": border + 1, "all": border + 1, "none": 1}[crops]


def draw(
    images: int,
    generator: torch.Generator,
    *,
    border: int,
    crops: Crops = "paper",
    mirror: bool = True,
    colour: Colour = "none",
    of: Components | None = None,
) -> Draws:
    """Draw for `images` images, trained on one after the other; `border`: stored size minus crop size.

    crops: paper     an offset and a reflection for each image
           source    one for 32 consecutive images, counted from the first (source.md 1, 22)
           all       one for each image, of all offsets: how CIFAR-10 is cropped (source.md 3.1)
           none      the centre, not drawn; `mirror` then reflects each image independently
    colour: paper    sum_j p_j alpha_j lambda_j, alpha ~ N(0, 0.1), lambda the variances of values in [0, 1] (§4.1)
            source   0.1 sum_j p_j s_j z_j, s the deviations; then everything divided by 1.1 (source.md 1, 19)

    All offsets are drawn first, then all reflections, then all noise: a later one changes no earlier one.
    """
    shared = SHARED if crops == "source" else 1
    groups = -(-images // shared)
    if crops == "none":
        y = x = torch.full((groups,), border // 2)
    else:
        y, x = torch.randint(_offsets(border, crops), (2, groups), generator=generator)
    mirrored = torch.zeros(groups, dtype=torch.bool)
    if mirror:
        mirrored = torch.randint(2, (groups,), generator=generator).bool()
    y, x, mirrored = (tensor.repeat_interleave(shared)[:images] for tensor in (y, x, mirrored))
    if colour == "none":
        return Draws(y, x, mirrored)
    assert of is not None, "colour noise needs the components of the training set"
    z = torch.randn(images, 3, generator=generator, dtype=torch.float64)
    # on [0, 1] the variances are lambda / 255^2; the noise there, times 255, is in grey levels
    strength = of.variances / 255 if colour == "paper" else np.sqrt(of.variances)
    by_component = torch.from_numpy((of.vectors * (STRENGTH * strength)).T.copy())  # [component, channel]
    shift = (z[:, :, None] * by_component).sum(1)  # float64 in one order: every machine rounds alike
    return Draws(y, x, mirrored, shift.float(), 1.0 if colour == "paper" else 1 + STRENGTH)


def both_ways(size: int) -> torch.Tensor:
    """Return the columns of a crop from its left edge, as they are and mirrored: int64 [2, size]."""
    return torch.stack([torch.arange(size), torch.arange(size).flip(0)])


def crop_by_gather(
    pixels: torch.Tensor, rows: torch.Tensor, draws: Draws, ways: torch.Tensor, mean: torch.Tensor, per_offset: bool
) -> torch.Tensor:
    """Return the crops of images `rows` (int64 [b]) of `pixels` (uint8 [n, h, w, 3], contiguous) less the mean image
    `mean` (float32 [h, w, 3]), mirrored where drawn so: float32 [b, size, size, 3].

    Offset (0, 0) is the upper left corner. `per_offset`: the mean image is cropped and mirrored with each image; else
    every crop loses its centre. `ways`: of `both_ways`, on the device. One gather takes all images. No value is read on
    the host, which would have to wait for the GPU.
    """
    lines = (draws.y[:, None] + ways[0])[:, :, None]
    columns = (draws.x[:, None] + ways.index_select(0, draws.mirrored.long()))[:, None]
    means = mean[lines, columns] if per_offset else _centre(mean, ways.shape[1])
    return torch.sub(pixels[rows[:, None, None], lines, columns], means)


def crop_by_slices(
    pixels: torch.Tensor, rows: torch.Tensor, draws: Draws, size: int, mean: torch.Tensor, per_offset: bool
) -> torch.Tensor:
    """Return the same as `crop_by_gather`, bit for bit, one image after the other: six to eight times as fast on a CPU.

    A slice is copied line by line, a gather value by value; and one image at a time stays in the cache.
    """
    width = pixels.shape[2]
    out = torch.empty(len(rows), size, size, pixels.shape[3])
    centre, mirrored_mean = _centre(mean, size), mean.flip(1)
    drawn = (tensor.tolist() for tensor in (rows, draws.y, draws.x, draws.mirrored))
    for one, row, y, x, mirrored in zip(out, *drawn, strict=True):
        image, means = pixels[row, y : y + size, x : x + size], centre
        if per_offset and mirrored:
            means = mirrored_mean[y : y + size, width - size - x : width - x]
        elif per_offset:
            means = mean[y : y + size, x : x + size]
        one.copy_(image.flip(1) if mirrored else image).sub_(means)
    return out


def _centre(mean: torch.Tensor, size: int) -> torch.Tensor:
    top, left = ((side - size) // 2 for side in mean.shape[:2])
    return mean[top : top + size, left : left + size]


def ten_views(border: int) -> list[View]:
    """Return corners and centre, then the same mirrored, in the source's order (source.md 1, 26)."""
    middle = border // 2
    offsets = [(0, 0), (0, border), (middle, middle), (border, 0), (border, border)]
    return [(y, x, mirrored) for mirrored in (False, True) for y, x in offsets]
