"""Write files so that they are there whole or not at all, whenever the process is killed or the machine loses power."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from repro.errors import ReproError, harmless

# A file is called `.NAME.PROCESS.partial` while it is written; a killed process leaves it.
PARTIAL = ".partial"

Content = str | bytes | Callable[[Any], object]  # text (as UTF-8), bytes, or what writes into a binary file


class Unwritable(ReproError):
    """A file or a folder that the system refuses to write; `__cause__` is its error."""


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
        raise Unwritable(
            f"{path}: cannot be written ({error.strerror or error}); what is done is kept: make room or mend the "
            "folder's rights, then run the same command again"
        ) from error


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
