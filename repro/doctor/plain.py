"""Plain PyTorch nets and the training loop of tutorials: what our own training is timed against."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from repro import contents
from repro.data.batches import Batch
from repro.engine import turns
from repro.engine.turns import LAYOUT_NAMES, LR, Contender

SIDES = {"cuda_convnet_19pct": 32, "alexnet": 224}  # pixels
CLASSES = {"cuda_convnet_19pct": 10, "alexnet": 1000}
OPTIONS: dict[str, dict[str, Any]] = {"alexnet": {"reading": "paper"}}


def plain_net(kind: str) -> nn.Module:
    """Return the net `kind` as a tutorial would write it: torch's own layers, initial values and dropout.

    Its norms also sum across the border between the two towers, which torch's layer cannot know; that is as much
    arithmetic.
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
    """Return the multiply-adds of an image by the net `kind`, forward and in an update."""
    return turns.multiply_adds(contents.rows(kind, classes=CLASSES[kind], **OPTIONS.get(kind, {})), SIDES[kind])


def trained(
    name: str, net: nn.Module, minibatch: Batch, layout: torch.memory_format, precision: str, adds: tuple[int, int]
) -> Contender:
    """Return `net` trained by the loop of a tutorial: torch's SGD, and autocast where the precision is bf16."""
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
    """Return the plain net `kind` in eager PyTorch."""
    name = f"plain PyTorch, {LAYOUT_NAMES[layout]}"
    return trained(name, plain_net(kind), minibatch, layout, precision, multiply_adds(kind))
