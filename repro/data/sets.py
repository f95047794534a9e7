"""Load a known set: from its packed file, else from what people have, packed on the way. Data by name, tensors out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from repro.data import cifar, digits, pack
from repro.data.known import OFFICIAL, Known, find_source, how_to_get, of_kind, packed
from repro.errors import DataError, ReproError


@dataclass(frozen=True)
class Images:
    """A set in memory, in packed order: x uint8 [n, 3, h, w], 0..255; y int64 [n].

    `content` is the identity of the whole set, also where `train_x` holds a part of it.
    """

    kind: str
    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    classes: tuple[str, ...]
    content: str


def load(
    kind: str, *, roots: Sequence[Path] = (), cache: Path, images: int | None = None, known: Known | None = None
) -> Images:
    """Return the set `kind` from the packed file in `cache`, else from the first of `roots` that has it.

    `images`: so many training images, equally many of each class (the remainder goes to the lowest classes), the first
    of each class in packed order; the test set stays whole. `known`: hold the data to this, not to the table's entry.
    DataError where the set is missing, damaged, or not the one that it claims to be.
    """
    known = known or of_kind(kind)
    assert not known.photos, f"{kind} are photos: repro.data.photos.maps loads them"
    path = packed(known, cache)
    splits, damage = None, ""
    if path.is_file():
        try:
            splits = pack.read(path, known)
        except pack.Damaged as error:
            damage = f" The packed file is damaged: {error}."
    if splits is None:
        splits = _read_source(kind, roots, known, damage)
        pack.write(path, splits)
    (train_x, train_y), (test_x, test_y) = splits["train"], splits["test"]
    if images is not None:
        chosen = stratified(train_y, images, known)
        train_x, train_y = train_x[chosen], train_y[chosen]
    x, y, held_x, held_y = (torch.from_numpy(array) for array in (train_x, train_y, test_x, test_y))
    return Images(kind, x, y, held_x, held_y, known.classes, known.content)


def _read_source(kind: str, roots: Sequence[Path], known: Known, damage: str) -> pack.Splits:
    source = find_source(kind, roots)
    if source is None:
        if kind == "digits":
            raise DataError(f"digits: not found in scikit-learn.{damage} Install it: `pip install scikit-learn`.")
        where = ", ".join(str(root) for root in roots) or "no folder: none was named"
        raise DataError(
            f"{kind}: not found under {where}; expected cifar10/train-*.parquet and cifar10/test-*.parquet, or "
            f"{OFFICIAL}/.{damage} To have it: {how_to_get(kind)}."
        )
    splits = digits.read() if kind == "digits" else cifar.read(source, known)
    splits = {split: pack.in_order(*arrays) for split, arrays in splits.items()}
    found = pack.content(splits)
    if found != known.content:
        raise DataError(
            f"{source}: found content {found}; expected {known.content}. Counts and labels are in order, so the "
            f"images are not those of {known.title}: encoded with loss, mislabelled or altered. "
            f"To have it: {how_to_get(kind)}."
        )
    return splits


def stratified(labels: np.ndarray, images: int, known: Known) -> np.ndarray:
    """Return the indices, ascending, of the first images of each class: images // classes each, and one more of the
    lowest classes. ReproError where a class has fewer."""
    if images == len(labels):
        return np.arange(images)
    each, more = divmod(images, len(known.classes))
    chosen = []
    for label in range(len(known.classes)):
        wanted = each + (label < more)
        having = np.flatnonzero(labels == label)
        if images < 1 or len(having) < wanted:
            raise ReproError(
                f"images: {images} training images of {known.kind} asked for; expected 1 to {len(labels):,}, equally "
                f"many of each class (class {known.classes[label]} has {len(having):,})"
            )
        chosen.append(having[:wanted])
    return np.sort(np.concatenate(chosen))


def get(kind: str, root: Path) -> Path:
    """Fetch a set into `root` and return where it is; digits come with scikit-learn. DataError where that fails, and of
    photos."""
    if of_kind(kind).photos:
        raise DataError(f"{kind}: cannot be fetched from here, photos ask for an agreement with their owners; expected "
                        f"them on the disk. Fetch them, then {how_to_get(kind)}.")  # fmt: skip
    if kind == "digits":
        path = find_source(kind, ())
        if path is None:
            raise DataError("digits: not found in scikit-learn. Install it: `pip install scikit-learn`.")
        return path
    return cifar.get(root)
