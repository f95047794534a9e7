"""Build a torch module with initial values from a table of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import nn

from repro.nets import layers, library, tables

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}
# The derivative of each from its output y, over its largest value.
SLOPES: dict[type[nn.Module], Callable[[torch.Tensor], torch.Tensor]] = {
    nn.ReLU: lambda y: (y > 0).float(),
    nn.Tanh: lambda y: 1 - y * y,
    nn.Sigmoid: lambda y: 4 * y * (1 - y),
}

# The memory layout of images and kernels by kind of device; `benchmarks` times both layouts. cuda: assumed.
LAYOUT = {"cpu": torch.channels_last, "cuda": torch.channels_last}


def layout(device: str) -> torch.memory_format:
    """Return the memory layout for a kind of device; the CPU's for one that computes nothing, such as `meta`."""
    return LAYOUT.get(device, LAYOUT["cpu"])


def lay_out(net: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Convert the kernels of a net's convolutions to a memory layout and return the net; no value changes."""
    for parameter in net.parameters():
        if parameter.dim() == 4:  # a convolution's
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return net


def build(
    net: tuple[tables.Row, ...] | str,
    *,
    init: str | Mapping[str, float] = "published",
    classes: int,
    image: tuple[int, int, int],
    draw: Callable[[str], torch.Generator],
) -> nn.Module:
    """Build a net with initial values from `draw(parameter name)`, fp32, on the CPU.

    The net maps images [n, c, h, w] to logits [n, classes]. `net`: the rows of its table, whose last layer has
    `classes` units, or a net of a library, `torchvision:NAME` or `timm:NAME`. Parameters are named after the table's
    rows: `conv1.weight`. `init`: `published` (the rows' deviations), `he` (sqrt(2 / fan-in)) or the deviation of each
    layer by name; a net of a library has its own rule (`repro.nets.library.build`).
    """
    if isinstance(net, str):
        assert init == "published", init
        return library.build(net, classes=classes, side=image[1], draw=draw)
    with torch.device("meta"):  # otherwise torch would draw initial values from global randomness
        built = module(net, image)
    built, inputs = built.to_empty(device="cpu"), tables.fan_in(net, image)
    rows = {row.name: row for row in tables.weighted(net)}
    for name, parameter in built.named_parameters():
        layer, role = name.split(".")
        with torch.no_grad():
            if role == "bias":
                parameter.fill_(rows[layer].bias)
            else:
                rules = {"he": sqrt(2 / inputs[layer]), "published": rows[layer].std}
                std = rules[init] if isinstance(init, str) else init[layer]
                parameter.normal_(0, std, generator=draw(name))
    return lay_out(built, layout("cpu"))


def module(rows: tuple[tables.Row, ...], image: tuple[int, ...]) -> nn.Sequential:
    """Build one nn.Sequential from the rows; an activation directly before a max pooling is computed after it."""
    net = nn.Sequential()
    for place, (row, entering, _) in enumerate(tables.shapes(cheapest_order(rows), image)):
        for name, layer in modules(row, entering, place):
            net.add_module(name, layer)
    return net


def modules(row: tables.Row, entering: tables.Shape, place: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name in the net, module) for each module of one row. `place`: the number for rows without a name."""
    match row:
        case tables.Conv():
            right, below = tables.ceil_zeros(row, entering)
            if right or below:  # torch rounds down where the original rounds up
                yield f"{row.name}_zeros", nn.ZeroPad2d((0, right, 0, below))
            yield (
                row.name,
                nn.Conv2d(entering[0], row.maps, row.size, stride=row.stride, padding=row.pad, groups=row.groups),
            )
        case tables.Local():
            assert len(entering) == 3
            yield row.name, layers.LocallyConnected(entering, row.maps, row.size, row.stride, row.pad)
        case tables.Dense():
            if len(entering) == 3:
                yield "flatten", nn.Flatten()
            inputs = prod(entering)
            if row.groups == 1:
                yield row.name, nn.Linear(inputs, row.units)
            else:
                yield row.name, layers.GroupedLinear(inputs, row.units, row.groups)
        case tables.Pool():
            pool = nn.MaxPool2d if row.kind == "max" else nn.AvgPool2d
            yield row.name, pool(row.size, row.stride, ceil_mode=True)
        case tables.SameMapNorm():
            yield row.name, layers.SameMapNorm(row.size, row.alpha, row.beta)
        case tables.CrossMapNorm():
            yield row.name, layers.CrossMapNorm(row.size, row.alpha, row.beta, row.k, row.groups)
        case tables.Scale():
            yield row.name, layers.Scale(row.factor)
        case tables.Dropout():
            yield row.name, layers.Dropout(row.keep, prod(entering), inverted=row.inverted)
        case tables.Activation():
            yield f"{row.kind}{place}", ACTIVATIONS[row.kind]()


def cheapest_order(rows: tuple[tables.Row, ...]) -> tuple[tables.Row, ...]:
    """Return the rows with every activation that directly precedes a max pooling moved behind it."""
    # Every activation here is monotone, so it commutes with a maximum: values and gradients are the same, for a quarter
    # of the units. With ties the gradient may go to another input of the window, as in the original (source.md 4).
    ordered = list(rows)
    for i, (row, after) in enumerate(pairwise(rows)):
        if isinstance(row, tables.Activation) and isinstance(after, tables.Pool) and after.kind == "max":
            ordered[i], ordered[i + 1] = after, row
    return tuple(ordered)
