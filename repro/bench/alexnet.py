"""One training update of the paper's net in both readings, beside what people would train instead.

That is torchvision's `alexnet`, another net of nearly as many multiply-adds, without norms and groups, with torch's
SGD; and our net with `nn.LocalResponseNorm` in each tower for our norm, which computes the same. All in one process, on
the same noise: a minibatch of 128 images of 224 x 224, fp32, with dropout. In turn, one update after the other, one
thread on the CPU; on a GPU where there is one. The process is settled as for training, which helps all alike.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from repro.data.batches import Batch, Batches
from repro.data.sets import Images
from repro.execute import settle_process
from repro.models import alexnet, layers, tables
from repro.provenance import provenance
from repro.report.speed import lines
from repro.train import loop, throughput

BATCH, PIXELS, CLASSES = 128, 224, 1000  # §5, §3.5
ROUNDS = {"cpu": 3, "cuda": 9}  # assumed: on one core an update takes seconds
UPDATES = {"cpu": 1, "cuda": 20}  # of a round (assumed)

Step = Callable[[], object]


def measure() -> list[str]:
    """A line for each: images/s, multiply-adds an image, and how our net of the reading `paper` stands to it."""
    return lines(result())


def result(batch: int = BATCH, rounds: int | None = None) -> dict[str, Any]:
    """The seconds of an update by round, for each, with machine and versions: what `repro.report.speed` prints."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rounds, load = rounds or ROUNDS[device], os.getloadavg()[0]
    settle_process(device)
    made = provenance(device) | {"torchvision": torchvision.__version__, "cores": os.cpu_count(), "load": load}
    batches = _noise(batch, device)
    minibatch = batches.train(torch.arange(batch, device=device))
    steps: dict[str, tuple[Step, int]] = {
        "ours, reading `paper`": (ours("paper", batches, minibatch), _multiply_adds_of("paper")),
        "ours, reading `source`": (ours("source", batches, minibatch), _multiply_adds_of("source")),
        "the same as the first, with `nn.LocalResponseNorm`": (
            ours("paper", batches, minibatch, with_torchs_norms),
            _multiply_adds_of("paper"),
        ),
        "torchvision's `alexnet`": (theirs(minibatch, torch.contiguous_format), torchvisions_multiply_adds()),
        "torchvision's `alexnet`, channels last": (
            theirs(minibatch, torch.channels_last),
            torchvisions_multiply_adds(),
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, (step, _) in steps.items():
            seconds[name].append(throughput.seconds(step, UPDATES[device], device))
    return {
        "made": made,
        "batch": batch,
        "pixels": PIXELS,
        "rounds": rounds,
        # the first round warms up
        "steps": [
            {"name": name, "multiply_adds": adds, "seconds": seconds[name][1:]} for name, (_, adds) in steps.items()
        ],
    }


def _noise(images: int, device: str) -> Batches:
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 3, PIXELS, PIXELS), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, CLASSES, (images,), generator=draw)
    names = tuple(map(str, range(CLASSES)))
    return Batches(Images("noise", pixels, labels, pixels[:1], labels[:1], names, "noise"), device=device, scale="raw")


def ours(
    reading: alexnet.Reading, batches: Batches, minibatch: Batch, change: Callable[[nn.Module], object] | None = None
) -> Step:
    """The training loop's own update."""
    trainer = loop.trainer(
        model={"kind": "alexnet", "reading": reading},
        train={
            "batch": len(batches),
            "lr": 1e-6,  # noise teaches nothing: weights only have to stay finite
            "bias_lr": 2.0,
            "momentum": 0.9,
            "weight_decay": {row.name: row.decay for row in tables.weighted(alexnet.table(reading))},
            "file_images": len(batches),
            "order": "repeated",
        },
        seed=0,
        precision="fp32",
        batches=batches,
    )
    if change:
        change(trainer.net)
    throughput.put_masks(trainer, len(batches))
    return partial(trainer.step.repeat, *minibatch)


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


def theirs(minibatch: Batch, memory_format: torch.memory_format) -> Step:
    """torchvision's net as a tutorial would train it."""
    x, y = minibatch
    x = x.contiguous(memory_format=memory_format)
    net = torchvision.models.alexnet().to(x.device, memory_format=memory_format).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.0005)

    def step() -> None:
        optimiser.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimiser.step()

    return step


def _multiply_adds_of(reading: alexnet.Reading) -> int:
    return sum(tables.multiply_adds(alexnet.table(reading), (3, PIXELS, PIXELS)).values())


def torchvisions_multiply_adds() -> int:
    """Of one image, forward, counted as `tables.multiply_adds` counts: kernel size times outputs."""
    counted = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        counted.append(layer.weight[0].numel() * out[0].numel())

    with torch.device("meta"):
        net = torchvision.models.alexnet().eval()
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(count)
        net(torch.empty(1, 3, PIXELS, PIXELS))
    return sum(counted)
