"""Load photos by name: pack them where they are not packed yet, open the maps, keep some training photos apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from repro.data.known import MANIFEST, SPLITS, Known, find_source, how_to_get, of_kind, packed_photos
from repro.data.photos.manifest import FORMAT, Manifest, read_manifest
from repro.data.photos.packing import Progress, of_this_source, pack
from repro.data.photos.prepare import channel_products
from repro.data.photos.sources import open_source
from repro.data.sets import Images
from repro.errors import DataError, ReproError

BLOCK = 256  # photos summed up at a time


@dataclass(frozen=True)
class Photos:
    """A set of images as stored, in packed order: `train_x`, `test_x` uint8 [n, h, w, 3], on the disk or in memory.

    `train` and `held_out`: the rows of `train_x` that are trained on and those that are not (int64, ascending, no row
    in both); `test`: the rows of `test_x` that measure. Labels of other rows mean nothing. `sums` int64 [h, w, 3] and
    `products` int64 [3, 3] (sums over all pixels of r r, r g, ...) are over the rows `train`: whole numbers, so that
    the same photos give the same bits everywhere. `manifest` is the pack's, None for images from memory.
    """

    kind: str
    classes: tuple[str, ...]
    content: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    test: np.ndarray
    sums: np.ndarray
    products: np.ndarray
    manifest: Manifest | None = None


def load_photos(
    kind: str,
    *,
    size: int,
    cache: Path,
    roots: Sequence[Path] = (),
    where: str | Path | None = None,
    images: int | None = None,
    held_out: int = 0,
    classes: Sequence[int] | None = None,
    known: Known | None = None,
    least: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Photos:
    """Return the photos `kind`, short side `size`, from the pack in `cache`, else from the first of `roots` with them.

    `kind` is a known set's, or `photos` for any other: `where` then names a folder (image folders, parquet, or a pack).
    `held_out`: so many of the training photos are kept from training, for tuning; `images`: so many of the rest are
    trained on. Both take from each class in proportion to its size, the first of each class in packed order. `classes`:
    take these only, labelled in this order. `least`: so many classes there must be. Unusable photos are left out, and
    listed in the manifest.

    DataError where photos are missing, damaged or not the ones that they claim to be; ReproError of numbers that do not
    fit.
    """
    if kind == "photos":
        if where is None:
            raise ReproError("photos: found no path; expected the folder of the photos. Name it.")
        if (Path(where) / MANIFEST).is_file():
            folder = Path(where)
        else:
            source = open_source(Path(where))
            _check_classes(source.classes, least, where)  # before anything is packed
            folder = pack(source, cache, kind=kind, size=size, workers=workers, progress=progress)
            photos = open_pack(folder, size, images=images, held_out=held_out, classes=classes)
            assert photos.manifest is not None
            manifest = of_this_source(photos.manifest, source, cache, size)
            names = source.classes if classes is None else tuple(source.classes[label] for label in classes)
            return replace(photos, manifest=manifest, classes=names)
    else:
        folder = _known(known or of_kind(kind), size, cache, roots, workers, progress)
    photos = open_pack(folder, size, images=images, held_out=held_out, classes=classes)
    _check_classes(photos.classes, least, folder)
    return photos


def _check_classes(names: Sequence[str], least: int, where: str | Path) -> None:
    if len(names) < least:
        raise ReproError(f"{where}: found photos of one class, {names[0]}; expected two classes or more")


def _known(
    known: Known, size: int, cache: Path, roots: Sequence[Path], workers: int | None, progress: Progress | None
) -> Path:
    packs = packed_photos(known, cache, size)
    if len(packs) > 1:
        names = ", ".join(pack.name for pack in packs)
        raise DataError(f"{cache}: found {len(packs)} packs of {known.kind} at {size} ({names}); expected one. "
                        "Remove those that are not wanted.")  # fmt: skip
    if packs:
        return packs[0]
    source = find_source(known.kind, roots)
    if source is None:
        searched = ", ".join(str(root) for root in roots) or "no folder: none was named"
        raise DataError(f"{known.kind}: not found under {searched}; expected {' or '.join(known.places)} there. "
                        f"To have it: {how_to_get(known.kind)}.")  # fmt: skip
    return pack(
        open_source(source, known), cache, kind=known.kind, size=size, known=known, workers=workers, progress=progress
    )


def open_pack(
    folder: Path,
    size: int,
    *,
    images: int | None = None,
    held_out: int = 0,
    classes: Sequence[int] | None = None,
) -> Photos:
    """Return a pack's maps, labels and sums, held to its manifest; pixels are not read. DataError of a damaged pack."""
    try:
        manifest = read_manifest(folder)
        x = {split: np.load(folder / f"{split}.npy", mmap_mode="r") for split in SPLITS}
        y = {split: np.load(folder / f"{split}_labels.npy").astype(np.int64) for split in SPLITS}
        sums, products = np.load(folder / "train_sums.npy"), np.load(folder / "train_products.npy")
        fits = manifest["format"] == FORMAT and all(
            x[s].shape == (manifest["photos"][s], size, size, 3)
            and np.bincount(y[s], minlength=len(manifest["classes"])).tolist() == manifest["of_class"][s]
            for s in x
        )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{folder}: found a damaged pack ({error}); expected the files of one. Remove the folder and "
                        "repeat the command: the photos are packed again.") from error  # fmt: skip
    if not fits:
        raise DataError(f"{folder}: found photos that are not what {MANIFEST} says at size {size}, or a pack of an "
                        "older version; expected them to agree. Remove the folder and repeat the command.")  # fmt: skip
    return _divided(
        Photos(
            kind=manifest["kind"],
            classes=tuple(manifest["classes"]),
            content=manifest["content"],
            train_x=x["train"],
            train_y=y["train"],
            test_x=x["test"],
            test_y=y["test"],
            train=np.arange(len(y["train"])),
            held_out=np.arange(0),
            test=np.arange(len(y["test"])),
            sums=sums,
            products=products,
            manifest=manifest,
        ),
        images,
        held_out,
        classes,
    )


def from_images(
    images: Images,
    *,
    stored: int | None = None,
    count: int | None = None,
    held_out: int = 0,
    classes: Sequence[int] | None = None,
) -> Photos:
    """Return small images as photos, so that they can be cropped and mirrored in the same way.

    `stored`: side as stored, a multiple of the images' own: each pixel is repeated. `count`: `images` of `load_photos`,
    as are `held_out` and `classes`.
    """
    times = (stored or images.train_x.shape[2]) // images.train_x.shape[2]
    train, test = (
        x.permute(0, 2, 3, 1).repeat_interleave(times, 1).repeat_interleave(times, 2).contiguous().numpy()
        for x in (images.train_x, images.test_x)
    )
    everything = np.arange(len(train))
    sums, products = sums_of(train, everything)
    return _divided(
        Photos(
            kind=images.kind,
            classes=images.classes,
            content=images.content,
            train_x=train,
            train_y=images.train_y.numpy(),
            test_x=test,
            test_y=images.test_y.numpy(),
            train=everything,
            held_out=np.arange(0),
            test=np.arange(len(test)),
            sums=sums,
            products=products,
        ),
        count,
        held_out,
        classes,
    )


def _divided(whole: Photos, images: int | None, held_out: int, classes: Sequence[int] | None) -> Photos:
    """Return `whole`, or some of its classes, with its training photos divided, and the sums over those trained on."""
    everything = whole.train
    if classes is not None:
        whole = _of_classes(whole, classes)
    x, y = whole.train_x, whole.train_y
    held = in_proportion(y, whole.train, held_out, "held_out") if held_out else whole.held_out
    rows = np.setdiff1d(whole.train, held)
    rows = in_proportion(y, rows, len(rows) if images is None else images, "images")
    left = np.setdiff1d(everything, rows)
    if len(left) <= len(rows):  # the fewer are read
        sums, products = sums_of(x, left)
        sums, products = whole.sums - sums, whole.products - products
    else:
        sums, products = sums_of(x, rows)
    return replace(whole, train=rows, held_out=held, sums=sums, products=products)


def _of_classes(whole: Photos, classes: Sequence[int]) -> Photos:
    """Return the photos of `classes`, labelled 0, 1, ... in this order."""
    new = np.full(len(whole.classes), -1)
    new[list(classes)] = np.arange(len(classes))
    train_y, test_y = new[whole.train_y], new[whole.test_y]
    return replace(
        whole,
        classes=tuple(whole.classes[label] for label in classes),
        train_y=train_y,
        test_y=test_y,
        train=np.flatnonzero(train_y >= 0),
        test=np.flatnonzero(test_y >= 0),
    )


def in_proportion(labels: np.ndarray, rows: np.ndarray, wanted: int, what: str) -> np.ndarray:
    """Return `wanted` of `rows`, ascending: from each class in proportion to its size, the first ones of each.

    The shares are rounded down; those with the largest remainders, of equal ones the lowest classes, get one more.
    """
    most = len(rows) - (what == "held_out")  # one is left to train on
    if not 1 <= wanted <= most:
        raise ReproError(f"{what}: found {wanted:,}; expected 1 to {most:,} training photos. Change the number.")
    of_class = np.bincount(labels[rows])
    shares, remainders = np.divmod(of_class * wanted, len(rows))
    shares[np.argsort(-remainders, kind="stable")[: wanted - shares.sum()]] += 1
    chosen = [rows[labels[rows] == label][:share] for label, share in enumerate(shares)]
    return np.sort(np.concatenate(chosen))


def sums_of(x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (sum of each pixel int64 [h, w, 3], sums of products of channels int64 [3, 3]) over these rows of x."""
    sums, products = np.zeros(x.shape[1:], dtype=np.int64), np.zeros((3, 3), dtype=np.int64)
    for lo in range(0, len(rows), BLOCK):
        part = x[rows[lo : lo + BLOCK]]
        sums += part.sum(0, dtype=np.int64)
        products += channel_products(part)
    return sums, products
