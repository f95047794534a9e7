"""What people would train instead: the nets and loops of tutorials, torch.compile, torchvision's net, timm's loop."""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter
from torch import nn
from torch.nn import functional as F

from repro import contents
from repro.bench.turns import Contender, of_rows, update_multiply_adds
from repro.data.batches import Batch
from repro.nets import layers

LR = 1e-6  # noise teaches nothing: weights only have to stay finite
SIDES = {"cuda_convnet_19pct": 32, "alexnet": 224}  # pixels
CLASSES = {"cuda_convnet_19pct": 10, "alexnet": 1000}
OPTIONS: dict[str, dict[str, Any]] = {"alexnet": {"reading": "paper"}}


def plain_net(kind: str) -> nn.Module:
    """The net `kind` as a tutorial would write it: torch's own layers, initial values and dropout.

    Its norms sum over the border between the two towers, of which torch's layer knows nothing; the arithmetic is as
    much.
    """
    if kind == "cuda_convnet_19pct":
        return nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Flatten(), nn.Linear(1024, 10),
        )  # fmt: skip
    assert kind == "alexnet", kind
    return nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)),
        nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.LocalResponseNorm(5, 5e-4, k=2.0), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5, 5e-4, k=2.0), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 1000),
    )  # fmt: skip


def multiply_adds(kind: str) -> tuple[int, int]:
    """Return those of an image, forward and in an update."""
    return of_rows(contents.rows(kind, classes=CLASSES[kind], **OPTIONS.get(kind, {})), SIDES[kind])


def trained(
    name: str, net: nn.Module, minibatch: Batch, layout: torch.memory_format, precision: str, adds: tuple[int, int]
) -> Contender:
    """`net` trained by the loop of a tutorial: torch's SGD, and autocast where the precision is bf16."""
    x, y = minibatch
    x, device = x.contiguous(memory_format=layout), x.device
    net = net.to(device, memory_format=layout).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, weight_decay=0.0005)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimiser.step()

    return Contender(name, precision, step, net, *adds)


def plain(kind: str, minibatch: Batch, layout: torch.memory_format, precision: str) -> Contender:
    """The plain net in eager PyTorch."""
    where = "channels last" if layout == torch.channels_last else "contiguous"
    return trained(f"plain PyTorch, {where}", plain_net(kind), minibatch, layout, precision, multiply_adds(kind))


def timms(kind: str, minibatch: Batch, precision: str) -> Contender:
    """The plain net as timm's train script trains it with `--channels-last`: its optimiser (SGD with Nesterov's
    momentum, no decay of biases), its loss (labels smoothed by 0.1), and the loss read after every update."""
    x, y = minibatch
    device, meter, loss_of = x.device, AverageMeter(), LabelSmoothingCrossEntropy(0.1)
    net = plain_net(kind).to(device, memory_format=torch.channels_last).train()
    optimiser = create_optimizer_v2(net, opt="sgd", lr=LR, weight_decay=2e-5, momentum=0.9)  # the script's defaults

    def step() -> None:
        images = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = loss_of(net(images), y)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        meter.update(loss.item(), images.size(0))

    return Contender("timm's training loop on the plain net, channels last", precision, step, net, *multiply_adds(kind))


def torchvisions(minibatch: Batch, layout: torch.memory_format, precision: str) -> Contender:
    """torchvision's `alexnet`: another net of nearly as many multiply-adds, without norms and groups."""
    by_layer = torchvisions_multiply_adds()
    adds = sum(by_layer), update_multiply_adds(by_layer)
    name = "torchvision's `alexnet`" + ", channels last" * (layout == torch.channels_last)
    return trained(name, torchvision.models.alexnet(), minibatch, layout, precision, adds)


def torchvisions_multiply_adds() -> list[int]:
    """Return by layer those of an image, forward, counted as `tables.multiply_adds` does: kernel size times outputs."""
    counted = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        counted.append(layer.weight[0].numel() * out[0].numel())

    with torch.device("meta"):
        net = torchvision.models.alexnet().eval()
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(count)
        net(torch.empty(1, 3, 224, 224))
    return counted


class TorchsNorm(nn.Module):
    """`nn.LocalResponseNorm` in each tower: what `CrossMapNorm` computes, as people would write it."""

    def __init__(self, ours: layers.CrossMapNorm) -> None:
        super().__init__()
        self.groups = ours.groups
        self.norm = nn.LocalResponseNorm(ours.size, ours.alpha * ours.size, ours.beta, ours.k)  # it divides alpha

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.norm(tower) for tower in x.chunk(self.groups, dim=1)], dim=1)


def with_torchs_norms(net: nn.Module) -> None:
    """Put `TorchsNorm` for every norm across maps."""
    for name, layer in list(net.named_children()):
        if isinstance(layer, layers.CrossMapNorm):
            setattr(net, name, TorchsNorm(layer))
