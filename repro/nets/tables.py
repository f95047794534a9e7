"""The nets as tables of layers: plain data, no torch. Shapes, parameters and multiply-adds are arithmetic on a table.

A table is a tuple of rows in the order of computation. The tables of the nets are in their papers' folders
(`repro.papers`). `repro.nets.modules` builds a torch module from a table; a test compares the module with its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Literal

ActivationKind = Literal["relu", "tanh", "logistic"]
TOWERS = 2  # of the nets that two devices can train (§3.2 of AlexNet's paper)


@dataclass(frozen=True)
class Conv:
    """Convolution, `maps` kernels of `size` x `size`, shared biases; out = 1 + ceil((2 pad + in - size) / stride).

    With `groups`, the kernels and the maps that they read are split into as many equal parts: part i reads part i.
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
class Local:
    """Locally connected layer: a convolution with kernels and biases per position (source.md 4, local)."""

    name: str
    maps: int
    size: int
    pad: int
    std: float
    decay: float
    stride: int = 1
    bias: float = 0.0


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

    `alpha` multiplies the sum, as printed. With `groups` the maps are split into as many parts, each summed by itself.
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
    """Dropout: a unit is kept with probability `keep` in training, and multiplied by `keep` in testing (§4.2).

    `inverted`: units are divided by `keep` in training and unchanged in testing, as libraries do today.
    """

    name: str
    keep: float
    inverted: bool = False


Row = Conv | Local | Dense | Pool | Activation | SameMapNorm | CrossMapNorm | Scale | Dropout
Weighted = Conv | Local | Dense  # the rows with weights
Shape = tuple[int, ...]  # (maps, height, width) or (units,)
Rounding = Callable[[float], int]  # rounds the number of steps of a window


def resized(row: Weighted, count: int) -> Weighted:
    """Return the row with `count` maps or units."""
    return replace(row, units=count) if isinstance(row, Dense) else replace(row, maps=count)


def outputs(row: Weighted) -> int:
    """Return the number of maps or units of a row."""
    return row.units if isinstance(row, Dense) else row.maps


def scaled(row: Row, width: float) -> Row:
    """Return a row with `width` times as many maps or units, at least one; rows without weights as they are."""
    return resized(row, max(1, round(outputs(row) * width))) if isinstance(row, Weighted) else row


def has_towers(rows: tuple[Row, ...]) -> bool:
    """Return whether the net has two towers, so that two devices can train it: parts that meet in some layers only."""
    layers = weighted(rows)
    if any(isinstance(row, Local) for row in layers):
        return False
    groups = [row.groups for row in layers if isinstance(row, Conv | Dense)]
    norms = {row.groups for row in rows if isinstance(row, CrossMapNorm)}
    ends = groups[0] == groups[-1] == 1  # the first reads the image, the sums of the last are added
    return ends and set(groups) == {1, TOWERS} and norms <= {TOWERS} and all(outputs(r) % 2 == 0 for r in layers[:-1])


def weighted(rows: tuple[Row, ...]) -> tuple[Weighted, ...]:
    """Return the rows with weights, in order."""
    return tuple(row for row in rows if isinstance(row, Weighted))


def shapes(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> Iterator[tuple[Row, Shape, Shape]]:
    """Yield (row, input shape, output shape) for each row. Raises ValueError if a row does not fit.

    `rounding`: with ceil the last window may extend beyond the image (source.md 1, 1); with floor it may not.
    """
    entering = image
    for row in rows:
        groups = getattr(row, "groups", 1)
        outputs = row.maps if isinstance(row, Conv | Local) else row.units if isinstance(row, Dense) else groups
        if entering[0] % groups or outputs % groups:
            raise ValueError(f"{row} does not split {entering} into {groups} equal parts")
        leaving = entering
        if isinstance(row, Conv | Local):
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


def by_layer(
    rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil
) -> Iterator[list[tuple[Row, Shape, Shape]]]:
    """Yield what `shapes` does in groups: first what stands before the first layer with weights, which may be nothing,
    then each such layer with what follows it up to the next."""
    group: list[tuple[Row, Shape, Shape]] = []
    for each in shapes(rows, image, rounding):
        if isinstance(each[0], Weighted):
            yield group
            group = []
        group.append(each)
    yield group


def parameters(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Return the number of weights and biases of each weighted layer, by name."""
    return {
        row.name: (_fan_in(row, entering) + 1) * (prod(leaving) if isinstance(row, Local) else leaving[0])
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Weighted)
    }


def weight_shapes(rows: tuple[Row, ...], image: Shape) -> dict[str, tuple[int, ...]]:
    """Return the shape of each layer's weights, by name: [outputs, inputs of one output, the kernel's sides].

    Every position of every map of a locally connected layer is an output.
    """
    out: dict[str, tuple[int, ...]] = {}
    for row, entering, leaving in shapes(rows, image):
        if isinstance(row, Dense):
            out[row.name] = leaving[0], _fan_in(row, entering)
        elif isinstance(row, Weighted):
            outputs = (prod(leaving),) if isinstance(row, Local) else (leaving[0],)
            out[row.name] = *outputs, _fan_in(row, entering) // row.size**2, row.size, row.size
    return out


def fan_in(rows: tuple[Row, ...], image: Shape) -> dict[str, int]:
    """Return the number of inputs of one unit of each weighted layer, by name."""
    return {row.name: _fan_in(row, entering) for row, entering, _ in shapes(rows, image) if isinstance(row, Weighted)}


def multiply_adds(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Return the multiplications in one image's forward pass, by layer; clipped windows count as whole."""
    return {
        row.name: _fan_in(row, entering) * prod(leaving)
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Weighted)
    }


def neurons(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Return the number of units of each weighted layer, by name, without the net's inputs."""
    through = shapes(rows, image, rounding)
    return {row.name: prod(leaving) for row, _, leaving in through if isinstance(row, Weighted)}


def ceil_zeros(row: Conv, entering: Shape) -> tuple[int, int]:
    """Return the zeros (right, bottom) that a convolution's last windows need beyond the padding (source.md 1, 1)."""

    def missing(side: int) -> int:
        padded = side + 2 * row.pad
        return ceil((padded - row.size) / row.stride) * row.stride + row.size - padded

    _, height, width = entering
    return missing(width), missing(height)


def _fan_in(row: Weighted, entering: Shape) -> int:
    if isinstance(row, Local):
        return entering[0] * row.size**2
    return (entering[0] * row.size**2 if isinstance(row, Conv) else prod(entering)) // row.groups
