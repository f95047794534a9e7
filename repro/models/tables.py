"""The nets as tables of layers: plain data, no torch. Shapes, parameters and multiply-adds are arithmetic on a table.

A table is a tuple of rows in the order of computation. The CIFAR-10 nets are those of cuda-convnet, with the deviations
of their initial weights and their weight decays as published (source.md 3.2 A, B, C). `repro.models.nets` turns a table
into a torch module; a test holds the module to its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Literal

ActivationKind = Literal["relu", "tanh", "logistic"]
Kind = Literal["cuda_convnet_18pct", "cuda_convnet_19pct", "cuda_convnet_80sec"]


@dataclass(frozen=True)
class Conv:
    """Convolution, `maps` kernels of `size` x `size`, shared biases; out = 1 + ceil((2 pad + in - size) / stride).

    With `groups`, kernels and the maps they read fall into that many equal parts, in order: part i reads part i.
    """

    name: str
    maps: int
    size: int
    pad: int
    std: float  # deviation of the initial weights
    decay: float  # weight decay as published
    stride: int = 1
    bias: float = 0.0  # initial bias
    groups: int = 1


@dataclass(frozen=True)
class Dense:
    """Fully connected layer of `units` outputs; `groups` as for a convolution."""

    name: str
    units: int
    std: float
    decay: float
    bias: float = 0.0
    groups: int = 1


@dataclass(frozen=True)
class Pool:
    """Max or average pooling, windows clipped to the image, average over the clipped window (source.md 4)."""

    name: str
    kind: str  # max, average
    size: int = 3
    stride: int = 2


@dataclass(frozen=True)
class Activation:
    """A unit's non-linearity, one of `ActivationKind`."""

    kind: str


@dataclass(frozen=True)
class SameMapNorm:
    """Response normalisation within a map: x / (1 + alpha/size^2 * sum over the size x size window of x^2)^beta."""

    name: str
    size: int
    alpha: float  # before the division by size^2 (source.md 4, rnorm)
    beta: float


@dataclass(frozen=True)
class CrossMapNorm:
    """Response normalisation across maps (§3.3): x / (k + alpha * sum over `size` adjacent maps of x^2)^beta.

    `alpha` multiplies the sum, as printed. With `groups` the maps fall into as many parts; no sum crosses a border.
    """

    name: str
    size: int
    alpha: float
    beta: float
    k: float
    groups: int = 1


@dataclass(frozen=True)
class Scale:
    """A constant factor on every unit."""

    name: str
    factor: float


@dataclass(frozen=True)
class Dropout:
    """In training each unit is kept with probability `keep`, else 0; in testing multiplied by `keep` (§4.2)."""

    name: str
    keep: float


Row = Conv | Dense | Pool | Activation | SameMapNorm | CrossMapNorm | Scale | Dropout
Shape = tuple[int, ...]  # (maps, height, width) or (units,)
Rounding = Callable[[float], int]  # of the number of steps that a window takes


def _cuda_convnet_19pct(act: str) -> tuple[Row, ...]:
    """source.md 3.2 B: 19 % error in 20 minutes; three convolutions and fc10, no normalisation."""
    return (
        Conv("conv1", 32, size=5, pad=2, std=0.0001, decay=0.004),
        Activation(act),
        Pool("pool1", "max"),
        Conv("conv2", 32, size=5, pad=2, std=0.01, decay=0.004),
        Activation(act),
        Pool("pool2", "average"),
        Conv("conv3", 64, size=5, pad=2, std=0.01, decay=0.004),
        Activation(act),
        Pool("pool3", "average"),
        Dense("fc10", 10, std=0.01, decay=3.0),
    )


def _cuda_convnet_18pct(act: str) -> tuple[Row, ...]:
    """source.md 3.2 A: 18 % error in 20 minutes; as B, the activation after pool1, and two same-map norms."""
    return (
        Conv("conv1", 32, size=5, pad=2, std=0.0001, decay=0.004),
        Pool("pool1", "max"),
        Activation(act),
        SameMapNorm("rnorm1", size=3, alpha=5e-5, beta=0.75),
        Conv("conv2", 32, size=5, pad=2, std=0.01, decay=0.004),
        Activation(act),
        Pool("pool2", "average"),
        SameMapNorm("rnorm2", size=3, alpha=5e-5, beta=0.75),
        Conv("conv3", 64, size=5, pad=2, std=0.01, decay=0.004),
        Activation(act),
        Pool("pool3", "average"),
        Dense("fc10", 10, std=0.01, decay=1.0),
    )


def _cuda_convnet_80sec(act: str) -> tuple[Row, ...]:
    """source.md 3.2 C: 26 % error in 80 seconds; B with a hidden fully connected layer of 64 units."""
    *convolutions, _ = _cuda_convnet_19pct(act)
    return (
        *convolutions,
        Dense("fc64", 64, std=0.1, decay=0.03),
        Activation(act),
        Dense("fc10", 10, std=0.1, decay=0.03),
    )


_TABLES: dict[Kind, Callable[[str], tuple[Row, ...]]] = {
    "cuda_convnet_18pct": _cuda_convnet_18pct,
    "cuda_convnet_19pct": _cuda_convnet_19pct,
    "cuda_convnet_80sec": _cuda_convnet_80sec,
}


def table(kind: Kind, *, activation: str = "relu", width: float = 1.0, classes: int = 10) -> tuple[Row, ...]:
    """The rows of net `kind`; `width` scales every hidden layer's maps or units, the last layer has `classes` units."""
    *hidden, last = _TABLES[kind](activation)
    assert isinstance(last, Dense)
    return (*(_scaled(row, width) for row in hidden), replace(last, units=classes))


def _scaled(row: Row, width: float) -> Row:
    if isinstance(row, Conv):
        return replace(row, maps=max(1, round(row.maps * width)))
    if isinstance(row, Dense):
        return replace(row, units=max(1, round(row.units * width)))
    return row


def weighted(rows: tuple[Row, ...]) -> tuple[Conv | Dense, ...]:
    """The rows that hold weights, in order."""
    return tuple(row for row in rows if isinstance(row, Conv | Dense))


def shapes(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> Iterator[tuple[Row, Shape, Shape]]:
    """Each row with the shape that enters and the shape that leaves it; ValueError where a row does not fit.

    `rounding`: ceil, the last window may reach beyond the image (source.md 1, 1); floor, whole windows only.
    """
    entering = image
    for row in rows:
        groups = getattr(row, "groups", 1)
        outputs = row.maps if isinstance(row, Conv) else row.units if isinstance(row, Dense) else groups
        if entering[0] % groups or outputs % groups:
            raise ValueError(f"{row} does not split {entering} into {groups} equal parts")
        leaving = entering
        if isinstance(row, Conv):
            sides = [1 + rounding((2 * row.pad + side - row.size) / row.stride) for side in entering[1:]]
            leaving = (row.maps, *sides)
        elif isinstance(row, Pool):
            sides = [1 + rounding((side - row.size) / row.stride) for side in entering[1:]]
            leaving = (entering[0], *sides)
        elif isinstance(row, Dense):
            leaving = (row.units,)
        if min(leaving) < 1 or (isinstance(row, Pool) and min(entering[1:]) < row.size):
            raise ValueError(f"{row.name} of size {row.size} does not fit its input of {entering}")  # type: ignore[union-attr]
        yield row, entering, leaving
        entering = leaving


def parameters(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Weights and biases per weighted layer, by name."""
    return {
        row.name: _fan_in(row, entering) * leaving[0] + leaving[0]
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Conv | Dense)
    }


def weight_shapes(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, tuple[int, ...]]:
    """[outputs, inputs of one output, and the kernel's sides] of each layer's weights, by name."""
    return {
        row.name: (leaving[0], entering[0] // row.groups, row.size, row.size)
        if isinstance(row, Conv)
        else (leaving[0], prod(entering) // row.groups)
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Conv | Dense)
    }


def multiply_adds(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Multiplications of weights per image and forward pass, by layer, windows at the border counted whole."""
    return {
        row.name: _fan_in(row, entering) * prod(leaving)
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Conv | Dense)
    }


def neurons(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Units of each weighted layer, the inputs not counted."""
    through = shapes(rows, image, rounding)
    return {row.name: prod(leaving) for row, _, leaving in through if isinstance(row, Conv | Dense)}


def shares(rows: tuple[Row, ...], image: Shape) -> dict[str, float]:
    """The part of all parameters that each weighted layer holds; they sum to 1."""
    held = parameters(rows, image)
    return {name: count / sum(held.values()) for name, count in held.items()}


def ceil_zeros(row: Conv, entering: Shape) -> tuple[int, int]:
    """Zeros (right, bottom) beyond the padding that the last windows of a convolution reach into (source.md 1, 1)."""

    def missing(side: int) -> int:
        padded = side + 2 * row.pad
        return ceil((padded - row.size) / row.stride) * row.stride + row.size - padded

    _, height, width = entering
    return missing(width), missing(height)


def _fan_in(row: Conv | Dense, entering: Shape) -> int:
    return (entering[0] * row.size**2 if isinstance(row, Conv) else prod(entering)) // row.groups
