"""Image folders: a folder for each class, in a folder for each split or without splits. No torch here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.data.known import EVALUATION, TRAINING, Known, Split
from repro.data.photos.chunks import CHUNK, EXPECTED, Chunk, Photo, Source
from repro.errors import DataError

SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


@dataclass(frozen=True)
class Files:
    """Image files of one split; `paths` under `root`."""

    split: Split
    root: str
    paths: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def photos(self) -> Iterator[Photo]:
        """Read the files. DataError where one cannot be read."""
        for path, label in zip(self.paths, self.labels, strict=True):
            whole = os.path.join(self.root, path)
            try:
                with open(whole, "rb") as file:
                    encoded = file.read()
            except OSError as error:
                raise DataError(f"{whole}: could not be read: {error.strerror}. Repeat the command once it can be: "
                                "packing goes on where it stopped.") from error  # fmt: skip
            yield path, label, encoded


@dataclass(frozen=True)
class ImageFile:
    """An image file: its path under the folder of its split, its label and its size in bytes."""

    path: str
    label: int
    size: int


def open_folders(where: Path, known: Known | None) -> Source:
    """Return the photos of class folders in `where`, held to the classes of a known set. DataError where they lack."""
    splits, passed_over = _split_folders(where, known)
    classes: tuple[str, ...] = ()
    chunks: list[Chunk] = []
    listing = hashlib.sha256()
    for split, folder in splits.items():
        names, empty = _class_folders(folder, classes, known)
        passed_over += [f"{folder.name}/{name}/: a class without photos" for name in empty]
        if split == "train":
            classes = _in_order_of_labels(names, folder, known)
        elif set(names) != set(classes):
            raise DataError(
                f"{folder}: found {_difference(names, classes)}; expected the {len(classes):,} class folders of "
                f"{splits['train']}. Add or remove folders until both have the same, and repeat the command."
            )
        images, other_files = _images(folder, classes)
        passed_over += other_files
        for image in images:
            listing.update(f"{split}\0{image.label}\0{image.path}\0{image.size}\n".encode())
        for lo in range(0, len(images), CHUNK):
            part = images[lo : lo + CHUNK]
            paths, labels = (image.path for image in part), (image.label for image in part)
            chunks.append(Files(split, str(folder), tuple(paths), tuple(labels)))
    if known is not None and known.folders and len(known.classes) == len(classes):
        classes = known.classes
    split_off = "test" not in splits
    return Source("folder", str(where), classes, tuple(chunks), listing.hexdigest(), tuple(passed_over), split_off)


def _split_folders(where: Path, known: Known | None) -> tuple[dict[Split, Path], list[str]]:
    """Return the folder of each split, and what is passed over. `where` itself is the training split where no folder in
    it has the name of one. DataError where a known set has nothing that measures."""
    names = _subfolders(where)
    train = next((name for name in TRAINING if name in names), None)
    if train is None:
        return {"train": where}, []
    splits: dict[Split, Path] = {"train": where / train}
    passed_over: list[str] = []
    for name in EVALUATION:
        if name not in names:
            continue
        inside = list((where / name).iterdir())
        if inside and not any(entry.is_dir() for entry in inside):
            passed_over.append(f"{name}/: photos without class folders, so without labels")
        elif "test" in splits:
            passed_over.append(f"{name}/: {splits['test'].name}/ is the test split")
        else:
            splits["test"] = where / name
    if "test" not in splits and known is not None:
        because = f" ({'; '.join(passed_over)})" if passed_over else ""
        raise DataError(
            f"{where}: found {train}/ but none of {', '.join(EVALUATION)} with labels{because}; expected "
            f"{EXPECTED}. Sort the photos that measure into val/CLASS/ and repeat the command."
        )
    return splits, passed_over


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _class_folders(folder: Path, classes: Sequence[str], known: Known | None) -> tuple[list[str], list[str]]:
    """Return the names of the class folders of a split, and of those that are empty and no class.

    `classes` are those of the splits before: none of them may be empty. Nor may a class of a known set; a set of one's
    own may have folders that are still to be filled.
    """
    names = _subfolders(folder)
    if not names:
        loose = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in folder.iterdir())
        raise DataError(f"{folder}: found {loose:,} photos and no class folders; expected {EXPECTED}. "
                        "Sort the photos into a folder for each class.")  # fmt: skip
    if known is not None:
        return names, []
    empty = [name for name in names if name not in classes and not _images_below(folder / name)[0]]
    return [name for name in names if name not in empty] or names, empty


def _in_order_of_labels(names: list[str], folder: Path, known: Known | None) -> tuple[str, ...]:
    """Return the class folders in the order of their labels: a known set's own, else by name (ILSVRC: by WordNet id).
    DataError where they are not the known set's."""
    if known is None:
        return tuple(names)
    if known.folders:
        for order in (known.folders, known.classes):
            if set(order) == set(names):
                return order
        raise DataError(f"{folder}: found {_difference(names, known.folders)}; expected the {len(known.classes)} "
                        f"classes of {known.title}: {', '.join(known.folders)}.")  # fmt: skip
    if len(names) != len(known.classes):
        raise DataError(f"{folder}: found {len(names):,} class folders; expected {len(known.classes):,}, as "
                        f"{known.title} has. A set of your own is data of kind photos.")  # fmt: skip
    return tuple(names)


def _difference(found: Sequence[str], expected: Sequence[str]) -> str:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    some = [f"{word} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            for word, names in (("without", missing), ("with", extra)) if names]  # fmt: skip
    return f"{len(found):,} class folders, " + " and ".join(some)


def _images(folder: Path, classes: Sequence[str]) -> tuple[list[ImageFile], list[str]]:
    """Return the image files of a split, class after class, and sentences on other files. DataError of a class without
    any."""
    images: list[ImageFile] = []
    other_files: list[str] = []
    for label, name in enumerate(classes):
        paths, others = _images_below(folder / name)
        if not paths:
            raise DataError(f"{folder / name}: found a class without photos; expected {' '.join(sorted(SUFFIXES))} "
                            "files. Fill the folder or remove the class from every split.")  # fmt: skip
        if others:
            other_files.append(f"{others} files in {folder.name}/{name}/ that are not named as images")
        images += [ImageFile(os.path.join(name, path), label, size) for path, size in paths]
    return images, other_files


def _images_below(folder: Path) -> tuple[list[tuple[str, int]], int]:
    """Return the image files below a class folder, however deep, as (path, bytes) in order; and how many other files
    there are."""
    images, others = [], 0
    for where, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in names:
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                path = os.path.join(where, name)
                images.append((os.path.relpath(path, folder), os.stat(path).st_size))
            else:
                others += not name.startswith(".")
    return sorted(images), others
