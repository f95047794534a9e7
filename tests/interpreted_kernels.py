"""The kernels of `repro.nets.fused` on the CPU, by Triton's interpreter: a process of its own, for test_fused.py.

TRITON_INTERPRET is read when a kernel is decorated. What is computed here is written to a file and judged there.
"""

import sys
from typing import NamedTuple

import torch

from repro.nets import fused
from repro.train.seeds import generator


class Norm(NamedTuple):
    """x [n, c, h, w], in a layout, and the constants of a norm across maps."""

    shape: tuple[int, int, int, int]
    layout: str
    size: int = 5
    alpha: float = 0.01  # far larger than the paper's: denominators from 2 to several hundred
    beta: float = 0.75
    groups: int = 1
    dtype: torch.dtype = torch.float32


NORMS = {
    f"{name}, {layout}": case._replace(layout=layout)
    for name, case in {
        "96 maps in two groups": Norm((2, 96, 3, 5), "", groups=2),
        "48 maps, alpha divided by the size": Norm((1, 48, 2, 3), "", alpha=0.01 / 5),
        "six maps in two groups, a power": Norm((2, 6, 3, 4), "", beta=0.6, groups=2),
        "ten maps, a window of nine": Norm((2, 10, 3, 3), "", size=9),
        "bfloat16": Norm((1, 24, 3, 3), "", groups=2, dtype=torch.bfloat16),
        "float64": Norm((1, 12, 2, 3), "", size=3, groups=2, dtype=torch.float64),
    }.items()
    for layout in ("planes", "channels last")
} | {
    "every second row of an image": Norm((2, 20, 3, 4), "rows"),
    "more lanes than a program has": Norm((1, 4, 13, 12), "planes"),
}
RATES = [0.1, 0.1, 0.0, 0.01, 0.01]  # held still once, and dropped
UPDATES = {  # name -> (shape, its layout, decay)
    "a matrix with decay": ((40, 30), "planes", 0.05),  # more numbers than a program has
    "a vector without decay": ((7,), "planes", 0.0),
    "kernels, channels last": ((4, 3, 5, 5), "channels last", 0.05),
    "kernels of one pixel": ((4, 3, 1, 1), "channels last", 0.05),  # strides are not unique
    "gradients in another layout": ((4, 3, 2, 2), "mixed", 0.05),  # no kernel: one operator after the other
}
MOMENTUM = 0.9


def drawn(name: str, shape: tuple[int, ...], layout: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    x = 10 * torch.randn(shape, dtype=torch.float64, generator=generator(0, name)).to(dtype)
    if layout == "channels last":
        return x.to(memory_format=torch.channels_last)
    return torch.stack([x, x], 3).flatten(2, 3)[:, :, ::2] if layout == "rows" else x


def gradients(name: str) -> list[torch.Tensor]:
    shape, layout, _ = UPDATES[name]
    return [drawn(f"{name}, {i}", shape, "planes" if layout == "mixed" else layout) for i in range(len(RATES))]


def weights(name: str) -> torch.Tensor:
    shape, layout, _ = UPDATES[name]
    return drawn(name, shape, "channels last" if layout == "mixed" else layout)


def normed(case: Norm) -> dict[str, torch.Tensor]:
    x = drawn("x", case.shape, case.layout, case.dtype).requires_grad_()
    y = fused.cross_map_norm(x, case.size, case.alpha, case.beta, 2.0, case.groups)
    (dx,) = torch.autograd.grad(y, x, drawn("dy", case.shape, "planes", case.dtype))
    return {"y": y.detach(), "dx": dx}


def updated(name: str) -> list[dict[str, torch.Tensor]]:
    """Weight and velocity after each update."""
    weight, seen = weights(name), []
    velocity, lr = torch.zeros_like(weight), torch.zeros(1)
    for gradient, rate in zip(gradients(name), RATES, strict=True):
        lr.fill_(rate)
        fused.paper_update_(weight, velocity, gradient, lr, MOMENTUM, UPDATES[name][2])
        seen.append({"weight": weight.clone(), "velocity": velocity.clone()})
    return seen


def checks() -> dict[str, dict[str, str]]:
    """torch's own checks of an operator: its schema, autograd formula and fake implementation."""
    x, case = drawn("x", (1, 6, 2, 2), "channels last").requires_grad_(), (3, 0.1, 0.75, 2.0, 2)
    quick = {"test_utils": ("test_schema", "test_autograd_registration", "test_faketensor")}
    update = drawn("w", (5,), ""), drawn("v", (5,), ""), drawn("g", (5,), ""), torch.tensor(0.1), 0.9, 0.05
    return {
        "norm": torch.library.opcheck(fused.cross_map_norm, (x, *case), **quick),
        "norm_backward": torch.library.opcheck(fused.cross_map_norm_backward, (x.detach(), x.detach(), *case), **quick),
        "update": torch.library.opcheck(fused.paper_update_, update, **quick),
    }


def gradcheck(layout: str) -> bool:
    x = drawn("x", (1, 4, 1, 2), layout, torch.float64).div(10).requires_grad_()
    return torch.autograd.gradcheck(
        lambda x: fused.cross_map_norm(x, 3, 0.7, 0.75, 2.0, 2), (x,), raise_exception=False
    )


if __name__ == "__main__":
    found = {
        "norms": {name: normed(case) for name, case in NORMS.items()},
        "summed": torch.autograd.grad(
            fused.cross_map_norm(x := drawn("x", (1, 6, 2, 2), "").requires_grad_(), 5, 0.01, 0.75, 2.0, 1).sum(), x
        )[0],
        "updates": {name: updated(name) for name in UPDATES},
        "checks": checks(),
        "gradcheck": {layout: gradcheck(layout) for layout in ("planes", "channels last")},
    }
    torch.save(found, sys.argv[1])
