"""Operators with a single launch on a GPU: the norm across maps, forward and backward, and the paper's update.

Each has an implementation for tensors without values (`meta`), so that shapes and launches can be counted anywhere. The
kernels need Triton, which comes with torch on Linux and is only imported at the first launch.

In fp32 an image passes 477,024 numbers through two norms of 96 x 55 x 55 and 256 x 27 x 27. The kernels
move 9.5 MB for it: two of 4 bytes a number forward, three backward. Torch operators one by one move 109 MB.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from math import ceil
from typing import Any

import torch

BLOCK = 128  # lanes per program of the norm, one per thread (assumed)
UPDATED = 1024  # numbers per program of the update, eight per thread (assumed)


@cache
def available() -> bool:
    """Return whether Triton is installed, without importing it."""
    return find_spec("triton") is not None


# The norm across maps


@torch.library.custom_op("repro::cross_map_norm", mutates_args=())
def cross_map_norm(x: torch.Tensor, size: int, alpha: float, beta: float, k: float, groups: int) -> torch.Tensor:
    """Compute `CrossMapNorm` in one launch: [n, c, h, w] in any layout -> the same shape, dtype and strides.

    Computed in fp32, or in fp64 if x is fp64. Only x is kept for the backward pass, which recomputes the denominators.
    On the CPU it runs only under Triton's interpreter.
    """
    y = torch.empty_like(x)
    _launch("norm", (x, y), size, alpha, beta, k, groups)
    return y


@torch.library.custom_op("repro::cross_map_norm_backward", mutates_args=())
def cross_map_norm_backward(
    x: torch.Tensor, dy: torch.Tensor, size: int, alpha: float, beta: float, k: float, groups: int
) -> torch.Tensor:
    """Compute the gradient with respect to x from that with respect to y, in one launch, with the strides of x."""
    dx = torch.empty_like(x)
    _launch("norm_backward", (x, dy, dx), size, alpha, beta, k, groups)
    return dx


@cross_map_norm.register_fake
def _(x: torch.Tensor, size: int, alpha: float, beta: float, k: float, groups: int) -> torch.Tensor:
    return torch.empty_like(x)


@cross_map_norm_backward.register_fake
def _(x: torch.Tensor, dy: torch.Tensor, size: int, alpha: float, beta: float, k: float, groups: int) -> torch.Tensor:
    return torch.empty_like(x)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, *ctx.constants = inputs
    ctx.save_for_backward(x)


def _gradient(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    (x,) = ctx.saved_tensors
    return cross_map_norm_backward(x, dy, *ctx.constants), None, None, None, None, None


cross_map_norm.register_autograd(_gradient, setup_context=_keep)


def norm_constants(
    x: torch.Tensor, size: int, alpha: float, beta: float, k: float, groups: int
) -> tuple[int, dict[str, Any]]:
    """Return (the number of programs for x, the constants that the kernels of the norm are compiled with)."""
    from triton import language as tl

    n, maps, height, width = x.shape
    part, maps_innermost = maps // groups, x.stride(1) == 1
    # Maps per lane. Where maps are adjacent in memory: 16 bytes of them, at least one load of four. Where a map is a
    # plane: about 16, so that neighbouring maps add half as many reads (size 5, backward) and the registers suffice for
    # 32 warps per multiprocessor.
    chunk = max(4, 16 // x.element_size()) if maps_innermost else ceil(part / ceil(part / 16))
    programs = n * ceil(height * width * groups * ceil(part / chunk) / BLOCK)
    return programs, {
        "ALPHA": alpha,
        "BETA": beta,
        "K": k,
        "H": height,
        "W": width,
        "PART": part,
        "GROUPS": groups,
        "SIZE": size,
        "CHUNK": chunk,
        "MAPS_INNERMOST": maps_innermost,
        "WIDE": tl.float64 if x.dtype == torch.float64 else tl.float32,
        "BLOCK": BLOCK,
    }


def _launch(kernel: str, tensors: tuple[torch.Tensor, ...], *constants: Any) -> None:
    from repro.nets import gpu_kernels

    x = tensors[0]
    assert gpu_kernels.INTERPRETED or x.device.type != "cpu", "on the CPU only under TRITON_INTERPRET=1"
    programs, compiled_for = norm_constants(x, *constants)
    if programs:
        strides = (stride for tensor in tensors for stride in tensor.stride())
        with torch.cuda.device_of(x):
            getattr(gpu_kernels, kernel)[(programs,)](*tensors, *strides, **compiled_for)


# The update


@torch.library.custom_op("repro::paper_update_", mutates_args=("weight", "velocity"))
def paper_update_(
    weight: torch.Tensor,
    velocity: torch.Tensor,
    gradient: torch.Tensor,
    lr: torch.Tensor,
    momentum: float,
    decay: float,
) -> None:
    """Update in place: v <- momentum v - decay lr w - lr g;  w <- w + v (§5). Nothing changes if lr is 0.

    `lr` is one float32 number on the weight's device, so that a captured graph follows the rate. The update is one
    launch if Triton is installed and the three tensors have the same layout in memory; otherwise it uses torch's
    operators.

    The kernel rounds in the order of `PaperSGD`'s loop on the CPU: momentum v; then - lr g, then - lr decay w, each a
    fused multiply-add; then w + v. Torch on the CPU with AVX2 fuses them too, and gives the same bits except for
    lr decay: this is a product of float32 numbers here and of Python's floats there, and differs by at most two units
    in the last place. Torch's operators round each product before it is added.
    """
    if _kernel_fits(weight, velocity, gradient):
        from repro.nets import gpu_kernels

        with torch.cuda.device_of(weight):
            gpu_kernels.update[(ceil(weight.numel() / UPDATED),)](
                weight, velocity, gradient, lr, weight.numel(), MOMENTUM=momentum, DECAY=decay, BLOCK=UPDATED
            )
        return
    rate = lr.reshape(())
    moved = (velocity * momentum).addcmul_(gradient, rate, value=-1)
    if decay:
        moved.addcmul_(weight, rate * decay, value=-1)
    velocity.copy_(torch.where(rate == 0, velocity, moved))
    weight.copy_(torch.where(rate == 0, weight, weight + moved))


@paper_update_.register_fake
def _(
    weight: torch.Tensor,
    velocity: torch.Tensor,
    gradient: torch.Tensor,
    lr: torch.Tensor,
    momentum: float,
    decay: float,
) -> None:
    return None


def _kernel_fits(*tensors: torch.Tensor) -> bool:
    """Return whether the kernel can run: Triton is installed, and the tensors match number by number in memory."""
    first = tensors[0]
    if not (available() and first.numel() and first.dtype in (torch.float32, torch.float64)):
        return False
    if first.device.type == "cpu":
        from repro.nets import gpu_kernels

        if not gpu_kernels.INTERPRETED:
            return False
    # the stride of a dimension of length 1 does not matter
    layouts = [[(d, s) for d, s in zip(t.stride(), t.shape, strict=True) if s > 1] for t in tensors]
    dense, expected = True, 1
    for stride, length in sorted(layouts[0]):
        dense, expected = dense and stride == expected, expected * length
    return dense and all(t.dtype == first.dtype for t in tensors) and all(layout == layouts[0] for layout in layouts)
