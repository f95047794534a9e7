"""A set on a device as one tensor, and batches of it by plain tensor operations, without waiting for the device."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from repro.data.augment import Draws
from repro.data.sets import Images

Batch = tuple[torch.Tensor, torch.Tensor]


class Batches:
    """All images of a set on `device`, mean-subtracted as they are taken.

    raw:           x - mean, on 0..255, as the era's nets read it (`source.md` 3: data_mean, no scaling).
    standardised:  (x - mean) / s, s one deviation per channel of the mean-subtracted training set.

    Then multiplied by `factor`.

    `mean` float32 [3, h, w] is the mean of each pixel over the training images (§2: "subtracting the mean activity over
    the training set from each pixel"); `deviation` float32 [3, 1, 1]. Both come from sums of whole numbers, so the same
    images give the same bits everywhere. Pixels are stored as uint8 [n, h, w, 3]: batches are channels-last for free.
    """

    def __init__(
        self,
        images: Images,
        *,
        device: torch.device | str,
        scale: Literal["raw", "standardised"],
        factor: float = 1.0,
    ):
        assert scale in ("raw", "standardised"), scale
        self.factor = factor
        self.device = torch.device(device)
        self.classes = len(images.classes)
        sums = pixel_sums(images.train_x)
        self.mean = (sums.double() / len(images.train_x)).float().to(device)
        self.deviation = deviation(images.train_x, sums).float().to(device) if scale == "standardised" else None
        self.image = tuple(images.train_x.shape[1:])
        # Rows of h * w * 3 bytes: taking a batch copies whole rows.
        self._train_x, self._test_x = (_rows(x).to(device) for x in (images.train_x, images.test_x))
        self._train_y, self._test_y = images.train_y.to(device), images.test_y.to(device)
        self._mean = _rows(self.mean[None])
        self._deviation = None if self.deviation is None else _rows(self.deviation.expand(self.image)[None])

    def __len__(self) -> int:
        """Return the number of training images."""
        return len(self._train_y)

    @property
    def kept(self) -> int:
        """The number of training images that are kept from training: none of whole images."""
        return 0

    def train(self, index: torch.Tensor, draws: Draws | None = None) -> Batch:
        """Return the training images `index` (int64 [b], on the device), as `take` does, and their labels int64 [b]."""
        return self.take(index), self.labels(index)

    def labels(self, index: torch.Tensor) -> torch.Tensor:
        """Return the labels of the training images `index`: int64 [n], on the device."""
        return self._train_y.index_select(0, index)

    def places(self, order: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
        """Return where `take` finds the training images in `order`: as `PhotoBatches.places`."""
        return order

    def take(self, places: torch.Tensor, draws: Draws | None = None) -> torch.Tensor:
        """Return the training images `places` (int64 [b], on the device): float32 [b, 3, h, w], channels-last."""
        return self._scaled(self._train_x.index_select(0, places))

    def draw(self, generator: torch.Generator, *, colour: bool = True, images: int | None = None) -> None:
        """Draw nothing, for whole images need nothing: the same call as `PhotoBatches.draw`."""

    def feed(self, order: torch.Tensor, sizes: Sequence[int]) -> None:
        """Put nothing on the device, for every image is there: the same call as `PhotoBatches.feed`."""

    def test(self, size: int) -> Iterator[Batch]:
        """Yield the test set in order, `size` images at a time, the last batch smaller where it must be."""
        for x, y in zip(self._test_x.split(size), self._test_y.split(size), strict=True):
            yield self._scaled(x), y

    def _scaled(self, rows: torch.Tensor) -> torch.Tensor:
        x = torch.sub(rows, self._mean)  # uint8 - float32: float32
        if self._deviation is not None:
            x.div_(self._deviation)
        if self.factor != 1:
            x.mul_(self.factor)
        channels, height, width = self.image
        return x.view(-1, height, width, channels).permute(0, 3, 1, 2)


def _rows(x: torch.Tensor) -> torch.Tensor:
    """Return images [n, 3, h, w] as rows [n, h * w * 3], contiguous."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1).contiguous()


def pixel_sums(x: torch.Tensor) -> torch.Tensor:
    """Return the exact sum of each pixel over images uint8 [n, 3, h, w]: int64 [3, h, w]."""
    return torch.from_numpy(x.numpy().sum(0, dtype=np.int64))  # forty times faster here than torch's own


def deviation(x: torch.Tensor, sums: torch.Tensor) -> torch.Tensor:
    """Return the deviation of each channel of images uint8 [n, 3, h, w] about the mean image: float64 [3, 1, 1].

    Over n images of P pixels with the sums S_p: variance = (n sum x^2 - sum_p S_p^2) / (n^2 P), in whole numbers up to
    the one division, so that nothing is rounded before it.
    """
    n, channels, height, width = x.shape
    values = torch.arange(256)
    variances = []
    for c in range(channels):
        squares = int((torch.bincount(x[:, c].flatten(), minlength=256) * values**2).sum())
        variances.append((n * squares - int((sums[c] ** 2).sum())) / (n * n * height * width))
    return torch.tensor(variances, dtype=torch.float64).sqrt().view(channels, 1, 1)
