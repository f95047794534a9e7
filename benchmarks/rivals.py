"""What people would train instead: timm's training loop, torchvision's net, torch's norm across maps."""

from __future__ import annotations

import torch
import torchvision
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter
from torch import nn

from repro.data.batches import Batch
from repro.doctor.plain import multiply_adds, plain_net, trained
from repro.engine.turns import LR, Contender, update_multiply_adds
from repro.nets import layers


def timms(kind: str, minibatch: Batch, precision: str) -> Contender:
    """Return the plain net as timm's train script trains it with `--channels-last`: its optimiser (SGD with Nesterov's
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
    """Return torchvision's `alexnet`: another net of nearly as many multiply-adds, without norms and groups."""
    by_layer = torchvisions_multiply_adds()
    adds = sum(by_layer), update_multiply_adds(by_layer)
    name = "torchvision's `alexnet`" + ", channels last" * (layout == torch.channels_last)
    return trained(name, torchvision.models.alexnet(), minibatch, layout, precision, adds)


def torchvisions_multiply_adds() -> list[int]:
    """Return the multiply-adds of an image by layer, forward, as `tables.multiply_adds` counts: kernel size times
    outputs."""
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
    """Compute what `CrossMapNorm` does as people would write it: `nn.LocalResponseNorm` in each tower."""

    def __init__(self, ours: layers.CrossMapNorm) -> None:
        super().__init__()
        self.groups = ours.groups
        self.norm = nn.LocalResponseNorm(ours.size, ours.alpha * ours.size, ours.beta, ours.k)  # it divides alpha

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.norm(tower) for tower in x.chunk(self.groups, dim=1)], dim=1)


def with_torchs_norms(net: nn.Module) -> None:
    """Replace every norm across maps in a net by `TorchsNorm`."""
    for name, layer in list(net.named_children()):
        if isinstance(layer, layers.CrossMapNorm):
            setattr(net, name, TorchsNorm(layer))
