"""The paper's update rule (§5), with the original's doubled rate and missing decay of biases (source.md 1, 13-15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

import torch
from torch import nn
from torch.optim import Optimizer

from repro.nets.fused import paper_update_


class Group(TypedDict):
    """One parameter as an optimiser's group."""

    params: list[nn.Parameter]
    layer: str  # its name without the role
    base: float  # the rate before any division, for `set_rates`
    lr: float  # the rate now
    weight_decay: float


class PaperSGD(Optimizer):
    """v <- momentum v - weight_decay lr w - lr g;  w <- w + v, g the gradient averaged over the minibatch (§5).

    The rate is part of the velocity: contributions from before a drop of the rate keep their size. torch.optim.SGD
    multiplies the whole velocity by the current rate. Both agree while the rate is constant and differ after a drop.

    On the CPU an update uses the rate of its group, `lr`. On other devices it uses a float32 copy there, `rate`,
    so that a captured CUDA graph of `step` follows the rates that `set_rates` sets between replays.
    """

    def __init__(self, groups: list[Group], momentum: float) -> None:
        super().__init__(groups, {"momentum": momentum})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["velocity"] = torch.zeros_like(parameter)
            [device] = {parameter.device for parameter in group["params"]}
            if device.type != "cpu":
                group |= {"rate": torch.zeros((), dtype=torch.float32, device=device), "copied": 0.0}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Do one update. `closure` belongs to torch's interface and is not used."""
        self.copy_rates()
        for group in self.param_groups:
            lr, decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue  # an update may not reach all parts of a library's net
                velocity = self.state[parameter]["velocity"]
                if "rate" in group:
                    paper_update_(parameter, velocity, parameter.grad, group["rate"], momentum, decay)
                elif lr != 0:  # a frozen layer keeps its velocity too (source.md 1, 15)
                    velocity.mul_(momentum).add_(parameter.grad, alpha=-lr)
                    if decay:
                        velocity.add_(parameter, alpha=-lr * decay)
                    parameter.add_(velocity)

    def copy_rates(self) -> None:
        """Copy changed rates to their devices. `set_rates` calls this, and `step` in case `lr` was set directly."""
        for group in self.param_groups:
            if "rate" in group and group["copied"] != group["lr"]:
                # a captured copy would undo every later one
                capturing = group["rate"].is_cuda and torch.cuda.is_current_stream_capturing()
                assert not capturing, "set the rates before capturing a graph"
                group["rate"].fill_(group["lr"])
                group["copied"] = group["lr"]


def groups(
    net: nn.Module,
    *,
    lr: float,
    bias_lr: float,
    weight_decay: Mapping[str, float],
    layer_lr: Mapping[str, float] | None = None,
) -> list[Group]:
    """Return one group per parameter: rate lr for weights, lr * bias_lr without decay for biases.

    `weight_decay`: by layer, `other` for all layers not named. Norms of nets of libraries, whose weights are vectors,
    have no decay unless named, as is usual for such nets (assumed: the paper has no such layer). `layer_lr`: by layer,
    a factor on both rates.
    """
    out: list[Group] = []
    for name, parameter in net.named_parameters():
        layer, bias = name.rpartition(".")[0], name.endswith(".bias")
        rate = (lr * bias_lr if bias else lr) * (layer_lr or {}).get(layer, 1.0)
        decay = 0.0 if bias else _decay(weight_decay, name, parameter)
        out.append({"params": [parameter], "layer": layer, "base": rate, "lr": rate, "weight_decay": decay})
    return out


def _decay(by_layer: Mapping[str, float], name: str, parameter: torch.Tensor) -> float:
    layer = name.removesuffix(".weight")
    if layer not in by_layer and parameter.dim() < 2:
        return 0.0
    return by_layer[layer] if layer in by_layer else by_layer["other"]


def set_rates(optimiser: PaperSGD, factor: float, frozen: Callable[[str], bool]) -> None:
    """Set the rate of every parameter: its base rate times `factor`, or 0 if its layer is `frozen`."""
    for group in optimiser.param_groups:
        group["lr"] = 0.0 if frozen(group["layer"]) else group["base"] * factor
    optimiser.copy_rates()
