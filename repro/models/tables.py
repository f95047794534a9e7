"""The nets as tables of layers: plain data, no torch. Shapes, parameters and multiply-adds are arithmetic on a table.

A table is a tuple of rows in the order of computation. The CIFAR-10 nets are those of cuda-convnet, with the deviations
of their initial weights and their weight decays as published (source.md 3.2 A to F). `repro.models.nets` turns a table
into a torch module; a test holds the module to its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Literal

ActivationKind = Literal["relu", "tanh", "logistic"]
Kind = Literal[
    "cuda_convnet_18pct",
    "cuda_convnet_19pct",
    "cuda_convnet_80sec",
    "cuda_convnet_conv_local_13pct",
    "cuda_convnet_conv_local_11pct",
]
Norms = Literal["both", "none", "first"]  # which of a net's normalisations stay


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
class Local:
    """As a convolution, but with kernels and biases of their own at every place of the window (source.md 4, local)."""

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


Row = Conv | Local | Dense | Pool | Activation | SameMapNorm | CrossMapNorm | Scale | Dropout
Weighted = Conv | Local | Dense  # the rows that hold weights
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


def _conv_local_13pct(act: str) -> tuple[Row, ...]:
    """source.md 3.2 D: two convolutions, two locally connected layers and fc10, no normalisation. 1,116,490 parameters
    on crops of 24 x 24."""
    return (
        Conv("conv1", 64, size=5, pad=2, std=0.0001, decay=0.0),
        Activation(act),
        Pool("pool1", "max"),
        Conv("conv2", 64, size=5, pad=2, std=0.01, decay=0.0),
        Activation(act),
        Pool("pool2", "max"),
        Local("local3", 32, size=3, pad=1, std=0.04, decay=0.004),
        Activation(act),
        Local("local4", 32, size=3, pad=1, std=0.04, decay=0.004),
        Activation(act),
        Dense("fc10", 10, std=0.01, decay=0.004),
    )


def _conv_local_11pct(act: str) -> tuple[Row, ...]:
    """source.md 3.2 F: D with two norms across maps, twice the maps in local3 and another decay of fc10. 2,112,970
    parameters on crops of 24 x 24."""
    out: list[Row] = []
    for row in _conv_local_13pct(act):
        match row:
            case Pool("pool1"):
                out += [row, CrossMapNorm("rnorm1", size=9, alpha=0.001 / 9, beta=0.75, k=1.0)]
            case Pool("pool2"):  # after conv2's activation, before its pooling
                out += [CrossMapNorm("rnorm2", size=9, alpha=0.001 / 9, beta=0.75, k=1.0), row]
            case Local("local3"):
                out += [replace(row, maps=64)]
            case Dense("fc10"):
                out += [replace(row, decay=0.01)]
            case _:
                out += [row]
    return tuple(out)


_TABLES: dict[Kind, Callable[[str], tuple[Row, ...]]] = {
    "cuda_convnet_18pct": _cuda_convnet_18pct,
    "cuda_convnet_19pct": _cuda_convnet_19pct,
    "cuda_convnet_80sec": _cuda_convnet_80sec,
    "cuda_convnet_conv_local_13pct": _conv_local_13pct,
    "cuda_convnet_conv_local_11pct": _conv_local_11pct,
}


def table(
    kind: Kind,
    *,
    activation: str = "relu",
    width: float = 1.0,
    classes: int = 10,
    norms: Norms = "both",
    maps: Mapping[str, int] | None = None,
) -> tuple[Row, ...]:
    """The rows of net `kind`; `width` scales every hidden layer's maps or units, the last layer has `classes` units.

    `norms`: which of its normalisations stay. `maps`: of these hidden layers, by name, so many maps or units in place
    of the published ones, before `width`. ValueError where the net has no such hidden layer.
    """
    *hidden, last = _TABLES[kind](activation)
    assert isinstance(last, Dense)
    for name, many in (maps or {}).items():
        if name not in (row.name for row in hidden if isinstance(row, Weighted)):
            raise ValueError(f"{kind} has no hidden layer {name}")
        hidden = [_of(row, many) if isinstance(row, Weighted) and row.name == name else row for row in hidden]
    kept = {"both": 2, "first": 1, "none": 0}[norms]
    dropped = [row for row in hidden if isinstance(row, CrossMapNorm | SameMapNorm)][kept:]
    return (*(_scaled(row, width) for row in hidden if row not in dropped), replace(last, units=classes))


def _scaled(row: Row, width: float) -> Row:
    if not isinstance(row, Weighted):
        return row
    return _of(row, max(1, round((row.units if isinstance(row, Dense) else row.maps) * width)))


def _of(row: Weighted, many: int) -> Weighted:
    return replace(row, units=many) if isinstance(row, Dense) else replace(row, maps=many)


def weighted(rows: tuple[Row, ...]) -> tuple[Weighted, ...]:
    """The rows that hold weights, in order."""
    return tuple(row for row in rows if isinstance(row, Weighted))


def shapes(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> Iterator[tuple[Row, Shape, Shape]]:
    """Each row with the shape that enters and the shape that leaves it; ValueError where a row does not fit.

    `rounding`: ceil, the last window may reach beyond the image (source.md 1, 1); floor, whole windows only.
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


def parameters(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Weights and biases per weighted layer, by name."""
    return {
        row.name: (_fan_in(row, entering) + 1) * (prod(leaving) if isinstance(row, Local) else leaving[0])
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Weighted)
    }


def fan_in(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Inputs of each unit of a weighted layer, by its name."""
    through = shapes(rows, image, rounding)
    return {row.name: _fan_in(row, entering) for row, entering, _ in through if isinstance(row, Weighted)}


def multiply_adds(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Multiplications of weights per image and forward pass, by layer, windows at the border counted whole."""
    return {
        row.name: _fan_in(row, entering) * prod(leaving)
        for row, entering, leaving in shapes(rows, image, rounding)
        if isinstance(row, Weighted)
    }


def neurons(rows: tuple[Row, ...], image: Shape, rounding: Rounding = ceil) -> dict[str, int]:
    """Units of each weighted layer, the inputs not counted."""
    through = shapes(rows, image, rounding)
    return {row.name: prod(leaving) for row, _, leaving in through if isinstance(row, Weighted)}


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


def _fan_in(row: Weighted, entering: Shape) -> int:
    if isinstance(row, Local):
        return entering[0] * row.size**2
    return (entering[0] * row.size**2 if isinstance(row, Conv) else prod(entering)) // row.groups
