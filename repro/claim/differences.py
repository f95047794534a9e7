"""Differences between a paper's text and its released source, and what this project does: a YAML file per paper.

The texts on this project are templates. The paper's folder computes the values that they name (`{net[conv1].maps}`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError

from repro.claim.config import Closed
from repro.claim.scalars import Number, Text
from repro.claim.yaml import Document, Loc, read
from repro.errors import ReproError


class Readings(Closed):
    """What this project does in each of the two readings, if it is not the same."""

    paper: Text
    source: Text


def _form(value: Any) -> Literal["<one>", "<two>"]:
    return "<one>" if isinstance(value, str) else "<two>"


class Difference(Closed):
    """One row.

    `says` and `does`: the paper and its source, in our words. `here`: what this project does, one template for both
    readings or one for each. `tests`: node ids of the tests that check `here`. `lacks`: the part of the row that is not
    implemented or not tested, and why. Words in backticks are names.
    """

    number: Number
    subject: Text
    says: Text
    does: Text
    here: Annotated[
        Annotated[Text, Tag("<one>")] | Annotated[Readings, Tag("<two>")],
        Discriminator(_form),
    ]
    tests: list[Text] = Field(default_factory=list)
    lacks: str = ""

    @property
    def templates(self) -> tuple[str, str]:
        """The templates of the readings `paper` and `source`."""
        here = self.here
        return (here, here) if isinstance(here, str) else (here.paper, here.source)

    def filled(self, values: Mapping[str, Any]) -> tuple[str, str]:
        """Return the texts of the readings `paper` and `source`, their templates filled with `values`."""
        paper, source = self.templates
        return paper.format(**values), source.format(**values)


class Part(Closed):
    """Rows under one title."""

    title: Text
    rows: list[Difference] = Field(min_length=1)


class Parts(Closed):
    """The whole file."""

    parts: list[Part] = Field(min_length=1)


@dataclass(frozen=True)
class Differences:
    """The file of a paper's differences, and the function that computes the values for its templates."""

    path: Path
    values: Callable[[], Mapping[str, Any]]

    def parts(self) -> list[Part]:
        """Read the file. Raises ReproError with the place of every mistake; the rows' numbers must rise."""
        document = read(self.path)
        try:
            parts = Parts.model_validate(document.data).parts
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_context=False)
            raise ReproError("\n".join(_line(document, _untagged(e["loc"]), e["msg"]) for e in mistakes)) from None
        numbers = [row.number for part in parts for row in part.rows]
        for before, number in pairwise(numbers):
            if number <= before:
                raise ReproError(f"{self.path}: row {number} stands after row {before}; expected rows in rising order")
        return parts

    def rows(self) -> list[Difference]:
        """Return all rows in order."""
        return [row for part in self.parts() for row in part.rows]


def _untagged(loc: Loc) -> Loc:
    return tuple(part for part in loc if part not in ("<one>", "<two>"))


def _line(document: Document, loc: Loc, text: str) -> str:
    line, column = document.place(loc)
    return f"{document.path}:{line}:{column}: {'.'.join(map(str, loc))}: {text}"
