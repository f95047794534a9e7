"""Write files so that they are there whole or not at all, whenever the process is killed or the machine loses power;
and hold locks, so that two processes do not write the same."""

from __future__ import annotations

import csv
import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro.errors import Busy, ReproError, harmless

# A file is called `.NAME.PROCESS.partial` while it is written; a killed process leaves it.
PARTIAL = ".partial"

Content = str | bytes | Callable[[Any], object]  # text (as UTF-8), bytes, or what writes into a binary file


class Unwritable(ReproError):
    """A file or a folder that the system refuses to write; `__cause__` is its error."""

    exit_code = 73


class DiskFull(Unwritable):
    """There is no room for a file, or no quota."""

    exit_code = 74


class Vanished(Unwritable):
    """The folder that a file is to be written into is gone."""

    exit_code = 66


def write_whole(path: Path, content: Content) -> None:
    """Write a file, so that at every moment the old one or the new one is there, whole.

    `content`: text, bytes, or a function that is called with the open file. The folder must be there. Unwritable where
    the system refuses; then, and where the function raises, the old file stays and nothing else is left.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    with writing(path):
        try:
            with partial.open("wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            rename(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by their paths in a folder, each whole; one that holds this already is left as it is."""
    for name, given in files.items():
        path, content = folder / name, given.encode() if isinstance(given, str) else given
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)


def rename(finished: Path, path: Path) -> None:
    """Give a file or a folder its final name, in a folder of the same file system, for good. OSError where refused."""
    os.replace(finished, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals inside this block into Unwritable, which names the path and the next step."""
    try:
        yield
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path | str, error: OSError) -> Unwritable:
    """Return what to raise where the system refuses to write a path: what happened, what is kept, and what to do."""
    again = "then run the same command again"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        kind: type[Unwritable] = DiskFull
        advice = f"the disk is full; what is done is kept: make room (`repro gc` removes checkpoints), {again}"
    elif error.errno in (errno.ENOENT, errno.ESTALE):
        kind = Vanished
        advice = (
            "its folder is gone; runs in other folders are kept: connect its disk or make the folder again, "
            f"{again}, which trains what is missing"
        )
    elif error.errno == errno.EROFS:
        kind = Unwritable
        advice = (
            "what is done is kept: name a folder on another disk (--runs, --out, or REPRO_CACHE for packed data), "
            f"{again}"
        )
    elif error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        kind = Unwritable
        advice = (
            "a file stands in a folder's place, or a folder in a file's; what is done is kept: name another folder "
            f"(--runs, --out, or REPRO_CACHE for packed data) or move it away, {again}"
        )
    else:
        kind = Unwritable
        advice = f"what is done is kept: make room or mend the folder's rights, {again}"
    return kind(f"{path}: cannot be written ({error.strerror or error}); {advice}")


def gone(path: Path) -> Unwritable:
    """Return what to raise where a folder that was there is there no more: Vanished."""
    return refused(path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))


def writable_folder(path: Path) -> Path:
    """Return a path that is a folder or can become one. Unwritable where a file stands there or above it."""
    for part in (path, *path.parents):
        if part.is_dir():
            break
        if part.exists():
            raise refused(path, NotADirectoryError(errno.ENOTDIR, f"{part} is a file"))
    return path


@contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold the lock `path`, a file that stays, in this block; the lock goes with the process, however it ends.

    `busy`: what Busy says where another process holds it; None waits for that process. The folder is made where it is
    missing. Unwritable where the lock is a link, which is never followed, and where the file system has no locks: a
    lock that another machine or process would not see is worse than none.
    """
    from filelock import FileLock, Timeout  # here, for reading commands take no lock

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=-1 if busy is None else 0, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(f"{path.parent}: {busy}") from None
    except OSError as error:
        if error.errno in _LINK:
            raise Unwritable(f"{path}: found a link; expected a file: remove it, and run the command again") from error
        if error.errno in _NO_LOCKS:
            raise Unwritable(
                f"{path}: its file system has no locks, so two commands could write the same files at once; name a "
                "folder on another file system (--runs, --out, or REPRO_CACHE for packed data)"
            ) from error
        with writing(path):
            raise
    try:
        yield
    finally:
        lock.release()


_LINK = {errno.ELOOP, errno.EMLINK}  # how Linux, and how BSDs refuse to open a link that shall not be followed
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock `path`."""
    try:
        with locked(path, busy="held"):
            return False
    except Busy:
        return True


FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes for the beginning of a formula


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV that a spreadsheet only shows: text that it would compute gets an apostrophe before it.

    Names of files, classes and arms come from anywhere. Control characters in them are written out; numbers stay.
    """
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = harmless(cell)
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
