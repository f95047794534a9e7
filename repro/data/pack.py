"""One order and one identity for the images of a set, whatever container they came in, and the packed file."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from repro.data.known import SPLITS, Known, Split
from repro.files import write_whole, writing

# split name -> (pixels uint8 [n, 3, h, w], labels int64 [n])
Splits = dict[Split, tuple[np.ndarray, np.ndarray]]


class Damaged(Exception):
    """A packed file is not what it should be: the caller packs again, or reports it where nothing can be packed."""


def digests(x: np.ndarray, y: np.ndarray) -> list[bytes]:
    """Return the sha256 of (pixels as CHW bytes, then the label as one byte) of every image.

    x uint8 [n, 3, h, w]; y [n], below 256.
    """
    labels = y.astype(np.uint8).tobytes()
    out = []
    for i, image in enumerate(np.ascontiguousarray(x)):
        digest = hashlib.sha256(image)
        digest.update(labels[i : i + 1])
        out.append(digest.digest())
    return out


def content(splits: Splits) -> str:
    """Return the sha256 over each split's name and its images' digests in order, train first. It identifies a set."""
    total = hashlib.sha256()
    for split in SPLITS:
        total.update(split.encode())
        for digest in digests(*splits[split]):
            total.update(digest)
    return total.hexdigest()


def in_order(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images sorted by digest: pixels and labels alone decide the order (equal digests are equal images)."""
    keys = digests(x, y)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return x[order], y[order]


def write(path: Path, splits: Splits) -> None:
    """Write a packed set so that it is there whole or not at all, also when two processes pack at once.

    Unwritable where the system refuses.
    """
    tensors = {}
    for split, (x, y) in splits.items():
        tensors[f"{split}_x"] = torch.from_numpy(np.ascontiguousarray(x))
        tensors[f"{split}_y"] = torch.from_numpy(y.astype(np.uint8))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(tensors))  # no metadata: its order is random, and the same set shall be the same bytes


def read(path: Path, known: Known) -> Splits:
    """Read a packed set and hold it to its content, image by image: nothing is decoded. Damaged where they differ."""
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
