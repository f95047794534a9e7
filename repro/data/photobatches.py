"""Photos as batches: uint8 on the device where they fit, else streamed from the map; cropped as they are taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from repro.data.augment import Colour, Components, Crops, Draws, View, components, crop, draw, outcomes, ten_views
from repro.data.batches import Batch
from repro.data.photosets import Photos, in_proportion
from repro.data.photostream import stream

SHARE = 0.5  # assumed: photos may take half of what is free on a GPU, the net has the rest
FIXED = 1000  # DESIGN, a run: so many photos trained on are looked at each half epoch
BLOCK = 1024  # photos copied to the device at a time


class PhotoBatches:
    """The photos of a set in crops of `size`, mean-subtracted as they are taken, float32 on the scale of 0..255.

    crops, mirror, colour: see `repro.data.augment.draw`.
    mean   per_offset   each pixel loses its own mean over the training set: the mean image is cropped and mirrored with
                        the photo (§2 as printed)
           centre       every crop loses the mean image's centre, whatever its offset (source.md 1, 24)
    scale  raw, or standardised: then divided by the deviation of each channel about the mean image.
    factor what everything is multiplied by in the end

    `resident`: whether the stored photos are copied to the device; by default where they fit into half of a GPU's free
    memory, and never on the CPU, which reads the map. Batches are the same bits either way. `components` are those of
    the photos trained on. Only training sees noise and its division by 1.1.
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
        self._mean = whole.to(self.device)  # [h, w, 3]
        self._per_offset = mean == "per_offset"
        self._deviation = _deviation(photos).to(self.device) if scale == "standardised" else None
        if resident is None:
            resident = self.device.type == "cuda" and _fits(photos, self.device)
        self.resident = resident
        self._train_x, self._test_x = (_to_device(x, self.device) if resident else x
                                       for x in (photos.train_x, photos.test_x))  # fmt: skip
        self._fed: torch.Tensor | None = None  # photos of a minibatch, where not all are resident
        self._rows = torch.from_numpy(np.concatenate([photos.train, photos.held_out]))
        self._rows_here, self._train_y, self._test_y = (
            a.to(self.device) for a in (self._rows, torch.from_numpy(photos.train_y), torch.from_numpy(photos.test_y))
        )

    def __len__(self) -> int:
        """Photos trained on."""
        return len(self._photos.train)

    @property
    def kept(self) -> int:
        """Training photos that are held out. Their indices follow those of the photos trained on, and `train` and
        `epoch` take them too, for runs that fold them in; mean image and components stay what they are."""
        return len(self._photos.held_out)

    @property
    def outcomes(self) -> int:
        """Different crops and reflections of one photo."""
        return outcomes(self.border, self._crops, self._mirror)

    def draw(self, generator: torch.Generator, *, colour: bool = True, images: int | None = None) -> Draws:
        """The draws for an epoch, on the device: of the photos trained on, or of so many `images`. `colour` False:
        without noise, and without its division."""
        kind = self._colour if colour else "none"
        many = len(self) if images is None else images
        drawn = draw(many, generator, border=self.border, crops=self._crops, mirror=self._mirror, colour=kind,
                     of=self.components)  # fmt: skip
        return drawn.to(self.device)

    def train(self, index: torch.Tensor, draws: Draws) -> Batch:
        """The training photos `index` (int64 [b], on the device, below len + kept), drawn so: x float32 [b, 3, s, s]
        channels-last, y int64 [b]."""
        rows = self._rows_here.index_select(0, index)
        y = self._train_y.index_select(0, rows)
        if self.resident:
            return self._augmented(self._train_x, rows, draws), y
        on_gpu = self._fed is not None
        stored = self._fed[: len(index)] if on_gpu else torch.from_numpy(self._train_x[rows.numpy()])
        return self._augmented(stored, _count(stored), draws), y

    def feed(self, order: torch.Tensor, sizes: Sequence[int]) -> Iterator[None] | None:
        """Where photos do not fit on the device: an iterator that puts there, minibatch after minibatch of `sizes`, the
        training photos in `order` (int64 [n]), for `train` to take; each is read while the one before is used."""
        if self.resident or self.device.type != "cuda":
            return None
        rows = [part.numpy() for part in self._rows[order.cpu()].split(list(sizes))]
        if self._fed is None or len(self._fed) < max(sizes):
            self._fed = torch.empty((max(sizes), *self._train_x.shape[1:]), dtype=torch.uint8, device=self.device)
        return (self._fed[: len(stored)].copy_(stored) and None for stored in stream(self._train_x, rows, self.device))

    def test(self, size: int) -> Iterator[Batch]:
        """Centre views of the test photos, in order, `size` at a time, the last batch smaller where it must be."""
        return self._centre(self._test_x, self._test_y, self._photos.test, size)

    def held_out(self, size: int) -> Iterator[Batch]:
        """Centre views of the training photos that are kept from training."""
        return self._centre(self._train_x, self._train_y, self._photos.held_out, size)

    def fixed(self, size: int, images: int = FIXED) -> Iterator[Batch]:
        """Centre views of the same training photos every time: `images` of them (all, where there are fewer), from each
        class in proportion."""
        wanted = min(images, len(self))
        rows = in_proportion(self._photos.train_y, self._photos.train, wanted, "images")
        return self._centre(self._train_x, self._train_y, rows, size)

    def in_inputs(self, levels: np.ndarray) -> torch.Tensor:
        """A shift of R, G, B in grey levels (float64 [3]) as it is in what the net sees: float32 [3, 1, 1]."""
        shift = torch.from_numpy(levels).float().to(self.device)
        return (shift if self._deviation is None else shift / self._deviation)[:, None, None]

    def views(self, size: int) -> Iterator[Batch]:
        """All ten views of `size` test photos at a time: x float32 [10, b, 3, s, s] in the source's order, y int64 [b].

        The answer for a photo is the mean of its ten softmax outputs.
        """
        views = ten_views(self.border)
        for stored, y in self._stored(self._test_x, self._test_y, self._photos.test, size):
            yield torch.stack([self._view(stored, view) for view in views]), y

    def _centre(self, x, y, rows: np.ndarray, size: int) -> Iterator[Batch]:  # type: ignore[no-untyped-def]
        middle = self.border // 2
        for stored, labels in self._stored(x, y, rows, size):
            yield self._view(stored, (middle, middle, False)), labels

    def _stored(self, x, y, rows: np.ndarray, size: int) -> Iterator[Batch]:  # type: ignore[no-untyped-def]
        """Photos as stored, uint8 [b, h, w, 3], and their labels."""
        parts = [rows[lo : lo + size] for lo in range(0, len(rows), size)]
        here = [torch.from_numpy(part).to(self.device) for part in parts]
        photos = (x.index_select(0, part) for part in here) if self.resident else stream(x, parts, self.device)
        for stored, part in zip(photos, here, strict=True):
            yield stored, y.index_select(0, part)

    def _view(self, stored: torch.Tensor, view: View) -> torch.Tensor:
        y, x, mirrored = view
        size = self.image[1]
        part = slice(y, y + size), slice(x, x + size)
        out = stored[:, *part].float()
        if self._per_offset:
            out.sub_(self._mean[part])
        if mirrored:
            out = out.flip(2)
        if not self._per_offset:
            out.sub_(self._centre_mean())
        return self._scaled(out)

    def _augmented(self, pixels: torch.Tensor, rows: torch.Tensor, draws: Draws) -> torch.Tensor:
        size = self.image[1]
        x = crop(pixels, rows, draws, size).float()
        if self._per_offset and self.border + self._mirror:
            x.sub_(crop(self._mean[None], torch.zeros_like(rows), draws, size))
        else:
            x.sub_(self._centre_mean())
        if draws.shift is not None:
            x.add_(draws.shift[:, None, None, :]).div_(draws.divisor)
        return self._scaled(x)

    def _centre_mean(self) -> torch.Tensor:
        middle, size = self.border // 2, self.image[1]
        return self._mean[middle : middle + size, middle : middle + size]

    def _scaled(self, x: torch.Tensor) -> torch.Tensor:
        """[b, s, s, 3] -> [b, 3, s, s], channels-last."""
        if self._deviation is not None:
            x.div_(self._deviation)
        if self.factor != 1:
            x.mul_(self.factor)
        return x.permute(0, 3, 1, 2)


def _count(stored: torch.Tensor) -> torch.Tensor:
    return torch.arange(len(stored), device=stored.device)


def _deviation(photos: Photos) -> torch.Tensor:
    """The deviation of each channel about the mean image, float32 [3]; whole numbers up to the one division, as in
    `repro.data.batches.deviation`."""
    n, (height, width, channels) = len(photos.train), photos.sums.shape
    squares = [sum(int(s) ** 2 for s in photos.sums[..., c].flat) for c in range(channels)]
    variances = [(n * int(photos.products[c, c]) - squares[c]) / (n * n * height * width) for c in range(channels)]
    return torch.tensor(variances, dtype=torch.float64).sqrt().float()


def _fits(photos: Photos, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return photos.train_x.nbytes + photos.test_x.nbytes <= SHARE * free


def _to_device(x: np.ndarray, device: torch.device) -> torch.Tensor:
    """A copy on the device, read from the map a block at a time."""
    out = torch.empty(x.shape, dtype=torch.uint8, device=device)
    for lo in range(0, len(x), BLOCK):
        out[lo : lo + BLOCK] = torch.from_numpy(np.array(x[lo : lo + BLOCK]))
    return out
