"""Updates of nets timed in turn, in one process, on noise: what the doctor and the benchmarks compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from repro import contents
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.data.sets import Images
from repro.nets import modules, tables
from repro.train import loop, throughput

LR = 1e-6  # noise teaches nothing: weights only have to stay finite
LAYOUT_NAMES = {torch.channels_last: "channels last", torch.contiguous_format: "contiguous"}

Step = Callable[[], object]
Key = TypeVar("Key")


@dataclass
class Contender:
    """Something that trains: `step` does one update of `net`, or `failed` says why there is none."""

    name: str
    precision: str
    step: Step | None
    net: nn.Module | None
    multiply_adds: int  # of an image, forward
    update_multiply_adds: int  # of an image in an update
    compile_seconds: float | None = None
    failed: str | None = None


def in_rounds(
    steps: Mapping[Key, Step], times: Mapping[Key, int], *, rounds: int, device: str, warm: int = 1
) -> Iterator[dict[Key, float]]:
    """Yield round by round the seconds of one of each `step`, from so many `times` of it.

    Each round begins with another step. A round that warms up, with at least `warm` times of each, goes first; it is
    yielded too, and `rounds` more.
    """
    keys = list(steps)
    for r in range(rounds + 1):
        start = r % len(keys)
        yield {
            key: throughput.seconds(steps[key], times[key] if r else max(times[key], warm), device)
            for key in keys[start:] + keys[:start]
        }


def multiply_adds(rows: tuple[tables.Row, ...], pixels: int) -> tuple[int, int]:
    """Return the multiply-adds of an image, forward and in an update, of the net of these rows."""
    adds = list(tables.multiply_adds(rows, (3, pixels, pixels)).values())
    return sum(adds), update_multiply_adds(adds)


def update_multiply_adds(by_layer: Sequence[int]) -> int:
    """Return an update's multiply-adds from those of the layers, forward: once forward, twice backward (for inputs and
    weights), but for the first layer, whose input needs no gradient."""
    return 3 * sum(by_layer) - by_layer[0]


def noise(
    images: int, pixels: int, classes: int, device: str, scale: Literal["raw", "standardised"] = "raw"
) -> Batches:
    """Return so many images of noise, with labels."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (images, 3, pixels, pixels), dtype=torch.uint8, generator=draw)
    y = torch.randint(0, classes, (images,), generator=draw)
    names = tuple(map(str, range(classes)))
    return Batches(Images("noise", x, y, x[:1], y[:1], names, "noise"), device=device, scale=scale)


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
    """Return a run of the net `kind` with these options, by the paper's rule."""
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


def ours(
    name: str,
    kind: str,
    batches: Batches,
    precision: str,
    *,
    layout: torch.memory_format | None = None,
    change: Callable[[nn.Module], object] | None = None,
    **options: Any,
) -> Contender:
    """Return the training loop's update of the net `kind`, on one minibatch that stays: all images of `batches`."""
    size = len(batches)
    run = trainer(kind, batches, batch=size, precision=precision, layout=layout, **options)
    if change:
        change(run.net)
    throughput.put_masks(run, size)
    x, y = batches.train(torch.arange(size, device=batches.device))
    if layout is not None:
        x = x.contiguous(memory_format=layout)
    adds = multiply_adds(contents.rows(kind, classes=batches.classes, **options), batches.image[1])
    return Contender(name, precision, partial(run.step.repeat, x, y), run.net, *adds)


def other_layout(device: str) -> torch.memory_format:
    """Return the memory layout that is not the one of the device."""
    return torch.contiguous_format if modules.layout(device) == torch.channels_last else torch.channels_last
