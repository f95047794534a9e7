"""The two passes over photos that are packed, in tasks of one chunk each: take digests, then decode into rows.

A task leaves a mark, a file, when all of its chunk is done, so that a packing that was killed does the rest. No torch
here: the processes start quickly.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from repro.data.known import SPLITS
from repro.data.photos import prepare
from repro.data.photos.chunks import Chunk
from repro.data.photos.digests import digest
from repro.errors import DataError
from repro.files import write_whole, writing
from repro.workers import Processes, Report, work_here, work_through

MARKED = 32 + 4 + 32  # bytes that the first pass keeps of a photo


class Changed(DataError):
    """The source is not what it was in the first pass."""


class Task(Protocol):
    """What is done with one chunk; a job of `repro.workers`."""

    @property
    def mark(self) -> Path:
        """The file that is there once it is done."""

    @property
    def id(self) -> str:
        """The name of its mark."""

    @property
    def label(self) -> str:
        """Its name for people."""

    @property
    def photos(self) -> int:
        """How many photos it takes."""

    def do(self) -> None:
        """Do it, and leave the mark."""


def do_all(tasks: Sequence[Task], workers: int, progress: Callable[[int, int], None]) -> None:
    """Do the tasks whose marks are missing, in so many processes; with one, in this process.

    `progress` is told (photos done, photos in all), at first and after each task. WorkerEnded where a process was
    killed.
    """
    left = {task.id: task for task in tasks if not task.mark.is_file()}
    total = sum(task.photos for task in tasks)
    done = total - sum(task.photos for task in left.values())
    progress(done, total)
    plan = left.values
    finished = work_here(plan, _do, _ignore) if workers <= 1 else work_through(plan, Processes(_do, workers), _ignore)
    with closing(finished):
        for task_id in finished:
            done += left.pop(task_id).photos
            progress(done, total)


def _do(task: Task, report: Report) -> None:
    with writing(task.mark):
        task.do()


def _ignore(event: object) -> None:
    """Take an event that nobody sends: a task reports nothing before it is done."""


@dataclass(frozen=True)
class Hashing:
    """First pass: of every photo of a chunk its digest, its label and the sha256 of its bytes alone, uint8
    [photos, MARKED], in a `.npy` file."""

    chunk: Chunk
    mark: Path
    classes: int  # that labels must lie below; 0: any number of them

    @property
    def id(self) -> str:
        return self.mark.name

    label = id

    @property
    def photos(self) -> int:
        return len(self.chunk)

    def do(self) -> None:
        """Take the digests. DataError of a label that is no class."""
        out = []
        for name, label, encoded in self.chunk.photos():
            if label < 0 or (self.classes and label >= self.classes):
                expected = f"0..{self.classes - 1}" if self.classes else "0 or above"
                raise DataError(f"{name}: found label {label}; expected a label in {expected}. Mend the labels.")
            out.append(digest(encoded, label) + label.to_bytes(4, "little") + hashlib.sha256(encoded).digest())
        table = np.frombuffer(b"".join(out), np.uint8).reshape(len(out), MARKED)
        write_whole(self.mark, lambda file: np.save(file, table))


@dataclass(frozen=True)
class Decoding:
    """Second pass: every photo of a chunk decoded into its row; its mark is read by `repro.data.photos.finish`.

    `digests` uint8 [n, 32] of the first pass; `rows` int64 [n] of `train.npy` or, where `in_test` (bool [n]), of
    `test.npy` in the folder `made`.
    """

    chunk: Chunk
    mark: Path
    made: Path
    size: int
    digests: np.ndarray
    rows: np.ndarray
    in_test: np.ndarray
    upright: bool  # see `repro.data.photos.prepare.decoded`

    @property
    def id(self) -> str:
        return self.mark.name

    label = id

    @property
    def photos(self) -> int:
        return len(self.rows)

    def do(self) -> None:
        """Decode the photos. Changed where they are not those of the first pass."""
        sums = np.zeros((self.size, self.size, 3), dtype=np.uint32)  # a chunk is far smaller than 2^32 / 255 photos
        products = np.zeros((3, 3), dtype=np.int64)
        pixels = np.zeros((len(self.rows), 32), dtype=np.uint8)
        modes: Counter[str] = Counter()
        enlarged, excluded, turned, taken, name = 0, [], [], 0, ""
        shape = self.size * self.size * 3
        handles = {split: os.open(self.made / f"{split}.npy", os.O_RDWR) for split in SPLITS}
        # the length of the header, which is below a row's
        starts = {split: os.fstat(handle).st_size % shape for split, handle in handles.items()}
        try:
            for i, (name, label, encoded) in enumerate(self.chunk.photos()):
                taken += 1
                if i >= len(self.rows) or digest(encoded, label) != self.digests[i].tobytes():
                    raise Changed(f"{name}: found other bytes than a moment ago; expected files that stay as they are "
                                  "while they are packed. Repeat the command once nothing writes them.")  # fmt: skip
                try:
                    photo = prepare.prepared(encoded, self.size, upright=self.upright)
                except prepare.Unusable as error:
                    excluded.append((i, name, str(error)))
                    continue
                data, split = photo.pixels.tobytes(), SPLITS[int(self.in_test[i])]
                os.pwrite(handles[split], data, starts[split] + int(self.rows[i]) * shape)
                pixels[i] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
                modes[photo.mode] += 1
                enlarged += photo.enlarged
                if photo.turned:
                    turned.append(name)
                if split == "train":
                    sums += photo.pixels
                    products += prepare.channel_products(photo.pixels)
            if taken < len(self.rows):
                raise Changed(f"{name}: found nothing after it; expected {len(self.rows) - taken} more photos, as a "
                              "moment ago. Repeat the command once nothing writes the files.")  # fmt: skip
            for handle in handles.values():
                os.fsync(handle)
        finally:
            for handle in handles.values():
                os.close(handle)
        notes = json.dumps({"excluded": excluded, "modes": modes, "enlarged": enlarged, "turned": turned}).encode()
        as_array = np.frombuffer(notes, np.uint8)
        write_whole(self.mark, lambda file: np.savez(file, sums=sums, products=products, pixels=pixels, notes=as_array))
