"""The page of what is on record of a paper's released source: every fact with an anchor, which citations link to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from repro.claim import sources
from repro.claim.paper import Paper
from repro.claim.sources import Source


@dataclass(frozen=True)
class Row:
    """A fact as the page shows it; `difference`: whether the page of text and source has a row of its number."""

    name: str
    anchor: str
    text: str
    difference: bool


def page(source: Source, paper: Paper) -> dict[str, Any]:
    """Return everything that templates/source.html prints."""
    numbers = {str(row.number) for row in paper.differences.rows()} if paper.differences else set()
    sections = [
        {
            "number": section.number,
            "title": section.title,
            "text": section.text,
            "rows": [
                Row(name, sources.anchor(section.number, name), text, section.number == "1" and name in numbers)
                for name, text in section.rows
            ],
        }
        for section in source.sections
    ]
    return {
        "title": source.title,
        "text": source.text,
        "many": sum(len(section.rows) for section in source.sections),
        "sections": sections,
        "paper": paper,
    }
