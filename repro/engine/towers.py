"""The nets of two towers in two processes, as the authors ran them on two GPUs (§3.2), with torch.distributed.

Each process holds the kernels and units of its tower. Up to rounding it computes what the grouped net in one process
computes: the same logits in both processes, and the gradients of its own parameters. The processes communicate only
where a layer reads both towers, and in the last layer, whose sums they add. Backends: gloo on CPUs, NCCL on two GPUs.
`repro.engine.pair` trains them.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

from repro.nets import layers, modules, tables

TOWERS = tables.TOWERS


def half(net: tuple[tables.Row, ...], whole: nn.Module, *, image: tuple[int, int, int], tower: int) -> nn.Sequential:
    """Build tower 0 or 1 of a net with these rows, with its share of the parameters of `whole`, on their device.

    Forward and backward must run in both processes of the default group, whose ranks are the numbers of the towers.
    ValueError of a net without two towers.
    """
    with torch.device("meta"):
        made = _module(net, image, tower)
    made = made.to_empty(device=next(whole.parameters()).device)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(share(net, name, whole.get_parameter(name), tower))
    return made.to(memory_format=torch.channels_last)


def share(rows: tuple[tables.Row, ...], name: str, whole: torch.Tensor, tower: int) -> torch.Tensor:
    """Return the part of parameter `name` of the whole net, or of its gradient, that `tower` holds.

    That is half of the outputs of every layer; of the last layer half of the inputs, and the whole bias.
    """
    layer, role = name.split(".")
    if layer == tables.weighted(rows)[-1].name:
        return whole if role == "bias" else whole.chunk(TOWERS, dim=1)[tower]
    return whole.chunk(TOWERS)[tower]


def _module(rows: tuple[tables.Row, ...], image: tuple[int, int, int], tower: int) -> nn.Sequential:
    if not tables.has_towers(rows):
        raise ValueError("this net has one tower: nothing to share between two processes")
    net, last = nn.Sequential(), tables.weighted(rows)[-1]
    entering: tables.Shape = image
    halved = False  # whether what enters is one tower's half; both towers read the whole image
    for place, row in enumerate(modules.cheapest_order(rows)):
        if row is last:
            assert isinstance(row, tables.Dense), "a net ends with units"
            net.add_module(row.name, _SummedLinear(prod(entering), row.units))
            return net
        if isinstance(row, tables.Conv | tables.Dense):
            if halved and row.groups == 1:
                net.add_module(f"{row.name}_exchange", _Exchange())
                entering = (entering[0] * TOWERS, *entering[1:])
            halved = True
            row = _half(row)
        elif isinstance(row, tables.CrossMapNorm):
            row = replace(row, groups=1)
        for name, module in modules.modules(row, entering, place):
            net.add_module(name, module)
        if isinstance(row, tables.Dropout):
            units = TOWERS * prod(entering)
            net[-1] = layers.Dropout(row.keep, units, (tower, TOWERS), inverted=row.inverted)
        [(_, _, entering)] = tables.shapes((row,), entering)
    raise AssertionError("a net ends with weights")


def _half(row: tables.Conv | tables.Dense) -> tables.Conv | tables.Dense:
    """Return the row of one tower: half of the outputs, and no groups."""
    if isinstance(row, tables.Conv):
        return replace(row, maps=row.maps // TOWERS, groups=1)
    return replace(row, units=row.units // TOWERS, groups=1)


class _Exchange(nn.Module):
    """Turn half of the maps or units, [n, c, ...], into all of them, [n, 2 c, ...], in the order of the towers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _Both.apply(x)


class _Both(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(_in_order(x, _swap(x)), dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        mine, other = _in_order(*gradient.chunk(TOWERS, dim=1))
        return mine + _swap(other)  # for both towers read this half


class _SummedLinear(nn.Module):
    """The last layer: each tower multiplies its own units, and the sums are added. [n, ...] -> [n, units] in both."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, inputs))
        self.bias = nn.Parameter(torch.empty(units))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _Sum.apply(F.linear(x.flatten(1), self.weight)) + self.bias


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x + _swap(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient  # of the one loss that both processes compute


def _in_order(mine: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # (tower 0's, tower 1's) from (mine, other); the same function is its own inverse
    return (mine, other) if dist.get_rank() == 0 else (other, mine)


def _swap(x: torch.Tensor) -> torch.Tensor:
    """Send a tensor to the other process and return that of the same shape which it sends."""
    mine = x.contiguous()
    other = torch.empty_like(mine)
    peer = 1 - dist.get_rank()
    for request in dist.batch_isend_irecv([dist.P2POp(dist.isend, mine, peer), dist.P2POp(dist.irecv, other, peer)]):
        request.wait()
    return other
