"""The facts of a paper's released source, a Markdown file of numbered sections and rows, and citations of them.

    ## 1 The text and the code
    - **28** Dropout: kept with probability 0.5 ...

A citation names the file, a section, and rows or more sections: `source.md 1, 28`, `source.md 1, 16 to 18; 2.3`,
`source.md 3.2 D and F`, `source.md 2.1, #137 on 2010`, `source.md 4, rnorm`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NAME = "source.md"
_HEADING = re.compile(r"(#{1,3}) (?:(\d(?:\.\d)?) )?(.+)")
_ROW = re.compile(r"- \*\*(.+?)\*\* (.+)")
_FIRST = re.compile(r"source\.md`?(?: (\d(?:\.\d)?)(?!\d|\.\d))?")
_NEXT = re.compile(r"(, rows |, | and | to |-|; | )(#\d[\w-]*(?: on \d{4})?|\d\.\d|\d{1,2}|[A-Za-z]+)(?!\w|\.\d)")


@dataclass(frozen=True)
class Section:
    """A numbered section: paragraphs, and rows as (name, text)."""

    number: str
    title: str
    text: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Source:
    """The whole file: its title, the paragraphs before the first section, and the sections in order."""

    title: str
    text: tuple[str, ...]
    sections: tuple[Section, ...]

    def anchor(self, section: str, row: str = "") -> str | None:
        """Return the page's anchor of a section or a row; None if there is none.

        `#146` stands for the first row whose name begins with that number.
        """
        rows = next(([name for name, _ in s.rows] for s in self.sections if s.number == section), None)
        if rows is None:
            return None
        if not row:
            return section
        name = row.removeprefix("#")
        near = [other for other in rows if row != name and re.match(rf"{name}(?![\w])", other)]
        exact = name in rows
        return anchor(section, name) if exact else anchor(section, near[0]) if near else None


@dataclass(frozen=True)
class Cited:
    """A citation in a text, text[start:end].

    `anchor`: the cited place; empty for the whole file, None if there is no such place.
    """

    start: int
    end: int
    anchor: str | None


def anchor(section: str, row: str) -> str:
    """Return the page's anchor of a row: `1-28`, `2.1-137-on-2010`."""
    return f"{section}-{row.replace(' ', '-')}"


@cache
def read(path: Path) -> Source:
    """Read the file of facts in a paper's folder."""
    title, before = "", list[str]()
    sections: list[tuple[str, str, list[str], list[tuple[str, str]]]] = []
    for line in path.read_text().splitlines():
        if heading := _HEADING.fullmatch(line):
            if heading[2] is None:
                title = heading[3]
            else:
                sections.append((heading[2], heading[3], [], []))
        elif row := _ROW.fullmatch(line):
            sections[-1][3].append((row[1], row[2]))
        elif line:
            (sections[-1][2] if sections else before).append(line)
    return Source(title, tuple(before), tuple(Section(n, t, tuple(p), tuple(rows)) for n, t, p, rows in sections))


def citations(text: str, source: Source) -> Iterator[Cited]:
    """Yield every citation of a row, or of a section without a row, in the order of the text."""
    for first in _FIRST.finditer(text):
        if first[1] is None:
            yield Cited(first.start(), first.end(), "")
            continue
        section, start, end = first[1], first.start(), first.end()
        named = False  # whether a row of the section, or the section itself, has been yielded
        while item := _NEXT.match(text, end):
            by, word = item[1], item[2]
            if "." in word and by in (", ", "; "):
                if not named:
                    yield Cited(start, end, source.anchor(section))
                section, start, named = word, item.start(2), False
            elif _may_be_row(by, word, section, named):
                place = source.anchor(section, word)
                if place is None and not (word.isdigit() or word[0] == "#" or by == " "):
                    break  # another word than a row's name
                yield Cited(item.start(2) if named else start, item.end(), place)
                named = True
            else:
                break
            end = item.end()
        if not named:
            yield Cited(start, end, source.anchor(section))


def _may_be_row(by: str, word: str, section: str, named: bool) -> bool:
    """Return whether a word after a section may name a row: `, 28`, ` D`; after a row also ` and 17`, ` to 18`."""
    if by == ";" or "." in word:
        return False
    if named:
        return by in (", ", " and ", " to ", "-") and (word[0] == "#" or word.isdigit() or len(word) == 1)
    return (by == " " and len(word) == 1 and word.isupper()) or by in (", ", ", rows ")
