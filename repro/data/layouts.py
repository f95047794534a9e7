"""How people, hubs and archives lay out folders of images: names of splits, image parquet, what systems leave."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

EVALUATION = ("test", "validation", "val", "valid")  # names of the split that measures, the first that has labels
# Words around the name of a split in the names of folders, as in training_set, Test Images, 01-val, seg_train.
AFFIXES = ("set", "sets", "data", "dataset", "split", "image", "images", "img", "imgs", "photo", "photos", "picture",
           "pictures", "pics", "folder", "dir", "seg")  # fmt: skip
OTHER_NAMES = {"training": "train", "trn": "train", "tst": "test", "testing": "test", "eval": "validation",
               "evaluation": "validation", "dev": "validation", "holdout": "test"}  # fmt: skip
# Folders that archivers and systems leave, in which nothing is a photo of anybody's; also all that begin with a point.
LEFT_BY_SYSTEMS = ("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")

# Where image parquet lies below the folder of a set, as hubs, their converters and their caches put it.
PARQUET_PLACES = ("", "data", "*", "*/data", "snapshots/*", "snapshots/*/data", "snapshots/*/*")
MANY = 50  # assumed: a folder with more folders than this holds classes, not configurations

BySplit = dict[str, list[Path]]  # parquet files of `train` and of names of EVALUATION


def is_junk(name: str) -> bool:
    """Return whether a file or folder is none of its owner's making: hidden, or left by an archiver or a system."""
    return name.startswith(".") or name in LEFT_BY_SYSTEMS


def split_of(name: str) -> str | None:
    """Return the split that a folder's name means, `train` or one of EVALUATION; None of other names.

    Case and usual affixes do not matter: `training_set`, `TEST`, `Val-Images`, `01 train`, `trainset`.
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    words = [word for word in words if word not in AFFIXES] or words
    if len(words) != 1:
        return None
    word = words[0]
    for ending in ("", *sorted(AFFIXES, key=len, reverse=True)):  # `trainset`, `testimages`
        if ending and not word.endswith(ending):
            continue
        stem = word[: len(word) - len(ending)]
        split = OTHER_NAMES.get(stem, stem)
        if split == "train" or split in EVALUATION:
            return split
    return None


def inside(folder: Path) -> list[Path]:
    """Return what lies in a folder, in order; nothing where it is none or cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted(Path(entry.path) for entry in found if not is_junk(entry.name))
    except OSError:
        return []


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder."""
    return [path for path in inside(folder) if path.is_dir()]


def parquet_folders(folder: Path, places: Sequence[str] = PARQUET_PLACES) -> dict[Path, BySplit]:
    """Return where below `folder` image parquet lies, and its files by split: by name, `train-00000-of-00003.parquet`,
    or in a folder of the split's name, `default/train/0000.parquet`. Of the first of `places` that has any."""
    for place in places:
        at = [folder]
        for part in filter(None, place.split("/")):
            below = [folders(one) if part == "*" else [one / part] for one in at]
            at = [one for several in below if len(several) <= MANY for one in several if not split_of(one.name)]
        if found := {one: files for one in at if (files := _parquet_by_split(one))}:
            return found
    return {}


def _parquet_by_split(folder: Path) -> BySplit:
    out: BySplit = {}
    for path in inside(folder):
        if path.suffix == ".parquet" and (split := split_of(re.split(r"[-_.]", path.name)[0])):
            out.setdefault(split, []).append(path)
        elif path.is_dir() and (split := split_of(path.name)):
            files = [inner for inner in inside(path) if inner.suffix == ".parquet"]
            if files:
                out.setdefault(split, []).extend(files)
    return out
