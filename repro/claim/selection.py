"""Select claims: by the section of the paper that their sentence stands in."""

from __future__ import annotations

from collections.abc import Sequence

from repro.claim.files import AnyFile
from repro.errors import ReproError


def stands_in(where: str, section: str) -> bool:
    """Return whether a sentence that stands in `where` belongs to a section; 3 includes 3.1.

    `where` is a section (`3.1`), one with a place in it (`3.2, footnote`), several (`abstract, § 4`), or a range of
    whole sections (`2-5`), which belongs to each of them and to none of their parts.
    """
    return any(_is_part(place.removeprefix("§").strip(), section) for place in [where, *where.split(", ")])


def _is_part(place: str, section: str) -> bool:
    first, _, last = place.partition("-")
    if first.isdigit() and last.isdigit() and section.isdigit():
        return int(first) <= int(section) <= int(last)
    return place == section or place.startswith(f"{section}.")


def of_section(files: Sequence[AnyFile], section: str) -> list[AnyFile]:
    """Return the claims whose sentence stands in a section, such as `3.1`. Raises ReproError if there is none."""
    asked = section.removeprefix("§").strip()
    found = [file for file in files if stands_in(file.claim.paper.section, asked)]
    if not found:
        there = ", ".join(sorted({file.claim.paper.section for file in files}))
        raise ReproError(f"--section {section}: no claim stands there; the claims named stand in {there}")
    return found
