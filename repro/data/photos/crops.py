"""Photos in batches: uint8 on the device where they fit, else streamed from the map; cropped as they are taken."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch

from repro.data.augment import (
    Colour,
    Components,
    Crops,
    Draws,
    View,
    both_ways,
    components,
    crop_by_gather,
    crop_by_slices,
    draw,
    ten_views,
)
from repro.data.batches import Batch
from repro.data.photos.maps import Photos, in_proportion
from repro.data.photos.stream import stream

SHARE = 0.5  # assumed: photos may take half of what is free on a GPU, the net has the rest
FIXED = 1000  # DESIGN, a run: so many photos trained on are tested together with the test photos
BLOCK = 1024  # photos copied to the device at a time

Stored: TypeAlias = "torch.Tensor | np.ndarray"  # uint8 [n, h, w, 3]: on the device, or to be streamed from
Part: TypeAlias = tuple[
    torch.Tensor, torch.Tensor, torch.Tensor
]  # photos on the device, which of them (int64 [b]), their labels


class PhotoBatches:
    """The photos of a set in crops of `size`, mean-subtracted as they are taken, float32 on the scale of 0..255.

    crops, mirror, colour: see `repro.data.augment.draw`.
    mean   per_offset   each pixel loses its own mean over the training set: the mean image is cropped and mirrored with
                        the photo (§2 as printed)
           centre       every crop loses the mean image's centre, whatever its offset (source.md 1, 24)
    scale  raw, or standardised: then divided by the deviation of each channel about the mean image.
    factor multiplies the result
    constants  means, then deviations of R, G and B on [0, 1], as published weights were trained on: (x / 255 - mean) /
               deviation in place of `mean` and `scale`

    `resident`: whether the stored photos lie on the device: on the CPU the map itself does, and on a GPU a copy where
    it fits into half of the free memory; else they are streamed. Batches are the same bits either way. `components` are
    those of the photos trained on. Only training sees noise and its division by 1.1.
    """

    def __init__(
        self,
        photos: Photos,
        *,
        device: torch.device | str,
        size: int,
        crops: Crops = "paper",
        mirror: bool = True,
        mean: Literal["per_offset", "centre"] = "per_offset",
        colour: Colour = "none",
        scale: Literal["raw", "standardised"] = "raw",
        factor: float = 1.0,
        constants: Sequence[float] | None = None,
        resident: bool | None = None,
    ):
        height, width, channels = photos.sums.shape
        assert height == width >= size, f"crops of {size} from photos of {height}x{width}"
        assert crops in ("paper", "source", "all", "none"), crops
        assert colour in ("paper", "source", "none"), colour
        assert mean in ("per_offset", "centre"), mean
        assert scale in ("raw", "standardised"), scale
        self.device, self.factor = torch.device(device), factor
        self.classes = len(photos.classes)
        self.image = (channels, size, size)
        self.border = height - size
        self.components: Components = components(photos.sums, photos.products, len(photos.train))
        self._photos, self._crops, self._mirror, self._colour = photos, crops, mirror, colour
        whole = torch.from_numpy(photos.sums).double().div(len(photos.train)).float()
        if constants is not None:
            whole = torch.tensor(constants[:3]).mul(255).expand(height, width, channels).contiguous()
        self._mean = whole.to(self.device)  # [h, w, 3]
        self._per_offset = mean == "per_offset"
        self._ways = both_ways(size).to(self.device)
        self._deviation = _deviation(photos).to(self.device) if scale == "standardised" else None
        if constants is not None:
            self._deviation = torch.tensor(constants[3:]).mul(255).to(self.device)
        if resident is None:
            resident = self.device.type != "cuda" or _fits(photos, self.device)
        self.resident = resident
        self._train_x, self._test_x = (_resident(x, self.device) if resident else x
                                       for x in (photos.train_x, photos.test_x))  # fmt: skip
        self._fed: torch.Tensor | None = None  # photos of a minibatch, where not all are resident
        # rows of the photos trained on, then of those held out: what `index` counts
        self._rows, self._train_y, self._test_y = (
            torch.from_numpy(a).to(self.device)
            for a in (np.concatenate([photos.train, photos.held_out]), photos.train_y, photos.test_y)
        )

    def __len__(self) -> int:
        """Return the number of photos trained on."""
        return len(self._photos.train)

    @property
    def kept(self) -> int:
        """The number of training photos that are held out. Their indices follow those of the photos trained on; `train`
        and `places` take them too, for runs that fold them in. Mean image and components never count them."""
        return len(self._photos.held_out)

    def draw(self, generator: torch.Generator, *, colour: bool = True, images: int | None = None) -> Draws:
        """Return the draws for an epoch, on the device: for the photos trained on, or for so many `images`. `colour`
        False: without noise, and without its division."""
        kind = self._colour if colour else "none"
        many = len(self) if images is None else images
        drawn = draw(many, generator, border=self.border, crops=self._crops, mirror=self._mirror, colour=kind,
                     of=self.components)  # fmt: skip
        return drawn.to(self.device)

    def train(self, index: torch.Tensor, draws: Draws | None) -> Batch:
        """Return the training photos `index` (int64 [b], on the device, below len + kept), drawn so, as `take` does,
        and their labels int64 [b]."""
        assert draws is not None, "crops are drawn"
        rows = self._rows.index_select(0, index)
        if self.resident:
            return self.take(rows, draws), self.labels(index)
        stored = torch.from_numpy(self._train_x[rows.cpu().numpy()]).to(self.device)
        return self._cropped(stored, _count(stored), draws), self.labels(index)

    def labels(self, index: torch.Tensor) -> torch.Tensor:
        """Return the labels of the training photos `index`: int64 [n], on the device."""
        return self._train_y.index_select(0, self._rows.index_select(0, index))

    def places(self, order: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
        """Return where `take` finds the training photos in `order` (int64 [n], on the device), shown in minibatches of
        `sizes`: their rows of all photos, or of the minibatch that `feed` puts there."""
        if self.resident:
            return self._rows.index_select(0, order)
        return torch.cat([torch.arange(size, device=self.device) for size in sizes])

    def take(self, places: torch.Tensor, draws: Draws | None) -> torch.Tensor:
        """Return the photos at `places` (int64 [b], of `places`), drawn so: float32 [b, 3, s, s], channels-last.

        Where photos are resident, and not on the CPU, no value is read on the host.
        """
        assert draws is not None, "crops are drawn"
        return self._cropped(self._train_x if self._fed is None else self._fed, places, draws)

    def feed(self, order: torch.Tensor, sizes: Sequence[int]) -> Iterator[None] | None:
        """Return None where all photos are on the device, else an iterator that puts them there for `take`.

        Each of its steps puts one minibatch there: `sizes` of the training photos in `order` (int64 [n]), whose next
        one is read meanwhile.
        """
        if self.resident:
            return None
        if self._fed is None or len(self._fed) < max(sizes):
            self._fed = torch.empty((max(sizes), *self._train_x.shape[1:]), dtype=torch.uint8, device=self.device)
        return self._feed(self._fed, [rows.numpy() for rows in self._rows.cpu()[order.cpu()].split(list(sizes))])

    def _feed(self, place: torch.Tensor, minibatches: list[np.ndarray]) -> Iterator[None]:
        for stored in stream(self._train_x, minibatches, self.device):
            place[: len(stored)].copy_(stored)
            yield

    def test(self, size: int) -> Iterator[Batch]:
        """Yield centre views of the test photos in order, `size` at a time, the last batch smaller where it must be."""
        return self._centre(self._test_x, self._test_y, self._photos.test, size)

    def held_out(self, size: int) -> Iterator[Batch]:
        """Yield centre views of the training photos that are kept from training."""
        return self._centre(self._train_x, self._train_y, self._photos.held_out, size)

    def fixed(self, size: int, images: int = FIXED) -> Iterator[Batch]:
        """Yield centre views of the same training photos every time: `images` of them, or all where there are fewer,
        from each class in proportion."""
        wanted = min(images, len(self))
        rows = in_proportion(self._photos.train_y, self._photos.train, wanted, "images")
        return self._centre(self._train_x, self._train_y, rows, size)

    def in_inputs(self, levels: np.ndarray) -> torch.Tensor:
        """Return a shift of R, G, B in grey levels (float64 [3]) on the scale of the inputs: float32 [3, 1, 1]."""
        shift = torch.from_numpy(levels).float().to(self.device)
        return (shift if self._deviation is None else shift / self._deviation)[:, None, None]

    def views(self, size: int) -> Iterator[Batch]:
        """Yield all ten views of `size` test photos at a time, in the source's order.

        x float32 [10, b, 3, s, s], y int64 [b].

        The answer for a photo is the mean of its ten softmax outputs.
        """
        views = ten_views(self.border)
        for pixels, where, y in self._in_order(self._test_x, self._test_y, self._photos.test, size):
            yield torch.stack([self._view(pixels, where, view) for view in views]), y

    def _centre(self, x: Stored, y: torch.Tensor, rows: np.ndarray, size: int) -> Iterator[Batch]:
        middle = self.border // 2
        for pixels, where, labels in self._in_order(x, y, rows, size):
            yield self._view(pixels, where, (middle, middle, False)), labels

    def _in_order(self, x: Stored, y: torch.Tensor, rows: np.ndarray, size: int) -> Iterator[Part]:
        sizes = [min(size, len(rows) - lo) for lo in range(0, len(rows), size)]
        return self._parts(x, y, torch.from_numpy(rows).to(self.device), sizes)

    def _parts(self, x: Stored, y: torch.Tensor, rows: torch.Tensor, sizes: list[int]) -> Iterator[Part]:
        """Yield the photos `rows` of x (int64 [n], on the device), `sizes` at a time."""
        parts = rows.split(sizes)
        if self.resident:
            places = ((x, part) for part in parts)
        else:
            streamed = stream(x, [part.numpy() for part in rows.cpu().split(sizes)], self.device)
            places = ((stored, _count(stored)) for stored in streamed)
        for (pixels, where), part in zip(places, parts, strict=True):
            yield pixels, where, y.index_select(0, part)

    def _view(self, pixels: torch.Tensor, where: torch.Tensor, view: View) -> torch.Tensor:
        y, x, mirrored = (torch.full_like(where, value) for value in view)
        return self._cropped(pixels, where, Draws(y, x, mirrored.bool()))

    def _cropped(self, pixels: torch.Tensor, where: torch.Tensor, draws: Draws) -> torch.Tensor:
        """Return the inputs of the photos `where` (int64 [b]) of `pixels` [n, h, w, 3]: [b, 3, s, s], channels-last."""
        size = self.image[1]
        if self.device.type == "cpu":
            x = crop_by_slices(pixels, where, draws, size, self._mean, self._per_offset)
        else:
            x = crop_by_gather(pixels, where, draws, self._ways, self._mean, self._per_offset)
        lines = x.flatten(2)  # a view, [b, s, s * 3]: on a CPU a sum along whole lines is faster than of three values
        if draws.shift is not None and self.device.type == "cpu":
            lines.add_(draws.shift.repeat(1, size)[:, None])
        elif draws.shift is not None:
            x.add_(draws.shift[:, None, None])
        if draws.divisor != 1:
            lines.div_(draws.divisor)
        if self._deviation is not None:
            lines.div_(self._deviation.repeat(size))
        if self.factor != 1:
            lines.mul_(self.factor)
        return x.permute(0, 3, 1, 2)


def _count(stored: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(stored), device=stored.device)


def _deviation(photos: Photos) -> torch.Tensor:
    """Return the deviation of each channel about the mean image, float32 [3]; whole numbers up to the one division, as
    in `repro.data.batches.deviation`."""
    n, (height, width, channels) = len(photos.train), photos.sums.shape
    squares = [sum(int(s) ** 2 for s in photos.sums[..., c].flat) for c in range(channels)]
    variances = [(n * int(photos.products[c, c]) - squares[c]) / (n * n * height * width) for c in range(channels)]
    return torch.tensor(variances, dtype=torch.float64).sqrt().float()


def _fits(photos: Photos, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return photos.train_x.nbytes + photos.test_x.nbytes <= SHARE * free


def _resident(x: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the photos as a tensor on the device: of the CPU the map itself, else a copy, read a block at a time."""
    if device.type == "cpu":
        with warnings.catch_warnings():
            # A map that could be written to would count as memory in full, and ImageNet is larger than that.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(x)
    out = torch.empty(x.shape, dtype=torch.uint8, device=device)
    for lo in range(0, len(x), BLOCK):
        out[lo : lo + BLOCK] = torch.from_numpy(np.array(x[lo : lo + BLOCK]))
    return out
