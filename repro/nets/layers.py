"""Layers that torch does not have, or defines otherwise than the paper of 2012.

Average pooling with clipped windows needs no layer of its own: `nn.AvgPool2d(size, stride, ceil_mode=True)` without
padding divides by the number of pixels in the clipped window, as the original does (source.md 4; a test checks it).
Norms are computed in fp32 or wider, because bfloat16 has no number between 2 and 2.0156, the range of denominators.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from repro.nets import fused


class CrossMapNorm(nn.Module):
    """Response normalisation across maps (§3.3; source.md 4, cmrnorm): [n, c, h, w] -> [n, c, h, w].

    y = x / (k + alpha * sum of x^2 over the `size` maps centred at the map, clipped)^beta, as printed; the source's
    alpha is divided by `size` beforehand. The maps are split into `groups` equal parts, and no sum includes maps of two
    parts. Forward and backward are five to eight times as fast on the CPU as nn.LocalResponseNorm
    (`benchmarks/lrn.py`).

    `form`: `plain` uses torch's operators; `fused` uses one launch forward and one backward (`repro.nets.fused`);
    `auto` is fused if x is not on the CPU and Triton is installed. A meta tensor counts as on a GPU, so that launches
    can be counted.
    """

    def __init__(
        self,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        groups: int = 1,
        form: Literal["auto", "fused", "plain"] = "auto",
    ) -> None:
        super().__init__()
        assert size % 2 == 1, size
        self.size, self.alpha, self.beta, self.k, self.groups = size, alpha, beta, k, groups
        self.form = form

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        constants = self.size, self.alpha, self.beta, self.k, self.groups
        on_gpu = x.device.type != "cpu" and fused.available()
        if self.form == "fused" or (self.form == "auto" and on_gpu):
            return fused.cross_map_norm(x, *constants)
        y: torch.Tensor = _CrossMapNorm.apply(_wide(x), *constants)
        return y.to(x.dtype)


class _CrossMapNorm(torch.autograd.Function):
    # Written by hand, because autograd would keep every shifted sum and pass a gradient through each of them.

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int, alpha: float, beta: float, k: float, groups: int) -> torch.Tensor:
        denominator = _sum_over_maps(x * x, size, groups).mul_(alpha).add_(k)
        factor = _negative_power(denominator, beta)
        ctx.save_for_backward(x, denominator, factor)
        ctx.constants = size, alpha, beta, groups
        return x * factor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # dx_i = dy_i D_i^-beta - 2 alpha beta x_i * sum over the windows j that hold i of dy_j y_j / D_j (source.md 4);
        # for an odd size i lies in j's window if and only if j lies in i's
        x, denominator, factor = ctx.saved_tensors
        size, alpha, beta, groups = ctx.constants
        direct = gradient * factor
        through_sums = _sum_over_maps((direct * x).div_(denominator), size, groups)
        return direct.addcmul_(x, through_sums, value=-2 * alpha * beta), None, None, None, None, None


def _sum_over_maps(x: torch.Tensor, size: int, groups: int) -> torch.Tensor:
    out = x.clone()
    # views of [n, groups, c / groups, h, w]
    summed, terms = out.unflatten(1, (groups, -1)), x.unflatten(1, (groups, -1))
    for shift in range(1, min(size // 2 + 1, terms.shape[2])):
        summed[:, :, shift:] += terms[:, :, :-shift]
        summed[:, :, :-shift] += terms[:, :, shift:]
    return out


def _negative_power(x: torch.Tensor, beta: float) -> torch.Tensor:
    if beta == 0.75:  # two roots, several times as fast as a power
        root = x.rsqrt()
        return root * root.sqrt()
    return x**-beta


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class SameMapNorm(nn.Module):
    """Response normalisation within a map (source.md 4, rnorm): [n, c, h, w] -> [n, c, h, w].

    y = x / (1 + alpha/size^2 * sum of x^2 over the size x size window centred at the pixel, clipped)^beta.
    The divisor is size^2 at the borders too.
    """

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = _wide(x)
        return (wide * (1 + self.alpha * _mean_square(wide, self.size)) ** -self.beta).to(x.dtype)


def _mean_square(x: torch.Tensor, size: int) -> torch.Tensor:
    # count_include_pad divides by size^2 everywhere, so that alpha times the mean is alpha/size^2 times the sum
    return F.avg_pool2d(x * x, size, stride=1, padding=size // 2, count_include_pad=True)


class Scale(nn.Module):
    """y = factor * x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Dropout(nn.Module):
    """Dropout of 2012 (§4.2; source.md 1, 28): multiply by a mask of 0 and 1 in training, by `keep` in testing.

    `inverted`: divide by `keep` in training, and do nothing in testing, as torch and Caffe do. `units`: outputs of the
    whole layer per image. The training loop sets `mask` [n, units] of 0 and 1 before each update (`repro.train.masks`).
    `part` (i, n): x is the i-th of n equal parts of a layer and uses that part of the mask, so that a layer split
    between processes gets the same mask as the whole layer. If `named` is false, a layer without a mask draws one from
    torch's randomness on the device of x, for training loops without named randomness.
    """

    def __init__(
        self, keep: float, units: int, part: tuple[int, int] = (0, 1), *, inverted: bool = False, named: bool = True
    ) -> None:
        super().__init__()
        self.keep, self.units, self.part, self.inverted, self.named = keep, units, part, inverted, named
        self.mask: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x if self.inverted else x * self.keep
        mask, (part, parts) = self.mask, self.part
        if mask is not None:
            mask = mask.unflatten(1, (parts * x.shape[1], *x.shape[2:])).chunk(parts, dim=1)[part]
        elif self.named:
            raise RuntimeError("dropout in training needs a mask: repro.train.masks draws it")
        else:
            mask = torch.rand_like(x) < self.keep
        thinned = x * mask
        return thinned / self.keep if self.inverted else thinned


class GroupedLinear(nn.Module):
    """A fully connected layer within each of `groups` equal parts: [n, inputs] -> [n, units].

    The weight is [units, inputs / groups], parts in order.
    """

    def __init__(self, inputs: int, units: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(units, inputs // groups))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = zip(x.chunk(self.groups, 1), self.weight.chunk(self.groups), self.bias.chunk(self.groups), strict=True)
        return torch.cat([F.linear(part, weight, bias) for part, weight, bias in parts], dim=1)


class LocallyConnected(nn.Module):
    """A convolution without shared weights (source.md 4, local): [n, c, h, w] -> [n, maps, rows, columns].

    Parameters are stored as in the original: weights module-major, [rows * columns, c, size, size, maps], where a
    module is a position of the window; biases filter-major, [maps, rows, columns]. There are
    1 + ceil((2 pad + h - size) / stride) rows; pixels beyond the image are 0. Weights are left uninitialised; biases
    are 0. Forward and backward are 2.5 to 3.5 times as fast on the CPU as F.unfold with a batched product.
    """

    def __init__(self, image: tuple[int, int, int], maps: int, size: int, stride: int = 1, pad: int = 0) -> None:
        super().__init__()
        self.size, self.stride, self.pad = size, stride, pad
        channels, *sides = image
        padded = [side + 2 * pad for side in sides]
        rows, columns = (1 - (size - side) // stride for side in padded)  # minus a floor is the ceiling
        self.places = rows, columns
        self.missing = tuple((n - 1) * stride + size - side for n, side in zip(self.places, padded, strict=True))
        self.weight = nn.Parameter(torch.empty(rows * columns, channels, size, size, maps))
        self.bias = nn.Parameter(torch.zeros(maps, rows, columns))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled(x.device.type):
            x, weight, bias = (t.to(torch.get_autocast_dtype(x.device.type)) for t in (x, weight, bias))
        below, right = self.missing
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, self.pad, self.pad + right, self.pad, self.pad + below))
        out: torch.Tensor = _Local.apply(padded, weight, bias, self.size, self.stride)
        return out


class _Local(torch.autograd.Function):
    # Written by hand, because autograd's gradient of windows scatters numbers one by one.

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, size: int, stride: int
    ) -> torch.Tensor:
        maps, *places = bias.shape
        windows = x.unfold(1, size, stride).unfold(2, size, stride)  # [n, rows, columns, c, size, size], a view
        windows = windows.permute(1, 2, 0, 4, 5, 3).flatten(0, 1).flatten(2)  # [modules, n, size * size * c], a copy
        kernels = weight.permute(0, 2, 3, 1, 4).flatten(1, 3)  # [modules, size * size * c, maps]
        ctx.save_for_backward(windows, kernels)
        ctx.shapes = x.shape, tuple(places), size, stride
        out = torch.baddbmm(bias.flatten(1).t().unsqueeze(1), windows, kernels)  # [modules, n, maps]
        return out.transpose(0, 1).reshape(len(x), *places, maps).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        windows, kernels = ctx.saved_tensors
        (n, height, width, channels), (rows, columns), size, stride = ctx.shapes
        grad_out = gradient.permute(2, 3, 0, 1).reshape(rows * columns, n, -1)  # [modules, n, maps]
        grad_kernels = torch.bmm(windows.transpose(1, 2), grad_out)
        grad_weight = grad_kernels.unflatten(1, (size, size, channels)).permute(0, 3, 1, 2, 4).contiguous()
        grad_bias = grad_out.sum(1).t().reshape(-1, rows, columns)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_windows = torch.bmm(grad_out, kernels.transpose(1, 2)).view(rows, columns, n, size, size, channels)
            grad_x = gradient.new_zeros(height, width, n, channels)
            for i in range(size):
                for j in range(size):
                    grad_x[i : i + rows * stride : stride, j : j + columns * stride : stride] += grad_windows[
                        :, :, :, i, j
                    ]
            grad_x = grad_x.permute(2, 0, 1, 3)
        return grad_x, grad_weight, grad_bias, None, None
