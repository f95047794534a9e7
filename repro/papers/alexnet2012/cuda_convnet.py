"""The CIFAR-10 nets of cuda-convnet as tables of layers, without torch.

Deviations of initial weights and weight decays are as published (source.md 3.2 A to F).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from repro.nets.tables import (
    Activation,
    Conv,
    CrossMapNorm,
    Dense,
    Local,
    Pool,
    Row,
    SameMapNorm,
    Weighted,
    resized,
    scaled,
)

Kind = Literal[
    "cuda_convnet_18pct",
    "cuda_convnet_19pct",
    "cuda_convnet_80sec",
    "cuda_convnet_conv_local_13pct",
    "cuda_convnet_conv_local_11pct",
]
Norms = Literal["both", "none", "first"]  # which of a net's norms are kept


def _19pct(act: str) -> tuple[Row, ...]:
    """Return the net of source.md 3.2 B: 19 % error in 20 minutes; three convolutions and fc10, no normalisation."""
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


def _18pct(act: str) -> tuple[Row, ...]:
    """Return the net of source.md 3.2 A: 18 % error in 20 minutes; B with the activation after pool1 and two norms."""
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


def _80sec(act: str) -> tuple[Row, ...]:
    """Return the net of source.md 3.2 C: 26 % error in 80 seconds; B with a hidden layer of 64 units."""
    *convolutions, _ = _19pct(act)
    return (
        *convolutions,
        Dense("fc64", 64, std=0.1, decay=0.03),
        Activation(act),
        Dense("fc10", 10, std=0.1, decay=0.03),
    )


def _conv_local_13pct(act: str) -> tuple[Row, ...]:
    """Return the net of source.md 3.2 D: two convolutions, two locally connected layers and fc10, no norms.

    It has 1,116,490 parameters on crops of 24 x 24.
    """
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
    """Return the net of source.md 3.2 F: D with two norms across maps, twice the maps in local3, other decay of fc10.

    It has 2,112,970 parameters on crops of 24 x 24.
    """
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
    "cuda_convnet_18pct": _18pct,
    "cuda_convnet_19pct": _19pct,
    "cuda_convnet_80sec": _80sec,
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
    pooling: Literal["3/2", "2/2"] = "3/2",
) -> tuple[Row, ...]:
    """Return the rows of net `kind`.

    `width`: factor on the maps or units of every hidden layer. `classes`: units of the last layer. `norms`: which norms
    are kept. `maps`: by hidden layer, its maps or units before `width`; others are as published. `pooling`:
    size/stride; 2/2 halves even sides as 3/2 does, so nothing else changes on crops of 24 x 24. Raises ValueError if
    the net has no such hidden layer.
    """
    *hidden, last = _TABLES[kind](activation)
    assert isinstance(last, Dense)
    for name, count in (maps or {}).items():
        if name not in (row.name for row in hidden if isinstance(row, Weighted)):
            raise ValueError(f"{kind} has no hidden layer {name}")
        hidden = [resized(row, count) if isinstance(row, Weighted) and row.name == name else row for row in hidden]
    if pooling == "2/2":
        hidden = [replace(row, size=2) if isinstance(row, Pool) else row for row in hidden]
    kept = {"both": 2, "first": 1, "none": 0}[norms]
    dropped = [row for row in hidden if isinstance(row, CrossMapNorm | SameMapNorm)][kept:]
    return (*(scaled(row, width) for row in hidden if row not in dropped), replace(last, units=classes))
