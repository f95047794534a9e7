"""Contenders timed in turn with products of matrices, in one process, and their result as plain data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import timm
import torch
import torchvision

from repro.engine.provenance import provenance
from repro.engine.turns import Contender, Step, in_rounds
from repro.errors import RunError

BATCH = 128  # §5
PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "bf16")}
PRODUCT = {"cpu": 1024, "cuda": 8192}  # rows of the matrices: large enough to be bound by arithmetic (assumed)
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


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
    """Time every contender, `updates` updates a round, and a product for each precision, once a round.

    Yield lines on how long it takes, then the result. The round that warms up goes first and does not count. RunError
    where a contender's updates left its weights as they were: nothing was trained, so nothing was timed.
    """
    result: dict[str, Any] = {"bench": bench, "made": made(device), "batch": batch, "pixels": pixels}
    steps: dict[int | str, Step] = {i: c.step for i, c in enumerate(contenders) if c.step is not None}
    precisions = list(dict.fromkeys(c.precision for c in contenders))
    size = PRODUCT[device]
    products: dict[int | str, Step] = {precision: product(size, precision, device) for precision in precisions}
    before = {i: _weights(c) for i, c in enumerate(contenders) if c.step is not None}
    times = dict.fromkeys(steps, updates) | dict.fromkeys(products, 1)
    timed = in_rounds({**steps, **products}, times, rounds=rounds, device=device)
    once = sum(seconds * times[key] for key, seconds in next(timed).items())
    yield f"the round that warms up took {once:.0f} s; {rounds} more of them follow"
    taken = list(timed)
    for i, weights in before.items():
        if torch.equal(weights, after := _weights(contenders[i])) or not after.isfinite().all():
            raise RunError(f"bench {bench}: {contenders[i].name} left its weights as they were, or without numbers")
    result |= {"rounds": rounds, "updates": updates}
    result["products"] = [{"size": size, "precision": p, "seconds": [r[p] for r in taken]} for p in precisions]
    result["steps"] = [
        {
            "name": c.name,
            "precision": c.precision,
            "multiply_adds": c.multiply_adds,
            "update_multiply_adds": c.update_multiply_adds,
            "seconds": [r[i] for r in taken] if i in steps else [],
            **({"compile_seconds": c.compile_seconds} if c.compile_seconds is not None else {}),
            **({"failed": c.failed} if c.failed else {}),
        }
        for i, c in enumerate(contenders)
    ]
    yield result


def _weights(contender: Contender) -> torch.Tensor:
    """Return a copy of the last matrix of weights, which every update moves."""
    assert contender.net is not None
    return [p for p in contender.net.parameters() if p.dim() > 1][-1].detach().clone()
