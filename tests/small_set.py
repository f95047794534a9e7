"""A small set like CIFAR-10, written in the containers people have. Shared by the tests of the data."""

import hashlib
import io
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from repro.data.known import KNOWN, OFFICIAL, Known
from repro.data.sets import Images, load

EACH = {"train": 5, "test": 2}  # images of each class in the small set


@dataclass
class Small:
    """A set like CIFAR-10 in all but size: pixels uint8 [n, 3, 32, 32] and labels of each split, and its entry."""

    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    known: Known


def identity(splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """The content hash as the documentation words it, written a second time."""
    total = hashlib.sha256()
    for split in ("train", "test"):
        total.update(split.encode())
        pairs = zip(*splits[split], strict=True)
        for digest in sorted(hashlib.sha256(x.tobytes() + bytes([y])).digest() for x, y in pairs):
            total.update(digest)
    return total.hexdigest()


def make() -> Small:
    draw = np.random.default_rng(0)
    splits = {}
    for split, each in EACH.items():
        y = draw.permutation(np.repeat(np.arange(10), each))
        splits[split] = draw.integers(0, 256, (len(y), 3, 32, 32), dtype=np.uint8), y
    known = replace(KNOWN["cifar10"], train=50, test=20, content=identity(splits))
    return Small(splits, known)


def png(pixels: np.ndarray) -> bytes:
    """[3, h, w] as the bytes of a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def write_parquet(path: Path, encoded: list[bytes], labels: list, column: str = "img") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array(
        [{"bytes": data, "path": None} for data in encoded], pa.struct({"bytes": "binary", "path": "str"})
    )
    pq.write_table(pa.table({column: images, "label": labels}), path)
    return path


def as_parquet(small: Small, root: Path, column: str = "img") -> Path:
    """The set as two training files and a test file under `root`/cifar10."""
    for split, (x, y) in small.splits.items():
        parts = np.array_split(np.arange(len(y)), 2 if split == "train" else 1)
        for i, part in enumerate(parts):
            name = f"{split}-{i:05}-of-{len(parts):05}.parquet"
            write_parquet(root / "cifar10" / name, [png(image) for image in x[part]], y[part].tolist(), column)
    return root


class OldPickler(pickle.Pickler):
    """Writes dtypes as numpy did in 2009: 0 and 1 for False and True."""

    def reducer_override(self, obj):
        if isinstance(obj, np.dtype):
            return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)
        return NotImplemented


def as_official(splits: dict, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The set in the official format: five training batches and one for testing, with their checksums listed."""
    folder = root / OFFICIAL
    folder.mkdir(parents=True)
    lists = {}
    for split, names in (("train", [f"data_batch_{i}" for i in range(1, 6)]), ("test", ["test_batch"])):
        x, y = splits[split]
        lists[split] = []
        for name, part in zip(
            names, np.array_split(np.random.default_rng(1).permutation(len(y)), len(names)), strict=True
        ):
            file = io.BytesIO()
            OldPickler(file, protocol=2).dump({"data": x[part].reshape(len(part), -1), "labels": y[part].tolist()})
            (folder / name).write_bytes(file.getvalue())
            lists[split].append([name, hashlib.md5(file.getvalue()).hexdigest()])
    monkeypatch.setattr(CIFAR10, "train_list", lists["train"])
    monkeypatch.setattr(CIFAR10, "test_list", lists["test"])
    return root


def load_small(small: Small, root: Path, cache: Path, **keywords) -> Images:
    return load("cifar10", roots=[root], cache=cache, known=small.known, **keywords)


def same(a: Images, b: Images) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("train_x", "train_y", "test_x", "test_y"))
