"""The photos of a source, cut into chunks that one process reads in one go. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from repro.data.known import Split

CHUNK = 512  # files read in one go by one process (assumed: a few seconds' work)
EXPECTED = "train/CLASS/*.JPEG and val/CLASS/*, or CLASS/*, or train-*.parquet and validation-*.parquet"

Photo = tuple[str, int, bytes]  # its name for messages, its label, its encoded bytes
Form = Literal["folder", "parquet"]


class Chunk(Protocol):
    """Photos of one split. Small and picklable."""

    @property
    def split(self) -> Split:
        """The split that they belong to."""

    def __len__(self) -> int: ...

    def photos(self) -> Iterator[Photo]:
        """Read them, one after the other. DataError where that is not possible."""


@dataclass(frozen=True)
class Source:
    """Where photos come from.

    `listing` changes when the names, sizes, times or labels of the files do. `passed_over`: sentences on what is there
    and not used. `split_off`: there is no test split, so some photos of each class, by default every fifth, are one.
    """

    form: Form
    where: str
    classes: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    listing: str
    passed_over: tuple[str, ...] = ()
    split_off: bool = False
