"""Image folders: a folder for each class, in a folder for each split or without splits. No torch here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.data.known import Known, Split
from repro.data.layouts import EVALUATION, split_of
from repro.data.photos.chunks import CHUNK, EXPECTED, Chunk, Photo, Source
from repro.data.photos.walk import SUFFIXES, Inside, entries, has_photos, is_image, subfolders, walked
from repro.errors import DataError, harmless

DEEPEST = 3  # assumed: an archive is unpacked into no more folders around the photos


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
            yield harmless(path), label, encoded


@dataclass(frozen=True)
class ImageFile:
    """An image file: its path under the folder of its split, its label, its size in bytes and when it was written."""

    path: str
    label: int
    size: int
    written: int  # nanoseconds: files without compression keep their size whatever they show


def open_folders(where: Path, known: Known | None, *, alone: bool = False) -> Source:
    """Return the photos of class folders in `where`, held to the classes of a known set. DataError where they lack.

    `alone`: a split that measures will do without one to train on.
    """
    where, passed_over = _unwrapped(where)
    splits, others = _split_folders(where, known, alone)
    passed_over += others
    if list(splits.values()) == [where] and known is None:
        _check_that_folders_are_classes(where)
    folders = {split: _class_folders(folder) for split, folder in splits.items()}
    inside = walked(where, splits, folders)
    classes: tuple[str, ...] = ()  # names of the folders; those for people are below
    chunks: list[Chunk] = []
    listing = hashlib.sha256()
    for split, folder in splits.items():
        of_split = {name: inside[split, name] for name in folders[split]}
        empty = [name for name, found in of_split.items() if known is None and name not in classes and not found.images]
        for name in empty if len(empty) < len(of_split) else ():
            because = f" ({'; '.join(of_split[name].passed_over)})" if of_split[name].passed_over else ""
            passed_over.append(f"{folder.name}/{name}/: a class without photos{because}")
            del of_split[name]
        if split == "train":
            classes = _in_order_of_labels(list(of_split), folder, known)
        elif set(of_split) != set(classes):
            raise DataError(
                f"{folder}: found {_difference(list(of_split), classes)}; expected the {len(classes):,} class folders "
                f"of {splits['train']}. Add or remove folders until both have the same, and repeat the command."
            )
        images, other_files = _images(folder, classes, of_split)
        passed_over += other_files
        for image in images:
            row = f"{split}\0{image.label}\0{image.path}\0{image.size}\0{image.written}\n"
            listing.update(row.encode("utf-8", "surrogateescape"))
        for lo in range(0, len(images), CHUNK):
            part = images[lo : lo + CHUNK]
            paths, labels = (image.path for image in part), (image.label for image in part)
            chunks.append(Files(split, str(folder), tuple(paths), tuple(labels)))
    if known is not None and known.folders and len(known.classes) == len(classes):
        classes = known.classes
    readable = (tuple(map(harmless, texts)) for texts in (classes, passed_over))
    names, passed = readable
    return Source("folder", str(where), names, tuple(chunks), listing.hexdigest(), passed, "test" not in splits)


def _unwrapped(where: Path) -> tuple[Path, list[str]]:
    """Return the folder that has the splits: `where`, or the only folder inside it, as archives are unpacked; and a
    sentence on that."""
    folder = where
    for _ in range(DEEPEST):
        names = subfolders(folder)
        if len(names) != 1 or split_of(names[0]) or has_photos(folder):
            break
        folder = folder / names[0]
        if any(split_of(name) == "train" for name in subfolders(folder)):
            return folder, [f"{where.name}/ holds {folder.relative_to(where)}/ alone, which holds the photos"]
    return where, []


def _check_that_folders_are_classes(where: Path) -> None:
    """Refuse folders that hold the classes rather than being them: a net would learn to tell one split from another."""
    names = subfolders(where)
    inside = {name: set(subfolders(where / name)) for name in names if not has_photos(where / name)}
    if len(names) == 1 and len(inside.get(names[0], ())) > 1:
        some = ", ".join(sorted(inside[names[0]])[:4])
        raise DataError(f"{where}: found one class folder, {names[0]}, which holds no photos but the folders {some}; "
                        f"expected {EXPECTED}. If those are the classes, name {where / names[0]}.")  # fmt: skip
    shared = set.intersection(*inside.values()) if len(inside) == len(names) > 1 else set()
    if len(shared) > 1:
        some = ", ".join(sorted(shared)[:4])
        likely = [name for name in names if any(word in name.lower() for word in ("tr", "te", "val"))]
        raise DataError(f"{where}: found {', '.join(names[:6])}, each with the same folders inside ({some}): they look "
                        "like splits, and those inside like the classes; expected train/CLASS/* and val/CLASS/*. "
                        f"Rename the folder to train on to train and the one that measures to val (likely: "
                        f"{', '.join(likely or names[:6])}).")  # fmt: skip


def _split_folders(where: Path, known: Known | None, alone: bool) -> tuple[dict[Split, Path], list[str]]:
    """Return the folder of each split, and what is passed over. `where` itself is the training split where no folder in
    it has the name of one. DataError where a known set has nothing that measures, any none to train on."""
    by_split: dict[str, list[str]] = {}
    names = subfolders(where)
    for name in names:
        if split := split_of(name):
            by_split.setdefault(split, []).append(name)
    for split, several in by_split.items():
        several.sort(key=lambda name: (name != split, name))  # of `train` and `Training` the plain word
    in_splits = sum(map(len, by_split.values()))
    if "train" not in by_split and in_splits == len(names) > 0 and all(subfolders(where / name) for name in names):
        first = next(name for split in EVALUATION for name in by_split.get(split, ()))
        if not alone:
            raise DataError(f"{where}: found {', '.join(names)} but no folder to train on; expected {EXPECTED}. Name "
                            f"{where / first} if all of its photos are meant.")  # fmt: skip
        return {"train": where / first}, [f"{name}/: {first}/ measures" for name in names if name != first]
    is_class = in_splits < len(names) and any(_is_class(where / name) for name in by_split.get("train", ()))
    if "train" not in by_split or is_class:
        return {"train": where}, []
    train = by_split["train"][0]
    splits: dict[Split, Path] = {"train": where / train}
    passed_over = [f"{name}/: {train}/ is the training split" for name in by_split["train"][1:]]
    for name in (name for split in EVALUATION for name in by_split.get(split, ())):
        if entries(where / name) and not subfolders(where / name):
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


def _is_class(folder: Path) -> bool:
    """Return whether a folder holds photos themselves, as `train/` does among other vehicles."""
    return has_photos(folder) and not subfolders(folder)


def _class_folders(folder: Path) -> list[str]:
    """Return the names of the class folders of a split. DataError where there are none."""
    names = subfolders(folder)
    if not names:
        loose = sum(is_image(entry.name) for entry in entries(folder))
        raise DataError(f"{folder}: found {loose:,} photos and no class folders; expected {EXPECTED}. "
                        "Sort the photos into a folder for each class.")  # fmt: skip
    return names


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


def _images(folder: Path, classes: Sequence[str], inside: dict[str, Inside]) -> tuple[list[ImageFile], list[str]]:
    """Return the image files of a split, class after class, and sentences on other files. DataError of a class without
    any."""
    images: list[ImageFile] = []
    other_files: list[str] = []
    for label, name in enumerate(classes):
        found = inside[name]
        if not found.images:
            because = f" ({found.passed_over[0]})" if found.passed_over else ""
            raise DataError(f"{folder / name}: found a class without photos{because}; expected "
                            f"{' '.join(sorted(SUFFIXES))} files. Fill the folder or remove the class from every "
                            "split.")  # fmt: skip
        if found.others:
            other_files.append(f"{found.others} files in {folder.name}/{name}/ that are not named as images")
        other_files += [f"{folder.name}/{name}/{text}" for text in found.passed_over]
        images += [ImageFile(os.path.join(name, path), label, *about) for path, *about in sorted(found.images)]
    return images, other_files
