"""Walk folders of photos: each real folder once, links to nothing and what is no file passed over. No torch here."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from repro.data.known import Split
from repro.data.layouts import is_junk
from repro.errors import DataError

SUFFIXES = {".jpeg", ".jpg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, in order, without what systems leave. DataError where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not is_junk(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path | str, error: OSError) -> DataError:
    return DataError(
        f"{path}: could not be read: {error.strerror}. Repeat the command once it can be, or take it away."
    )


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder."""
    return [entry.name for entry in entries(folder) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle, or one that may not be followed: no folder, in any case
        return False


def is_image(name: str) -> bool:
    """Return whether a file is named as an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def has_photos(folder: Path) -> bool:
    """Return whether a folder itself holds files that are named as images."""
    return any(is_image(entry.name) and not _is_folder(entry) for entry in entries(folder))


@dataclass
class Inside:
    """What lies below a class folder: image files as (path, bytes, time), how many `others`, what is passed over."""

    images: list[tuple[str, int, int]] = field(default_factory=list)
    others: int = 0
    passed_over: list[str] = field(default_factory=list)


def walked(where: Path, splits: dict[Split, Path], folders: dict[Split, list[str]]) -> dict[tuple[Split, str], Inside]:
    """Return what lies below each class folder of each split, however deep.

    Each real folder is read once: links may lead back to it, or round in a circle. Where two ways lead to one, the way
    without a link counts, then the first. DataError where a folder or a file cannot be read.
    """
    inside = {(split, name): Inside() for split, names in folders.items() for name in names}
    read = {_identity(folder) for folder in (where, *where.resolve().parents, *splits.values())}
    todo: deque[tuple[Split, str, str]] = deque()
    links: deque[tuple[Split, str, str]] = deque()
    for split, name in inside:
        (links if (splits[split] / name).is_symlink() else todo).append((split, name, ""))
    while todo or links:
        split, name, below = (todo or links).popleft()
        folder, found = splits[split] / name / below, inside[split, name]
        if (identity := _identity(folder)) in read:
            found.passed_over.append(f"{below or '.'}/: a link to a folder that is read elsewhere")
            continue
        read.add(identity)
        for entry in entries(folder):
            path = os.path.join(below, entry.name)
            if _is_folder(entry):
                (links if entry.is_symlink() else todo).append((split, name, path))
            elif not is_image(entry.name):
                found.others += 1
            else:
                _add(found, entry, path)
    return inside


def _identity(folder: Path) -> tuple[int, int]:
    """Return what a real folder is known by, whatever way leads to it. DataError where it cannot be read."""
    try:
        status = folder.stat()
    except OSError as error:
        raise _unreadable(folder, error) from error
    return status.st_dev, status.st_ino


def _add(found: Inside, entry: os.DirEntry[str], path: str) -> None:
    """Note an image file; one that is no file, or a link to nothing, is passed over."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        found.passed_over.append(f"{path}: a link to a file that is not there")
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise _unreadable(entry.path, error) from error
        found.passed_over.append(f"{path}: a link that leads round in a circle")
    else:
        if stat.S_ISREG(status.st_mode):
            found.images.append((path, status.st_size, status.st_mtime_ns))
        else:
            found.passed_over.append(f"{path}: no file but a pipe, a socket or a device")
