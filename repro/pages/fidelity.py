"""The page of differences between the paper's text and the released source, and what the readings here do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from types import SimpleNamespace
from typing import Any

from repro.claim.model import TrainSpec
from repro.papers.alexnet2012.differences import Difference
from repro.papers.alexnet2012.fidelity import DIFFERENCES, PARTS, filled
from repro.papers.alexnet2012.recipe import RECIPE

Words = tuple[tuple[bool, str], ...]  # (whether it is a name in backticks, text)

# How a row stands, with the sign that stands for it (templates/marks.svg).
STATES = {
    "each its own": ("unequal", "the readings do what their texts say, and differ"),
    "one for both": (
        "equal",
        "both readings do the same, also where the texts do not agree; the row says what, and whether a claim sets it",
    ),
    "no test named": ("dash", "the row says why"),
}


@dataclass(frozen=True)
class Row:
    """A difference as the page shows it; `source` is None where both readings do the same."""

    number: int
    subject: str
    state: str
    mark: str
    says: Words
    does: Words
    paper: Words
    source: Words | None
    tests: tuple[tuple[str, str], ...]  # (file, the test's name as a sentence)
    lacks: Words


def training_defaults() -> SimpleNamespace:
    """The defaults of a claim's training rule, by name."""
    defaults = {name: field.default for name, field in TrainSpec.model_fields.items()}
    recipe = {key.removeprefix("train."): setting.value for key, setting in RECIPE.items() if key.startswith("train.")}
    return SimpleNamespace(**defaults | recipe)


def page() -> dict[str, Any]:
    """Everything that templates/fidelity.html prints."""
    rows = [_row(difference) for difference in DIFFERENCES]
    starts = sorted(PARTS.items(), key=lambda part: part[1])

    def part(row: Row) -> str:
        return [title for title, first in starts if first <= row.number][-1]

    return {
        "parts": [(title, f"part-{i}", list(of)) for i, (title, of) in enumerate(groupby(rows, part), 1)],
        "states": [
            (state, mark, meaning, sum(row.state == state for row in rows)) for state, (mark, meaning) in STATES.items()
        ],
        "rows": rows,
        "tests": len({node for difference in DIFFERENCES for node in difference.tests}),
    }


def _row(difference: Difference) -> Row:
    paper, source = filled(difference, training_defaults())
    state = "no test named" if not difference.tests else "one for both" if paper == source else "each its own"
    return Row(
        number=difference.number,
        subject=difference.subject,
        state=state,
        mark=STATES[state][0],
        says=_words(difference.says),
        does=_words(difference.does),
        paper=_words(paper),
        source=None if source == paper else _words(source),
        tests=tuple(_test(node) for node in difference.tests),
        lacks=_words(difference.lacks),
    )


def _words(text: str) -> Words:
    text = re.sub(r"(?<=\d) x (?=\d)", " × ", text).replace(" - ", " − ")
    return tuple((i % 2 == 1, part) for i, part in enumerate(text.split("`")) if part)


def _test(node: str) -> tuple[str, str]:
    file, _, name = node.partition("::")
    return file, name.removeprefix("test_").replace("_", " ")
