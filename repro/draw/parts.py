"""What pages are made of: headings, figures, pictures and tables."""

from __future__ import annotations

from dataclasses import dataclass

from repro.draw.svg import Drawing

Row = tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table, the first column naming its rows: `numbers`, `codes` are columns, `strong` rows, `note` a line below."""

    caption: str
    head: Row
    rows: tuple[Row, ...]
    numbers: frozenset[int] = frozenset()
    codes: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing above its caption; `choice`: the control that redraws it, as (question, ((value, name), ...))."""

    drawing: Drawing
    caption: str
    note: str = ""
    choice: tuple[str, tuple[tuple[str, str], ...]] | None = None
    data: str = ""  # the file that holds what is drawn; empty: the page's own


@dataclass(frozen=True)
class Picture:
    """An image of so many pixels as a data URI, its words for those who do not see it, and a caption."""

    data: str
    width: int
    height: int
    alt: str
    caption: str
    note: str = ""


Part = Figure | Grid | Picture


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it, in order."""

    id: str
    title: str
    text: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
