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

    The rate stands inside the velocity: what was gathered at an old rate keeps its size after a drop. torch.optim.SGD
    multiplies the whole velocity by the current rate; the two agree while the rate is constant and differ after a drop.

    On the CPU an update reads the rate of its group, `lr`. Elsewhere it reads a float32 copy on the parameters' device,
    `rate`, so that a captured CUDA graph of `step` follows the rates that `set_rates` sets between replays.
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
        """Do one update; `closure` is torch's interface and not used."""
        self.copy_rates()
        for group in self.param_groups:
            lr, decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue  # a library's net may hold parts that an update does not reach
                velocity = self.state[parameter]["velocity"]
                if "rate" in group:
                    paper_update_(parameter, velocity, parameter.grad, group["rate"], momentum, decay)
                elif lr != 0:  # a frozen layer keeps its velocity too (source.md 1, 15)
                    velocity.mul_(momentum).add_(parameter.grad, alpha=-lr)
                    if decay:
                        velocity.add_(parameter, alpha=-lr * decay)
                    parameter.add_(velocity)

    def copy_rates(self) -> None:
        """Copy the rates that changed to their devices: `set_rates` does, and `step` where `lr` was set otherwise."""
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
    """Return a group per parameter: rate lr for weights, lr * bias_lr for biases; decay by layer name, none for biases.

    A layer that is not named has the decay of `other`, but for its vectors: a library's net has weights that are no
    matrix, of norms, and those have none, as is usual for such nets (assumed: the paper has no such layer).
    `layer_lr`: factors on both rates of the layers named.
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
    """Set every parameter's rate: its base rate times `factor`, 0 in a layer that is `frozen`."""
    for group in optimiser.param_groups:
        group["lr"] = 0.0 if frozen(group["layer"]) else group["base"] * factor
    optimiser.copy_rates()
