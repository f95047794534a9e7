"""The catalogue of a paper, `catalogue.csv` in its folder: every sentence to cover, with or without a claim."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.claim.paper import Paper

COLUMNS = ["part", "row", "section", "says"]


@dataclass(frozen=True)
class Part:
    """A part of a catalogue. `without_claims`: why its rows have no claims; empty if they need claims."""

    title: str
    without_claims: str = ""


@dataclass(frozen=True)
class Entry:
    """One row: the paper's id, the part, the id of the claim, the section of the paper and the sentence."""

    paper: str
    part: Part
    id: str
    section: str
    says: str

    @property
    def is_claim(self) -> bool:
        """Whether the row needs a claim."""
        return not self.part.without_claims


def catalogue(paper: Paper) -> list[Entry]:
    """Return the rows of a paper's catalogue in order; an empty list if it has no catalogue.

    Raises ReproError with file and line for an invalid row.
    """
    return read(paper.catalogue, paper) if paper.catalogue else []


def read(path: Path, paper: Paper) -> list[Entry]:
    """Read the rows of a catalogue file, in order. Raises ReproError as `catalogue` does."""
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
        part, id, section, says = cells
        if part not in paper.parts:
            raise ReproError(f"{path}:{number}: {id}: found part {part}; expected {' or '.join(paper.parts)}")
        if any(id == other.id for other in out):
            raise ReproError(f"{path}:{number}: {id}: stands twice")
        out.append(Entry(paper.id, paper.parts[part], id, section, says))
    return out
