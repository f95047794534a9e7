"""Photos packed once into uint8 maps: in several processes, resumable after a kill, there whole or not at all.

Two passes over the source: the first takes the digest of every photo, which decides its row; the second decodes, and
writes each photo into its row. No torch here.

A pack is a folder: `train.npy`, `test.npy` (uint8 [n, size, size, 3], sorted by digest), `train_labels.npy`,
`test_labels.npy` (int32 [n]), `train_sums.npy` and `train_products.npy` (see `repro.data.photos.maps.Photos`) and
`manifest.json`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from repro.data.known import MANIFEST, SPLITS, Known, Split, how_to_get
from repro.data.photos import prepare
from repro.data.photos.chunks import Source
from repro.data.photos.digests import ascending, content, every_nth
from repro.data.photos.finish import Placement, finish
from repro.data.photos.manifest import FORMAT, Manifest, OfSource, read_manifest
from repro.data.photos.passes import MARKED, Changed, Decoding, Hashing, do_all
from repro.errors import DataError
from repro.files import PARTIAL, DiskFull, locked, refused, rename, write_whole
from repro.workers import WorkerEnded, cores

EVERY = 5  # assumed: where no split measures and the set says nothing of it, every fifth photo of a class does

Stage = Literal["reading", "packing"]
Progress = Callable[[Stage, int, int], None]  # (stage, photos done, photos in all)


@dataclass(frozen=True)
class Packing:
    """Photos that are being packed at a size. `part`: the folder that it is done in, which a killed call leaves."""

    source: Source
    part: Path
    kind: str
    size: int
    known: Known | None
    workers: int
    progress: Progress

    @property
    def made(self) -> Path:
        """The folder that becomes the pack."""
        return self.part / "pack"

    @property
    def upright(self) -> bool:
        """Whether photos are turned as their EXIF orientation says: one's own are, known sets are as they were used."""
        return self.known is None

    def marks(self, name: str) -> list[Path]:
        """Return the mark of a pass for each chunk."""
        return [self.part / name.format(i) for i in range(len(self.source.chunks))]


def pack(
    source: Source,
    cache: Path,
    *,
    kind: str,
    size: int,
    known: Known | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the pack of `source` in `cache`, made now where it is not there: `cache/KIND-CONTENT-SIZE`.

    `known`: hold the photos to this set. `workers`: processes, by default one for each core; 1 packs in this process.
    DataError where photos cannot be had, or are not what `known` says; unusable ones are left out and listed.
    Unwritable where the cache cannot be written, WorkerEnded where a process was killed: packing goes on from there.
    """
    pointer = _pointer(source, cache, kind, size, known)
    part = cache / f".{pointer.stem}.part"
    packing = Packing(source, part, kind, size, known, min(workers or cores(), len(source.chunks)),
                      progress or (lambda stage, done, total: None))  # fmt: skip
    try:
        with locked(part.with_suffix(".lock")):  # another process that packs the same is waited for
            if of_source := _read_pointer(pointer):
                return cache / of_source["pack"]
            _begin(packing)
            placement = _place(packing)
            marks = _decode(packing, placement)
            finish(source, packing.made, kind, prepare.recipe(size, upright=packing.upright), known, placement, marks)
            manifest = read_manifest(packing.made)
            turned = manifest.get("turned", [])
            target = cache / f"{kind}-{manifest['content']}-{size}{'-upright' * bool(turned)}"
            if not (target / MANIFEST).is_file():  # else another source had the same photos, perhaps by other names
                rename(packing.made, target)
            of_source = OfSource(pack=target.name, excluded=manifest["excluded"], turned=turned)
            write_whole(pointer, json.dumps(of_source))
            shutil.rmtree(part)
            return target
    except OSError as error:
        raise refused(error.filename or cache, error) from error
    except WorkerEnded as error:
        raise WorkerEnded(f"{cache}: {kind} are being packed", error.how) from error


def of_this_source(manifest: Manifest, source: Source, cache: Path, size: int) -> Manifest:
    """Return a pack's manifest with the names of `source`, from which it was packed or would have been: of classes, of
    what is passed over, left out and turned."""
    own = _read_pointer(_pointer(source, cache, manifest["kind"], size, None))
    assert own is not None, "the source has been packed"
    named = {"classes": list(source.classes), "passed_over": list(source.passed_over), "form": source.form,
             "excluded": own["excluded"], "turned": own["turned"]}  # fmt: skip
    return cast(Manifest, {**manifest, **named})


def _pointer(source: Source, cache: Path, kind: str, size: int, known: Known | None) -> Path:
    """Return the file that names the pack of a source at a size, once there is one, and what is the source's alone."""
    way = "" if known else "upright"
    digest = hashlib.sha256(f"{source.listing}{way}".encode()).hexdigest()[:16]
    return cache / f"{kind}-{size}-of-{digest}.pack"


def _read_pointer(pointer: Path) -> OfSource | None:
    """Return what a pointer says; None where there is none, or one of an earlier version, or its pack is gone."""
    try:
        own: OfSource = json.loads(pointer.read_text())
        name, _, _ = own["pack"], own["excluded"], own["turned"]
        return own if (pointer.parent / name / MANIFEST).is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _begin(packing: Packing) -> None:
    """Have a folder to work in: the one that an interrupted call left where its plan is the same, else an empty one."""
    plan: dict[str, Any] = {
        "format": FORMAT,
        "recipe": prepare.recipe(packing.size, upright=packing.upright),
        "marked": MARKED,
        "listing": packing.source.listing,
        "chunks": [len(chunk) for chunk in packing.source.chunks],
    }
    part, wanted = packing.part, json.dumps(plan, sort_keys=True)
    if part.is_dir() and not ((part / "plan.json").is_file() and (part / "plan.json").read_text() == wanted):
        shutil.rmtree(part)
    packing.made.mkdir(parents=True, exist_ok=True)
    for unfinished in part.rglob(f".*{PARTIAL}"):
        unfinished.unlink()
    write_whole(part / "plan.json", wanted)


def _place(packing: Packing) -> Placement:
    """Do the first pass, and give every photo its split and its row.

    DataError where a class has too few photos to split some off, or where the photos are not those of the known set.
    """
    source, known = packing.source, packing.known
    tasks = [
        Hashing(chunk, mark, len(source.classes))
        for chunk, mark in zip(source.chunks, packing.marks("read-{:06}.npy"), strict=True)
    ]
    do_all(tasks, packing.workers, partial(packing.progress, "reading"))
    of_chunks = [np.load(task.mark) for task in tasks]  # uint8 [m, MARKED]: digest, label, sha256
    photos = np.concatenate(of_chunks)
    digests, labels = photos[:, :32], photos[:, 32:36].copy().view("<i4")[:, 0]
    of_bytes = np.ascontiguousarray(photos[:, 36:]).view("V32")[:, 0]
    sizes = [len(of_chunk) for of_chunk in of_chunks]
    in_test = np.repeat([chunk.split == "test" for chunk in source.chunks], sizes)
    if source.split_off:
        n = known.split_off if known is not None and known.split_off else EVERY
        in_test = every_nth(digests, labels, n)
        _check_that_every_class_measures(source, labels, in_test, n)
    if known is not None:
        _hold(packing, {"train": digests[~in_test], "test": digests[in_test]}, known)
    rows = np.empty(len(labels), dtype=np.int64)
    for members in (~in_test, in_test):
        photos_of = np.flatnonzero(members)
        rows[photos_of[ascending(digests[photos_of])]] = np.arange(len(photos_of))
    classes = source.classes or tuple(map(str, range(int(labels.max()) + 1)))
    trained_on = {one.tobytes() for one in of_bytes[~in_test]}
    in_both = sum(one.tobytes() in trained_on for one in of_bytes[in_test])
    return Placement(classes, sizes, digests, labels, in_test, rows, in_both)


def _check_that_every_class_measures(source: Source, labels: np.ndarray, in_test: np.ndarray, n: int) -> None:
    few = [name for i, name in enumerate(source.classes) if not in_test[labels == i].any()]
    if few:
        least, nth = ("two", "second") if n == 2 else ("five", "fifth")
        raise DataError(f"{source.where}: found fewer than {least} photos of class {few[0]}; expected {least} or more, "
                        f"since every {nth} measures. Add photos, or sort some into val/CLASS/.")  # fmt: skip


def _hold(packing: Packing, digests: dict[Split, np.ndarray], known: Known) -> None:
    """Refuse photos that are not the known set's, before any is decoded."""
    where = packing.source.where
    for split in SPLITS:
        found, expected = len(digests[split]), getattr(known, split)
        if abs(found - expected) > known.within:
            shutil.rmtree(packing.part)
            about = f", {known.within:,} more or fewer" if known.within else ""
            raise DataError(
                f"{where}: found {found:,} {split} photos; expected {expected:,}{about}, as {known.title} has. "
                f"To have it whole: {how_to_get(known.kind)}. A part of it is data of kind photos."
            )
    if known.content and content(digests) != known.content:
        shutil.rmtree(packing.part)
        raise DataError(f"{where}: found content {content(digests)}; expected {known.content}. Counts are in "
                        f"order, so some photos are not those of {known.title}: encoded again, mislabelled or damaged. "
                        f"To have it: {how_to_get(known.kind)}. As it is, it is data of kind photos.")  # fmt: skip


def _decode(packing: Packing, placement: Placement) -> list[Path]:
    """Do the second pass into new maps, or into those that an interrupted call left; return its marks."""
    source, made, size = packing.source, packing.made, packing.size
    marks = packing.marks("packed-{:06}.npz")
    if not any(mark.is_file() for mark in marks):  # none: nothing in the maps counts yet
        _check_room(packing.part, len(placement.labels) * size * size * 3)
        for split in SPLITS:
            shape = (len(placement.photos_of(split)), size, size, 3)
            np.lib.format.open_memmap(made / f"{split}.npy", "w+", np.uint8, shape)
    tasks = [
        Decoding(
            chunk, mark, made, size, placement.digests[of], placement.rows[of], placement.in_test[of], packing.upright
        )
        for chunk, mark, of in zip(source.chunks, marks, placement.of_chunks(), strict=True)
    ]
    try:
        do_all(tasks, packing.workers, partial(packing.progress, "packing"))
    except Changed:
        shutil.rmtree(packing.part)  # its marks are of files that are no more
        raise
    return marks


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise DiskFull(f"{folder.parent}: found {free / 1e9:.1f} GB free; expected {wanted / 1e9:.1f} GB for packed "
                       "photos. Free some room, or set REPRO_CACHE to another folder.")  # fmt: skip
