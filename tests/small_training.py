"""Small runs on crops of digits, for the tests of training: quarter width, 7 minibatches an epoch."""

from pathlib import Path
from typing import Any

from repro.data.photobatches import PhotoBatches
from repro.data.photosets import Photos, from_images
from repro.data.sets import load
from repro.models import registry, tables
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
    batches: Any, *, model: dict[str, Any] = NET, seed: int = 0, precision: str = "fp32", **train: Any
) -> loop.Trainer:
    """A run at its start; `train` beside batch 15 in files of 30, rate 0.01 and section 5's momentum and decay."""
    options = {k: v for k, v in model.items() if k not in ("kind", "init")}
    rows = registry.table(model["kind"], classes=batches.classes, **options)
    rule = {
        "batch": 15,
        "lr": 0.01,
        "bias_lr": 2.0,
        "momentum": 0.9,
        "weight_decay": {row.name: 0.0005 for row in tables.weighted(rows)},
        "file_images": 30,
        "order": "repeated",
    }
    return loop.trainer(model=model, train=rule | train, seed=seed, precision=precision, batches=batches)


def crops(photos: Photos, size: int = CROP, **cropping: Any) -> PhotoBatches:
    """Standardised, so that a small net starts at once."""
    return PhotoBatches(photos, device="cpu", size=size, **{"scale": "standardised"} | cropping)


def rows(run: loop.Trainer, last: int) -> list[dict]:
    """The epochs up to `last` without their seconds."""
    return [{k: v for k, v in epoch.row().items() if k != "seconds"} for epoch in run.epochs(last)]
