"""One order and one identity for the images of a set, whatever container they came in, and the packed file."""

import hashlib
import os
import secrets
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from repro.data.known import Known
from repro.errors import DataError

# split name -> (pixels uint8 [n, 3, h, w], labels int64 [n])
Splits = dict[str, tuple[np.ndarray, np.ndarray]]

SPLITS = ("train", "test")


class Damaged(Exception):
    """A packed file cannot be believed. The caller packs again, or says so where there is nothing to pack from."""


def digests(x: np.ndarray, y: np.ndarray) -> list[bytes]:
    """sha256 of (pixels as CHW bytes, then the label as one byte) of every image; x uint8 [n, 3, h, w], y [n] < 256."""
    labels = y.astype(np.uint8).tobytes()
    out = []
    for i, image in enumerate(np.ascontiguousarray(x)):
        digest = hashlib.sha256(image)
        digest.update(labels[i : i + 1])
        out.append(digest.digest())
    return out


def content(splits: Splits) -> str:
    """sha256 over each split's name and its images' digests in order, train first. Identifies a packed set."""
    total = hashlib.sha256()
    for split in SPLITS:
        total.update(split.encode())
        for digest in digests(*splits[split]):
            total.update(digest)
    return total.hexdigest()


def in_order(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images sorted by digest: an order that pixels and labels alone decide (equal digests are equal images)."""
    keys = digests(x, y)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return x[order], y[order]


def write(path: Path, splits: Splits, known: Known) -> None:
    """Write a packed set so that it is there whole or not at all, also when two processes pack at once."""
    tensors = {}
    for split, (x, y) in splits.items():
        tensors[f"{split}_x"] = torch.from_numpy(np.ascontiguousarray(x))
        tensors[f"{split}_y"] = torch.from_numpy(y.astype(np.uint8))
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(tensors, part)  # no metadata: its order is random, and the same set shall be the same bytes
            _fsync(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        _fsync(path.parent)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: the packed {known.kind} could not be written: {error}. "
                        "Free some room, or name another cache folder.") from error  # fmt: skip


def read(path: Path, known: Known) -> Splits:
    """Read a packed set and hold it to its content, image by image: nothing is decoded. Raises `Damaged`."""
    try:
        tensors = load_file(path)
        splits = {s: (tensors[f"{s}_x"].numpy(), tensors[f"{s}_y"].numpy().astype(np.int64)) for s in SPLITS}
    except (SafetensorError, OSError, KeyError) as error:
        raise Damaged(f"{path} ({path.stat().st_size:,} bytes): {error}") from error
    for split, (x, y) in splits.items():
        if x.shape[1:] != known.shape or len(x) != len(y):
            raise Damaged(f"{path}: {split} has shapes {x.shape} and {y.shape}, expected images of {known.shape}")
    found = content(splits)
    if found != known.content:
        raise Damaged(f"{path}: content {found}, expected {known.content}")
    return splits


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
