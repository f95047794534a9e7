"""The norm across maps beside nn.LocalResponseNorm: forward and backward on one CPU thread, both norms of the net.

In turn, on normal numbers, 16 images, two groups (of which torch's layer knows nothing: it sums across their border).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from repro.nets.layers import CrossMapNorm

SHAPES = {"lrn1": (16, 96, 55, 55), "lrn2": (16, 256, 27, 27)}
ROUNDS = 9  # assumed


def measure() -> list[str]:
    """Per norm and memory format: milliseconds of ours, and the ratio to torch's, which is a median over rounds."""
    torch.set_num_threads(1)
    lines = []
    for name, shape in SHAPES.items():
        for form in (torch.contiguous_format, torch.channels_last):
            x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(memory_format=form).requires_grad_()
            ours = _step(CrossMapNorm(5, 1e-4 / 5, 0.75, 2.0, groups=2), x)
            theirs = _step(nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0), x)
            pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(ROUNDS + 1)][1:]  # the first one warms up
            mine, ratio = median(our for our, _ in pairs), median(their / our for our, their in pairs)
            layout = str(form).removeprefix("torch.")
            lines.append(f"{name} {layout:<18} {1000 * mine:6.1f} ms   {ratio:4.1f} times as fast as torch's")
    return lines


def _step(layer: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    gradient = torch.ones_like(x)
    return lambda: torch.autograd.grad(layer(x), x, gradient)


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
