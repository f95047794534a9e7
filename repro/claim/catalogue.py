"""The catalogue: every sentence that is to be covered, with a claim or without; the rows of `claims/catalogue.csv`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from repro.errors import ReproError

COLUMNS = ["part", "row", "section", "says"]
# What the rows of a part are: the parts whose rows are claims have no entry.
NO_CLAIMS = {
    "D": "an implementation that people know: a part of the tool, without a claim of its own",
    "F": "a sentence that nobody has tested: not covered",
}


@dataclass(frozen=True)
class Entry:
    """One row: its part of the catalogue, its claim's id, where the paper (or later work) says it, and what."""

    part: str
    id: str
    section: str
    says: str

    @property
    def is_claim(self) -> bool:
        """Whether the row is to have a claim."""
        return self.part not in NO_CLAIMS


def catalogue(path: Path) -> list[Entry]:
    """The rows in the catalogue's order. ReproError with file and line where one is not as it should be."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ReproError(f"{path}: cannot be read ({error.strerror}); expected the catalogue's rows") from None
    reader = csv.reader(text.splitlines())
    out: list[Entry] = []
    for number, cells in enumerate(reader, start=1):
        if number == 1 and cells != COLUMNS:
            raise ReproError(f"{path}:1: found {','.join(cells)}; expected {','.join(COLUMNS)}")
        if number == 1:
            continue
        if len(cells) != len(COLUMNS):
            raise ReproError(f"{path}:{number}: found {len(cells)} cells; expected {len(COLUMNS)}; quote commas")
        entry = Entry(*cells)
        if any(entry.id == other.id for other in out):
            raise ReproError(f"{path}:{number}: {entry.id}: stands twice")
        out.append(entry)
    return out
