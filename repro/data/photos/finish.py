"""The end of a packing: unusable photos leave the maps; labels, sums and the manifest are written. No torch here."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from repro.data.known import MANIFEST, SPLITS, Known, Split
from repro.data.photos.chunks import Source
from repro.data.photos.digests import content
from repro.data.photos.manifest import FORMAT, LeftOut, Manifest
from repro.data.photos.prepare import Recipe
from repro.errors import DataError
from repro.files import write_whole

Kept = dict[Split, np.ndarray]  # int64 [n]: the usable photos of a split, in packed order


@dataclass(frozen=True)
class Placement:
    """Where every photo of a source goes, chunk after chunk: `digests` uint8 [n, 32], `labels` int32 [n], `in_test`
    bool [n], `rows` int64 [n] of its split; `sizes`: how many photos a chunk has."""

    classes: tuple[str, ...]
    sizes: Sequence[int]
    digests: np.ndarray
    labels: np.ndarray
    in_test: np.ndarray
    rows: np.ndarray
    in_both: int = 0  # photos that measure whose bytes are also those of one that is trained on

    def photos_of(self, split: Split) -> np.ndarray:
        """Return the photos of a split in the order of their rows: int64 [m]."""
        members = np.flatnonzero(self.in_test if split == "test" else ~self.in_test)
        return members[np.argsort(self.rows[members])]

    def of_chunks(self) -> list[slice]:
        """Return the photos of each chunk."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]


@dataclass(frozen=True)
class Decoded:
    """What the second pass left in its marks: of every photo `usable` bool [n] and the digest of its packed `pixels`
    uint8 [n, 32]; `sums` int64 [size, size, 3] and `products` int64 [3, 3] over the training photos; `modes`: how many
    photos had which mode."""

    usable: np.ndarray
    pixels: np.ndarray
    sums: np.ndarray
    products: np.ndarray
    modes: Counter[str]
    enlarged: int
    excluded: list[LeftOut]
    turned: list[str]


def finish(
    source: Source, made: Path, kind: str, recipe: Recipe, known: Known | None, placement: Placement, marks: list[Path]
) -> None:
    """Make the folder `made` a pack, from what both passes left there and in the `marks` of the second.

    DataError where a photo of a known set does not decode, or a class has no usable photo.
    """
    decoded = _read(marks, placement)
    if known is not None and known.content and decoded.excluded:
        first = decoded.excluded[0]
        raise DataError(f"{source.where}: found {first['photo']} ({first['class']}) unusable here ({first['reason']}) "
                        f"though its bytes are those of {known.title}; expected all of them to decode. "
                        "Install another release of Pillow.")  # fmt: skip
    kept: Kept = {}
    for split in SPLITS:
        photos = placement.photos_of(split)
        kept[split] = photos[decoded.usable[photos]]
    _check_every_class(source, placement, decoded, kept)
    if decoded.excluded:
        for mark in marks:  # from here the rows move: a kill before the end makes the second pass begin again
            mark.unlink()
        for split in SPLITS:
            unusable = ~decoded.usable & (placement.in_test == (split == "test"))
            leave_out(made / f"{split}.npy", np.sort(placement.rows[unusable]))
    for split in SPLITS:
        labels = placement.labels[kept[split]].astype("<i4")
        write_whole(made / f"{split}_labels.npy", partial(np.save, arr=labels))
    write_whole(made / "train_sums.npy", partial(np.save, arr=decoded.sums))
    write_whole(made / "train_products.npy", partial(np.save, arr=decoded.products))
    manifest = _manifest(source, kind, recipe, placement, decoded, kept)
    write_whole(made / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def _read(marks: list[Path], placement: Placement) -> Decoded:
    """Add up what the marks of the second pass hold."""
    usable = np.ones(len(placement.labels), dtype=bool)
    sums, products = np.zeros((), dtype=np.int64), np.zeros((3, 3), dtype=np.int64)
    pixels, excluded, turned, enlarged = [], [], [], 0
    modes: Counter[str] = Counter()
    for mark, of_chunk in zip(marks, placement.of_chunks(), strict=True):
        with np.load(mark) as done:
            sums, products = sums + done["sums"].astype(np.int64), products + done["products"]
            pixels.append(done["pixels"])
            notes = json.loads(done["notes"].tobytes())
        for i, name, reason in notes["excluded"]:
            photo = of_chunk.start + i
            usable[photo] = False
            excluded.append(
                LeftOut(
                    {
                        "split": SPLITS[int(placement.in_test[photo])],
                        "photo": name,
                        "class": placement.classes[int(placement.labels[photo])],
                        "reason": reason,
                    }
                )
            )
        modes.update(notes["modes"])
        enlarged += notes["enlarged"]
        turned += notes["turned"]
    return Decoded(usable, np.concatenate(pixels), sums, products, modes, enlarged, excluded, turned)


def _check_every_class(source: Source, placement: Placement, decoded: Decoded, kept: Kept) -> None:
    for split in SPLITS:
        of_class = np.bincount(placement.labels[kept[split]], minlength=len(placement.classes))
        if not of_class.all():
            name = placement.classes[int(np.flatnonzero(of_class == 0)[0])]
            lost = (photo for photo in decoded.excluded if photo["class"] == name)
            because = next((f" ({photo['photo']}: {photo['reason']})" for photo in lost), "")
            raise DataError(f"{source.where}: found no usable {split} photo of class {name}{because}; expected one at "
                            "least. Add photos of it, or remove the class, and repeat the command.")  # fmt: skip


def leave_out(path: Path, rows: np.ndarray) -> None:
    """Close the gaps that unusable photos left in a map, in place. `rows`: theirs, int64, ascending."""
    if not len(rows):
        return
    pixels = np.load(path, mmap_mode="r+")
    n, shape = len(pixels), pixels.shape[1:]
    for k, (gap, following) in enumerate(zip(rows, [*rows[1:], n], strict=True)):
        for row in range(gap + 1, following):
            pixels[row - k - 1] = pixels[row]
    pixels.flush()
    del pixels
    header = path.stat().st_size - n * int(np.prod(shape))
    os.truncate(path, header + (n - len(rows)) * int(np.prod(shape)))
    with path.open("r+b") as file:
        described = {"descr": "|u1", "fortran_order": False, "shape": (n - len(rows), *shape)}
        np.lib.format.write_array_header_1_0(file, described)
        assert file.tell() == header
        os.fsync(file.fileno())


def _manifest(
    source: Source, kind: str, recipe: Recipe, placement: Placement, decoded: Decoded, kept: Kept
) -> Manifest:
    classes, labels = placement.classes, placement.labels
    packed = hashlib.sha256()
    for split in SPLITS:
        packed.update(split.encode() + decoded.pixels[kept[split]].tobytes())
    total = sum(map(len, kept.values()))
    deviations = []
    if decoded.enlarged:
        deviations.append(f"{decoded.enlarged:,} of {total:,} photos had a short side below {recipe['size']} and were "
                          f"enlarged ({recipe['enlarge']})")  # fmt: skip
    return {
        "format": FORMAT,
        "kind": kind,
        "form": source.form,
        "recipe": recipe,
        "content": content({split: placement.digests[kept[split]] for split in SPLITS}),
        "pixels": packed.hexdigest(),
        "classes": list(classes),
        "photos": {split: len(kept[split]) for split in SPLITS},
        "of_class": {split: np.bincount(labels[kept[split]], minlength=len(classes)).tolist() for split in SPLITS},
        "converted": {mode: n for mode, n in sorted(decoded.modes.items()) if mode != "RGB"},
        "enlarged": decoded.enlarged,
        "deviations": deviations,
        "excluded": sorted(decoded.excluded, key=lambda photo: (photo["split"], photo["photo"])),
        "passed_over": list(source.passed_over),
        "split_off": source.split_off,
        "turned": decoded.turned,
        "in_both": placement.in_both,
    }
