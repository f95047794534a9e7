"""Small runs on crops of digits, for the tests of training: quarter width, 7 minibatches an epoch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from repro import contents
from repro.data.augment import Draws
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.maps import Photos, from_images
from repro.data.sets import load
from repro.nets import tables
from repro.train import loop

STORED, CROP = 32, 28  # of the digits; a border of 4
NET = {"kind": "cuda_convnet_19pct", "activation": "relu", "width": 0.25, "init": "he"}
ALEXNET = {
    "kind": "alexnet",
    "activation": "relu",
    "width": 0.0625,
    "init": "he",
    "reading": "paper",
}  # crops from 80 on


def digits(cache: Path, *, stored: int = STORED, test: int = 40) -> Photos:
    """100 digits to train on, 20 held out, the first `test` of the set's test images."""
    images = load("digits", cache=cache)
    fewer = type(images)(**vars(images) | {"test_x": images.test_x[:test], "test_y": images.test_y[:test]})
    return from_images(fewer, stored=stored, count=100, held_out=20)


def trainer(
    batches: Any,
    *,
    model: dict[str, Any] = NET,
    seed: int = 0,
    precision: str = "fp32",
    every_epoch: bool = False,
    **train: Any,
) -> loop.Trainer:
    """A run at its start; `train` beside batch 15 in files of 30, rate 0.01 and section 5's momentum and decay."""
    options = {k: v for k, v in model.items() if k not in ("kind", "init")}
    rows = contents.rows(model["kind"], classes=batches.classes, **options)
    rule = {
        "batch": 15,
        "lr": 0.01,
        "bias_lr": 2.0,
        "momentum": 0.9,
        "weight_decay": {row.name: 0.0005 for row in tables.weighted(rows)},
        "file_images": 30,
        "order": "repeated",
    }
    return loop.trainer(
        model=contents.net(**model, classes=batches.classes),
        train=rule | train,
        seed=seed,
        precision=precision,
        batches=batches,
        every_epoch=every_epoch,
    )


def crops(photos: Photos, size: int = CROP, **cropping: Any) -> PhotoBatches:
    """Standardised, so that a small net starts at once."""
    return PhotoBatches(photos, device="cpu", size=size, **{"scale": "standardised"} | cropping)


def minibatches(
    batches: Any, order: torch.Tensor, sizes: list[int], draws: Draws | None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Minibatches of the training images in `order`, as a run's updates take them."""
    order, fed = order.to(batches.device), batches.feed(order, sizes)
    found, labels = batches.places(order, sizes), batches.labels(order)
    for part in torch.arange(len(order), device=batches.device).split(sizes):
        if fed is not None:
            next(fed)
        yield batches.take(found[part], None if draws is None else draws.from_words(draws.words()[part])), labels[part]


def rows(run: loop.Trainer, last: int) -> list[dict]:
    """The epochs up to `last` without their seconds."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.epochs(last)]
