"""Contenders timed in turn, in one process: each round times every one of them, and a matrix product, once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from torch import nn

from repro.engine.provenance import provenance
from repro.errors import RunError
from repro.nets import tables
from repro.train import throughput

BATCH = 128  # §5
PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "bf16")}
PRODUCT = {"cpu": 1024, "cuda": 8192}  # rows of the matrices: large enough to be bound by arithmetic (assumed)
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Step = Callable[[], object]


@dataclass
class Contender:
    """Something that trains: `step` does one update of `net`, or `failed` says why there is none."""

    name: str
    precision: str
    step: Step | None
    net: nn.Module | None
    multiply_adds: int  # of an image, forward
    update_multiply_adds: int  # of an image in an update
    compile_seconds: float | None = None
    failed: str | None = None


def update_multiply_adds(by_layer: Sequence[int]) -> int:
    """Return an update's multiply-adds from those of the layers, forward: once forward, twice backward (for inputs and
    weights), but for the first layer, whose input needs no gradient."""
    return 3 * sum(by_layer) - by_layer[0]


def of_rows(rows: tuple[tables.Row, ...], pixels: int) -> tuple[int, int]:
    """Return the multiply-adds of an image, forward and in an update, of the net of these rows."""
    adds = list(tables.multiply_adds(rows, (3, pixels, pixels)).values())
    return sum(adds), update_multiply_adds(adds)


def product(size: int, precision: str, device: str) -> Step:
    """Return the product of two square matrices of normal numbers as a step."""
    draw = torch.Generator().manual_seed(0)
    a = torch.randn(size, size, generator=draw).to(device, TYPES[precision])
    return lambda: a @ a


def made(device: str) -> dict[str, Any]:
    """Return machine and versions, with the load at the moment."""
    versions = {"torchvision": torchvision.__version__, "timm": timm.__version__}
    return provenance(device) | versions | {"cores": os.cpu_count(), "load": os.getloadavg()[0]}


def in_turn(
    bench: str, contenders: Sequence[Contender], *, device: str, pixels: int, batch: int, rounds: int, updates: int
) -> Iterator[str | dict[str, Any]]:
    """Time every contender, `updates` updates a round; yield lines on how long it takes, then the result.

    A round that does not count goes first and warms all up. Then each round begins with another contender. RunError
    where a contender's updates left its weights as they were: nothing was trained, so nothing was timed.
    """
    result: dict[str, Any] = {"bench": bench, "made": made(device), "batch": batch, "pixels": pixels}
    steps = {i: c.step for i, c in enumerate(contenders) if c.step is not None}
    precisions = list(dict.fromkeys(c.precision for c in contenders))
    size = PRODUCT[device]
    products = {precision: product(size, precision, device) for precision in precisions}
    before = {i: _weights(contenders[i]) for i in steps}
    seconds: dict[Any, list[float]] = {key: [] for key in (*steps, *products)}
    actions: dict[Any, Callable[[], object]] = {**steps, **products}
    for r in range(rounds + 1):
        keys = list(actions)
        for key in keys[r % len(keys) :] + keys[: r % len(keys)]:
            times = updates if key in steps else 1
            seconds[key].append(throughput.seconds(actions[key], times, device))
        if r == 0:
            once = sum(taken[0] * (updates if key in steps else 1) for key, taken in seconds.items())
            yield f"the round that warms up took {once:.0f} s; {rounds} more of them follow"
    for i in steps:
        if torch.equal(before[i], after := _weights(contenders[i])) or not after.isfinite().all():
            raise RunError(f"bench {bench}: {contenders[i].name} left its weights as they were, or without numbers")
    result |= {"rounds": rounds, "updates": updates}
    result["products"] = [{"size": size, "precision": p, "seconds": seconds[p][1:]} for p in precisions]
    result["steps"] = [
        {
            "name": c.name,
            "precision": c.precision,
            "multiply_adds": c.multiply_adds,
            "update_multiply_adds": c.update_multiply_adds,
            "seconds": seconds[i][1:] if i in steps else [],
            **({"compile_seconds": c.compile_seconds} if c.compile_seconds is not None else {}),
            **({"failed": c.failed} if c.failed else {}),
        }
        for i, c in enumerate(contenders)
    ]
    yield result


def _weights(contender: Contender) -> torch.Tensor:
    """A copy of the last matrix of weights, which every update moves."""
    assert contender.net is not None
    return [p for p in contender.net.parameters() if p.dim() > 1][-1].detach().clone()
