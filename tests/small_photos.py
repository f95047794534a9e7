"""Small sets of real photo files, written as people have them. Shared by the tests of photos."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from repro.data.photos.maps import Photos, load_photos
from repro.data.photos.sources import open_source

CLASSES = ("n01", "n02", "n03")
SIZE = 16

# split -> [(file name, label, encoded bytes)]
Set = dict[str, list[tuple[str, int, bytes]]]


def encoded(image: Image.Image, form: str = "JPEG", **keywords) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **keywords)
    return file.getvalue()


def picture(seed: int, width: int = 30, height: int = 24, mode: str = "RGB") -> Image.Image:
    """Coarse noise enlarged, so that JPEG keeps most of it."""
    draw = np.random.default_rng(seed)
    small = draw.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def make(train: int = 4, test: int = 2) -> Set:
    """`train` and `test` photos of each of three classes, wide and high ones, by turns JPEG and PNG."""
    photos, seed = {}, 0
    for split, each in (("train", train), ("val", test)):
        photos[split] = []
        for label in range(len(CLASSES)):
            for _ in range(each):
                seed += 1
                size = (30, 24) if seed % 2 else (20, 33)
                form = "PNG" if seed % 3 == 0 else "JPEG"
                photos[split].append((f"{label}_{seed}.{form}", label, encoded(picture(seed, *size), form)))
    return photos


def as_folders(photos: Set, root: Path) -> Path:
    for split, rows in photos.items():
        for name, label, data in rows:
            path = root / split / CLASSES[label] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


def as_flat(photos: Set, root: Path) -> Path:
    """CLASS/*, half of each class one folder deeper."""
    for rows in photos.values():
        for i, (name, label, data) in enumerate(rows):
            path = root / CLASSES[label] / ("deeper" if i % 2 else "") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


def write_parquet(
    path: Path, rows: list[tuple[str, int, bytes]], names: tuple[str, ...] | None = CLASSES, group: int = 5
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array([{"bytes": d, "path": n} for n, _, d in rows], pa.struct({"bytes": "binary", "path": "str"}))
    table = pa.table({"image": images, "label": pa.array([label for _, label, _ in rows], pa.int64())})
    if names:
        feature = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": feature}})})
    pq.write_table(table, path, row_group_size=group)
    return path


def as_parquet(photos: Set, root: Path, names: tuple[str, ...] | None = CLASSES) -> Path:
    """Two training files and one for validation, rows in an order of their own."""
    for split, rows in photos.items():
        order = np.random.default_rng(3).permutation(len(rows))
        parts = np.array_split(order, 2 if split == "train" else 1)
        name = "validation" if split == "val" else split
        for i, part in enumerate(parts):
            path = root / f"{name}-{i:05}-of-{len(parts):05}.parquet"
            write_parquet(path, [rows[row] for row in part], names)
    return root


def load(where: Path, cache: Path, size: int = SIZE, **keywords) -> Photos:
    return load_photos("photos", where=where, size=size, cache=cache, workers=1, **keywords)


def read_photos(where: Path) -> dict[str, list[tuple[int, bytes]]]:
    """(label, bytes) of every photo of a source, sorted, by split."""
    out: dict[str, list[tuple[int, bytes]]] = {}
    for chunk in open_source(where).chunks:
        out.setdefault(chunk.split, []).extend((label, data) for _, label, data in chunk.photos())
    return {split: sorted(rows) for split, rows in out.items()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def replaced(photos: Set, split: str, row: int, change: Callable[[bytes], bytes]) -> Set:
    """The set with one photo's bytes changed."""
    rows = list(photos[split])
    name, label, data = rows[row]
    rows[row] = name, label, change(data)
    return {**photos, split: rows}
