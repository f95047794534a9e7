"""What the processes of a packing do: take digests, decode photos into their rows, each chunk to its end or not at all.

No torch here: the processes start quickly.
"""

import hashlib
import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.photos import prepare
from repro.data.photos.files import Chunk
from repro.errors import DataError

SPLITS = ("train", "test")


class Changed(DataError):
    """The source is not what it was in the first pass."""


@contextmanager
def processes(workers: int) -> Iterator[Executor | None]:
    """A pool of so many processes; None for one, which is this one."""
    if workers <= 1:
        yield None
        return
    # spawned, since a process that has used a GPU cannot be forked
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _die_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def each(
    tasks: Sequence[partial], marks: list[Path], counts: list[int], pool: Executor | None,
    report: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Do the tasks whose marks are missing. `counts`: photos of each."""
    left = [i for i, mark in enumerate(marks) if not mark.is_file()]
    total = sum(counts)
    finished = total - sum(counts[i] for i in left)
    report(finished, total)

    def finish(i: int) -> None:
        nonlocal finished
        finished += counts[i]
        report(finished, total)

    if pool is None:
        for i in left:
            tasks[i]()
            finish(i)
        return
    doing = {pool.submit(tasks[i]): i for i in left}
    for done in as_completed(doing):
        done.result()
        finish(doing[done])


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)  # the parent was killed: nobody waits for this work

    threading.Thread(target=wait, daemon=True).start()


def hash_photos(chunk: Chunk, mark: Path, classes: int) -> None:
    """First pass: digest and label of every photo."""
    out = []
    for name, label, encoded in chunk.photos():
        if label < 0 or (classes and label >= classes):
            expected = f"0..{classes - 1}" if classes else "0 or above"
            raise DataError(f"{name}: found label {label}; expected a label in {expected}. Mend the labels.")
        out.append(prepare.digest(encoded, label) + label.to_bytes(4, "little"))
    table = np.frombuffer(b"".join(out), np.uint8).reshape(len(out), 36)
    write_whole(mark, lambda file: np.save(file, table))


def decode(
    chunk: Chunk, mark: Path, made: Path, size: int, table: np.ndarray, rows: np.ndarray, in_test: np.ndarray
) -> None:
    """Second pass: every photo decoded into its row, and what is summed up and said of this chunk."""
    sums = np.zeros((size, size, 3), dtype=np.uint32)  # a chunk is far smaller than 2^32 / 255 photos
    products = np.zeros((3, 3), dtype=np.int64)
    pixels = np.zeros((len(rows), 32), dtype=np.uint8)
    modes: Counter[str] = Counter()
    enlarged, excluded, seen, name = 0, [], 0, ""
    shape = size * size * 3
    handles = {split: os.open(made / f"{split}.npy", os.O_RDWR) for split in SPLITS}
    starts = {split: os.fstat(handles[split]).st_size % shape for split in SPLITS}  # the header's length: below a row's
    try:
        for i, (name, label, encoded) in enumerate(chunk.photos()):
            seen += 1
            if i >= len(rows) or prepare.digest(encoded, label) != table[i, :32].tobytes():
                raise Changed(f"{name}: found other bytes than a moment ago; expected files that stay as they are "
                              "while they are packed. Repeat the command once nothing writes them.")  # fmt: skip
            try:
                one = prepare.ready(encoded, size)
            except prepare.Unusable as error:
                excluded.append((i, name, str(error)))
                continue
            data, split = one.pixels.reshape(-1).data, SPLITS[int(in_test[i])]
            os.pwrite(handles[split], data, starts[split] + int(rows[i]) * shape)
            pixels[i] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
            modes[one.mode] += 1
            enlarged += one.enlarged
            if split == "train":
                sums += one.pixels
                products += prepare.channel_products(one.pixels)
        if seen < len(rows):
            raise Changed(f"{name}: found nothing after it; expected {len(rows) - seen} more photos, as a moment ago. "
                          "Repeat the command once nothing writes the files.")  # fmt: skip
        for handle in handles.values():
            os.fsync(handle)
    finally:
        for handle in handles.values():
            os.close(handle)
    said = json.dumps({"excluded": excluded, "modes": modes, "enlarged": enlarged}).encode()
    write_whole(mark, lambda file: np.savez(file, sums=sums, products=products, pixels=pixels,
                                       said=np.frombuffer(said, np.uint8)))  # fmt: skip


def ascending(digests: np.ndarray) -> np.ndarray:
    """The order of digests (uint8 [n, 32]) as bytes compare: int64 [n]."""
    return np.lexsort(np.ascontiguousarray(digests).view(">u8").T[::-1])


def leave_out(path: Path, rows: np.ndarray) -> None:
    """Close the gaps that unusable photos left in a map, in place."""
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


def write_whole(path: Path, data: bytes | Callable[[Any], None]) -> None:
    """A file that is there whole or not at all: `data`, or what it writes."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        if isinstance(data, bytes):
            file.write(data)
        else:
            data(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    fsync(path.parent)


def fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
