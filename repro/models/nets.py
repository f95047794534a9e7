"""A table of layers as a torch module, and its initial values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import sqrt

import torch
from torch import nn

from repro.models import tables
from repro.models.layers import SameMapNorm

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}


def build(
    kind: str,
    *,
    activation: str = "relu",
    width: float = 1.0,
    init: str | Mapping[str, float],
    classes: int,
    image: tuple[int, int, int],
    draw: Callable[[str], torch.Generator],
) -> nn.Sequential:
    """Net `kind` with initial values from `draw(parameter name)`, fp32, on the CPU.

    Images [n, c, h, w] in, logits [n, classes] out. Parameters are named after the table's rows: `conv1.weight`.
    `init` is `he` (deviation sqrt(2 / fan-in)) or the deviation for each layer by name.
    """
    rows = tables.table(kind, activation=activation, width=width, classes=classes)
    with torch.device("meta"):  # torch's own initial values would be drawn from global randomness
        net = module(rows, image)
    net = net.to_empty(device="cpu")
    for name, parameter in net.named_parameters():
        layer, role = name.split(".")
        row = next(row for row in tables.weighted(rows) if row.name == layer)
        with torch.no_grad():
            if role == "bias":
                parameter.fill_(row.bias)
            else:
                fan_in = parameter[0].numel()
                std = sqrt(2 / fan_in) if isinstance(init, str) else init[layer]
                parameter.normal_(0, std, generator=draw(name))
    return net.to(memory_format=torch.channels_last)


def module(rows: tuple[tables.Row, ...], image: tuple[int, ...]) -> nn.Sequential:
    """The rows as one nn.Sequential; activations that stand before a max pooling are computed after it."""
    net = nn.Sequential()
    for place, (row, entering, leaving) in enumerate(tables.shapes(_cheapest_order(rows), image)):
        if isinstance(row, tables.Conv):
            net.add_module(row.name, _convolution(row, entering, leaving))
        elif isinstance(row, tables.Dense):
            if len(entering) == 3:
                net.add_module("flatten", nn.Flatten())
            net.add_module(row.name, nn.Linear(_numel(entering), row.units))
        elif isinstance(row, tables.Pool):
            pool = nn.MaxPool2d if row.kind == "max" else nn.AvgPool2d
            net.add_module(row.name, pool(row.size, row.stride, ceil_mode=True))
        elif isinstance(row, tables.SameMapNorm):
            net.add_module(row.name, SameMapNorm(row.size, row.alpha, row.beta))
        else:
            net.add_module(f"{row.kind}{place}", ACTIVATIONS[row.kind]())
    return net


def _cheapest_order(rows: tuple[tables.Row, ...]) -> tuple[tables.Row, ...]:
    # Every activation here is monotone, so it commutes with a maximum: the same values and gradients from a quarter of
    # the units. Ties may send the gradient to another input of the window, as they may in the original (source.md 4).
    ordered = list(rows)
    for i, (row, after) in enumerate(pairwise(rows)):
        if isinstance(row, tables.Activation) and isinstance(after, tables.Pool) and after.kind == "max":
            ordered[i], ordered[i + 1] = after, row
    return tuple(ordered)


def _convolution(row: tables.Conv, entering: tables.Shape, leaving: tables.Shape) -> nn.Conv2d:
    conv = nn.Conv2d(entering[0], row.maps, row.size, stride=row.stride, padding=row.pad)
    # torch rounds down where the original rounds up; a row for which they differ needs zeros right and bottom
    assert (entering[1] + 2 * row.pad - row.size) // row.stride + 1 == leaving[1], row
    return conv


def _numel(shape: tables.Shape) -> int:
    return shape[0] * shape[1] * shape[2] if len(shape) == 3 else shape[0]
