"""The images of a run by its keyword arguments: packed before training, loaded once a process, or noise instead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from repro.data.batches import Batches
from repro.data.known import KNOWN, LeftOut, packed, packed_photos
from repro.data.photos.crops import PhotoBatches
from repro.data.photos.manifest import read_manifest
from repro.data.photos.maps import from_images, load_photos
from repro.data.photos.packing import Progress
from repro.data.sets import Images, load

NAMED = 20  # assumed: so many of the photos left out are named with a run, the rest counted


def have(kind: str, *, stored: int | None, roots: Sequence[Path], cache: Path, progress: Progress) -> None:
    """Pack a set that is not packed yet. DataError where it is missing."""
    if KNOWN[kind].photos:
        load_photos(kind, size=stored or 0, roots=roots, cache=cache, progress=progress)
    elif not packed(KNOWN[kind], cache).is_file():
        load(kind, roots=roots, cache=cache)


@lru_cache(maxsize=2)  # a claim uses a set with one or two input scales; a packed set is 180 MB
def batches(
    *,
    kind: str,
    images: int | None,
    scale: Any,
    device: str,
    roots: tuple[Path, ...],
    cache: Path,
    crop: int | None = None,
    stored: int | None = None,
    held_out: int = 0,
    classes: tuple[int, ...] | None = None,
    factor: float = 1.0,
    **cropping: Any,
) -> Batches | PhotoBatches:
    """Return the set on the device, loaded once a process.

    `crop`: the side of crops, None for whole images, which have no `classes`. `cropping`: keyword arguments of
    `PhotoBatches`; the others are those of `load` and `load_photos`, which say what they raise.
    """
    if crop is None:
        whole = load(kind, roots=roots, cache=cache, images=images)
        return Batches(whole, device=device, scale=scale, factor=factor)
    size = stored or crop
    if KNOWN[kind].photos:
        photos = load_photos(
            kind, size=size, roots=roots, cache=cache, images=images, held_out=held_out, classes=classes
        )
    else:
        small = load(kind, roots=roots, cache=cache)
        photos = from_images(small, stored=size, count=images, held_out=held_out, classes=classes)
    return PhotoBatches(photos, device=device, size=crop, scale=scale, factor=factor, **cropping)


def noise(
    *,
    kind: str,
    scale: Any,
    device: str,
    train: int,
    test: int,
    crop: int | None = None,
    stored: int | None = None,
    classes: tuple[int, ...] | None = None,
    factor: float = 1.0,
    **cropping: Any,
) -> Batches | PhotoBatches:
    """Return `train` and `test` images of random pixels in the form of a set's, as `batches` does, without its data."""
    known = KNOWN[kind]
    names = known.classes if classes is None else tuple(known.classes[label] for label in classes)
    side = stored if crop is not None and stored else known.shape[1]
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (train, 3, side, side), dtype=torch.uint8, generator=draw)
    y = torch.arange(train) % len(names)
    images = Images(kind, x, y, x[:test], y[:test], names, content="")
    if crop is None:
        return Batches(images, device=device, scale=scale, factor=factor)
    return PhotoBatches(from_images(images), device=device, size=crop, scale=scale, factor=factor, **cropping)


def left_out(kind: str, *, stored: int | None, cache: Path) -> LeftOut | None:
    """Return the photos that were unusable when the set was packed; None where all of them are there."""
    known = KNOWN.get(kind)  # None of a set of one's own, whose manifest is at hand
    packs = packed_photos(known, cache, stored) if known and known.photos else []
    excluded = [photo for pack in packs for photo in read_manifest(pack)["excluded"]]
    if not excluded:
        return None
    return {
        "left_out": len(excluded),
        "names": [f"{photo['photo']} ({photo['split']}: {photo['reason']})" for photo in excluded[:NAMED]],
    }
