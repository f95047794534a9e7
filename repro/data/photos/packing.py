"""Photos packed once into uint8 maps: in several processes, resumable after a kill, there whole or not at all.

Two passes over the source: the first takes the digest of every photo, which decides its row; the second decodes, and
writes each photo into its row. Every chunk leaves a mark when it is done, so that a later call does the rest. No torch
here: the processes start quickly.

A pack is a folder: `train.npy`, `test.npy` (uint8 [n, size, size, 3], sorted by digest), `train_labels.npy`,
`test_labels.npy` (int32 [n]), `train_sums.npy` and `train_products.npy` (see `repro.data.photos.maps.Photos`) and
`manifest.json`.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.known import MANIFEST, Known, how_to_get
from repro.data.photos import prepare
from repro.data.photos.files import Source
from repro.data.photos.passes import (
    SPLITS,
    Changed,
    ascending,
    decode,
    each,
    fsync,
    hash_photos,
    leave_out,
    processes,
    write_whole,
)
from repro.errors import DataError

FIFTH = 5  # assumed: where no split measures and the set says nothing of it, every fifth photo of a class does
FORMAT = 1  # of a pack; one of another format is refused by `repro.data.photos.maps`

Progress = Callable[[str, int, int], None]  # ("reading" | "packing", photos done, photos in all)


def content(digests: dict[str, np.ndarray]) -> str:
    """sha256 over each split's name and its photos' digests (uint8 [n, 32]) in ascending order, train first."""
    total = hashlib.sha256()
    for split in SPLITS:
        total.update(split.encode())
        total.update(digests[split][ascending(digests[split])].tobytes())
    return total.hexdigest()


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
    """The pack of `source` in `cache`, made now where it is not there: `cache/KIND-CONTENT-SIZE`.

    `known`: hold the photos to this set. `workers`: processes, by default one for each core; 1 packs in this process.
    Raises DataError where photos cannot be had, or are not what `known` says; unusable ones are left out and listed.
    """
    report = progress or (lambda stage, done, total: None)
    recipe = prepare.recipe(size)
    name = f"{kind}-{size}-of-{hashlib.sha256(source.listing.encode()).hexdigest()[:16]}"
    pointer, part = cache / f"{name}.pack", cache / f".{name}.part"
    try:
        with _alone(cache, part):
            if pointer.is_file() and (cache / pointer.read_text() / MANIFEST).is_file():
                return cache / pointer.read_text()
            _begin(part, {"recipe": recipe, "listing": source.listing, "chunks": [len(c) for c in source.chunks]})
            with processes(min(workers or _cores(), len(source.chunks))) as pool:
                made = _make(source, part, kind, recipe, known, pool, report)
            found = json.loads((made / MANIFEST).read_text())
            target = cache / f"{kind}-{found['content']}-{size}"
            if not (target / MANIFEST).is_file():  # else another container had the same photos
                os.replace(made, target)
                fsync(cache)
            write_whole(pointer, target.name.encode())
            shutil.rmtree(part)
            return target
    except OSError as error:
        raise DataError(f"{cache}: {kind} could not be packed at {size}: {error}. Free some room, or name another "
                        "cache folder, and repeat the command: packing goes on from there.") from error  # fmt: skip
    except BrokenProcessPool as error:
        raise DataError(f"{cache}: a process that packed {kind} was killed, most likely for want of memory. Repeat the "
                        "command with fewer workers: packing goes on where it stopped.") from error  # fmt: skip


@contextmanager
def _alone(cache: Path, part: Path) -> Iterator[None]:
    """Hold the lock of what is being packed; wait for another process that does."""
    cache.mkdir(parents=True, exist_ok=True)
    with part.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(part: Path, plan: dict[str, Any]) -> None:
    """A folder to work in: the one that an interrupted call left where its plan is the same, else an empty one."""
    wanted = json.dumps(plan, sort_keys=True)
    if part.is_dir() and not ((part / "plan.json").is_file() and (part / "plan.json").read_text() == wanted):
        shutil.rmtree(part)
    (part / "pack").mkdir(parents=True, exist_ok=True)
    for unfinished in part.rglob(".*.part"):
        unfinished.unlink()
    write_whole(part / "plan.json", wanted.encode())


def _make(
    source: Source, part: Path, kind: str, recipe: dict, known: Known | None, pool: Executor | None, report: Progress
) -> Path:
    """Both passes and the finish; returns the folder of the pack."""
    chunks, size, made = source.chunks, recipe["size"], part / "pack"
    marks = [part / f"read-{i:06}.npy" for i in range(len(chunks))]
    tasks = [partial(hash_photos, chunk, mark, len(source.classes)) for chunk, mark in zip(chunks, marks, strict=True)]
    each(tasks, marks, [len(chunk) for chunk in chunks], pool, partial(report, "reading"))
    read = [np.load(mark) for mark in marks]  # uint8 [m, 36]: digest and label
    counts = [len(one) for one in read]
    all_of = np.concatenate(read)
    digests, labels = all_of[:, :32], all_of[:, 32:].copy().view("<i4")[:, 0]
    in_test = np.repeat([chunk.split == "test" for chunk in chunks], counts)
    if source.split_off:
        every = known.split_off if known is not None and known.split_off else FIFTH
        in_test = measuring(digests, labels, every)
        few = [i for i in range(len(source.classes)) if not in_test[labels == i].any()]
        if few:
            least, nth = ("two", "second") if every == 2 else ("five", "fifth")
            raise DataError(f"{source.where}: found fewer than {least} photos of class {source.classes[few[0]]}; "
                            f"expected {least} or more, since every {nth} measures. Add photos, or sort some into "
                            "val/CLASS/.")  # fmt: skip
    wheres = {"train": np.flatnonzero(~in_test), "test": np.flatnonzero(in_test)}
    classes = source.classes or tuple(map(str, range(int(labels.max()) + 1)))
    if known is not None:
        _hold(source, {split: digests[where] for split, where in wheres.items()}, known, part)
    rows = np.empty(len(labels), dtype=np.int64)
    for where in wheres.values():
        rows[where[ascending(digests[where])]] = np.arange(len(where))

    marks = [part / f"packed-{i:06}.npz" for i in range(len(chunks))]
    if not any(mark.is_file() for mark in marks):  # none: nothing in the maps counts yet
        _room(part, sum(map(len, wheres.values())) * size * size * 3)
        for split, where in wheres.items():
            np.lib.format.open_memmap(made / f"{split}.npy", "w+", np.uint8, (len(where), size, size, 3))
    tasks, ends = [], np.cumsum(counts)
    for chunk, mark, lo, hi in zip(chunks, marks, ends - counts, ends, strict=True):
        tasks.append(partial(decode, chunk, mark, made, size, all_of[lo:hi], rows[lo:hi], in_test[lo:hi]))
    try:
        each(tasks, marks, counts, pool, partial(report, "packing"))
    except Changed:
        shutil.rmtree(part)  # its marks are of files that are no more
        raise
    return _finish(source, made, kind, recipe, known, classes, marks, (digests, labels, rows, in_test))


def measuring(digests: np.ndarray, labels: np.ndarray, every: int) -> np.ndarray:
    """Which photos measure where no split does: every so-manieth of each class by digest, as with the digits."""
    out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        out[of_class[ascending(digests[of_class])][every - 1 :: every]] = True
    return out


def _hold(source: Source, digests: dict[str, np.ndarray], known: Known, part: Path) -> None:
    """Refuse photos that are not the known set's, before any is decoded."""
    for split in SPLITS:
        found, expected = len(digests[split]), getattr(known, split)
        if abs(found - expected) > known.within:
            shutil.rmtree(part)
            about = f", {known.within:,} more or fewer" if known.within else ""
            raise DataError(
                f"{source.where}: found {found:,} {split} photos; expected {expected:,}{about}, as {known.title} has. "
                f"To have it whole: {how_to_get(known.kind)}. A part of it is data of kind photos."
            )
    if known.content and content(digests) != known.content:
        shutil.rmtree(part)
        raise DataError(f"{source.where}: found content {content(digests)}; expected {known.content}. Counts are in "
                        f"order, so some photos are not those of {known.title}: encoded again, mislabelled or damaged. "
                        f"To have it: {how_to_get(known.kind)}. As it is, it is data of kind photos.")  # fmt: skip


def _room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise DataError(f"{folder.parent}: found {free / 1e9:.1f} GB free; expected {wanted / 1e9:.1f} GB for packed "
                        "photos. Free some room, or name another cache folder.")  # fmt: skip


# The finish


def _finish(
    source: Source, made: Path, kind: str, recipe: dict, known: Known | None, classes: tuple[str, ...],
    marks: list[Path], photos: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> Path:  # fmt: skip
    digests, labels, rows, in_test = photos
    usable = np.ones(len(labels), dtype=bool)
    sums, products, pixels = 0, 0, []
    modes: Counter[str] = Counter()
    enlarged, excluded, start = 0, [], 0
    for mark in marks:
        with np.load(mark) as done:
            sums, products = sums + done["sums"].astype(np.int64), products + done["products"]
            pixels.append(done["pixels"])
            said = json.loads(done["said"].tobytes())
        for i, name, why in said["excluded"]:
            usable[start + i] = False
            split, label = SPLITS[int(in_test[start + i])], int(labels[start + i])
            excluded.append({"split": split, "photo": name, "class": classes[label], "reason": why})
        modes.update(said["modes"])
        enlarged += said["enlarged"]
        start += len(pixels[-1])
    by_photo = np.concatenate(pixels)
    if known is not None and known.content and excluded:
        first = excluded[0]
        raise DataError(f"{source.where}: found {first['photo']} ({first['class']}) unusable here ({first['reason']}) "
                        f"though its bytes are those of {known.title}; expected all of them to decode. "
                        "Install another release of Pillow.")  # fmt: skip
    kept, seen = {}, hashlib.sha256()
    for split, member in zip(SPLITS, (~in_test, in_test), strict=True):
        where = np.flatnonzero(member)
        where = where[np.argsort(rows[where])]
        kept[split] = where[usable[where]]
        per_class = np.bincount(labels[kept[split]], minlength=len(classes))
        if not per_class.all():
            label = int(np.flatnonzero(per_class == 0)[0])
            why = next((f" ({e['photo']}: {e['reason']})" for e in excluded if e["class"] == classes[label]), "")
            raise DataError(f"{source.where}: found no usable {split} photo of class {classes[label]}{why}; expected "
                            "one at least. Add photos of it, or remove the class, and repeat the command.")  # fmt: skip
        seen.update(split.encode() + by_photo[kept[split]].tobytes())
    if excluded:
        for mark in marks:  # from here the rows move: a kill before the end makes the second pass begin again
            mark.unlink()
        for split in SPLITS:
            leave_out(made / f"{split}.npy", np.sort(rows[~usable & (in_test == (split == "test"))]))
    for split in SPLITS:
        write_whole(made / f"{split}_labels.npy", partial(np.save, arr=labels[kept[split]].astype("<i4")))
    write_whole(made / "train_sums.npy", partial(np.save, arr=sums))
    write_whole(made / "train_products.npy", partial(np.save, arr=products))
    total = sum(map(len, kept.values()))
    deviations = [f"{enlarged:,} of {total:,} photos had a short side below {recipe['size']} and were enlarged "
                  f"({recipe['enlarge']})"] if enlarged else []  # fmt: skip
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "form": source.form,
        "recipe": recipe,
        "content": content({split: digests[kept[split]] for split in SPLITS}),
        "pixels": seen.hexdigest(),
        "classes": list(classes),
        "photos": {split: len(kept[split]) for split in SPLITS},
        "of_class": {s: np.bincount(labels[kept[s]], minlength=len(classes)).tolist() for s in SPLITS},
        "converted": {mode: n for mode, n in sorted(modes.items()) if mode != "RGB"},
        "enlarged": enlarged,
        "deviations": deviations,
        "excluded": sorted(excluded, key=lambda e: (e["split"], e["photo"])),
        "passed_over": list(source.passed_over),
        "split_off": source.split_off,
    }
    write_whole(made / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())
    return made
