"""Our own training loop's update as a contender, on noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import nn

from repro import contents
from repro.bench.rivals import CLASSES, LR, SIDES
from repro.bench.turns import Contender, of_rows
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.sets import Images
from repro.nets import modules, tables
from repro.train import loop, throughput

NAMES = {torch.channels_last: "channels last", torch.contiguous_format: "contiguous"}


def noise(
    images: int, pixels: int, classes: int, device: str, scale: Literal["raw", "standardised"] = "raw"
) -> Batches:
    """So many images of noise, with labels."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (images, 3, pixels, pixels), dtype=torch.uint8, generator=draw)
    y = torch.randint(0, classes, (images,), generator=draw)
    return Batches(
        Images("noise", x, y, x[:1], y[:1], tuple(map(str, range(classes))), "noise"), device=device, scale=scale
    )


def trainer(
    kind: str,
    batches: Batches | PhotoBatches,
    *,
    batch: int,
    precision: str = "fp32",
    layout: torch.memory_format | None = None,
    capture: bool = True,
    lr: float = LR,
    file_images: int = 10_000,  # CIFAR-10's
    init: str = "published",
    **options: Any,
) -> loop.Trainer:
    """A run of the net `kind` with these options, by the paper's rule."""
    rows = contents.rows(kind, classes=batches.classes, **options)
    return loop.trainer(
        model=contents.net(kind, classes=batches.classes, init=init, **options),
        train={
            "batch": batch,
            "lr": lr,
            "bias_lr": 2.0,
            "momentum": 0.9,
            "weight_decay": {row.name: row.decay for row in tables.weighted(rows)},
            "file_images": file_images,
            "order": "fresh",
        },
        seed=0,
        precision=precision,
        batches=batches,
        layout=layout,
        capture=capture,
    )


def contender(
    name: str,
    kind: str,
    batches: Batches,
    precision: str,
    *,
    layout: torch.memory_format | None = None,
    change: Callable[[nn.Module], object] | None = None,
    **options: Any,
) -> Contender:
    """The training loop's update on one minibatch that stays where it is: all images of `batches`."""
    size = len(batches)
    run = trainer(kind, batches, batch=size, precision=precision, layout=layout, **options)
    if change:
        change(run.net)
    throughput.put_masks(run, size)
    x, y = batches.train(torch.arange(size, device=batches.device))
    if layout is not None:
        x = x.contiguous(memory_format=layout)
    adds = of_rows(contents.rows(kind, classes=CLASSES[kind], **options), SIDES[kind])
    return Contender(name, precision, partial(run.step.repeat, x, y), run.net, *adds)


def other_layout(device: str) -> torch.memory_format:
    """The memory layout that is not the one of the device."""
    return torch.contiguous_format if modules.layout(device) == torch.channels_last else torch.channels_last
