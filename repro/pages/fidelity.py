"""The page of differences between a paper's text and its released source, and what the readings here do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repro.claim.differences import Difference, Differences
from repro.claim.paper import Paper
from repro.pages import prose

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
    """A difference as the page shows it, names in backticks; `source` is None where both readings do the same."""

    number: int
    subject: str
    state: str
    mark: str
    says: str
    does: str
    paper: str
    source: str | None
    tests: tuple[tuple[str, str], ...]  # (file, the test's name as a sentence)
    lacks: str


def page(differences: Differences, paper: Paper) -> dict[str, Any]:
    """Return everything that templates/fidelity.html prints."""
    values, parts = differences.values(), differences.parts()
    by_title = [(part.title, f"part-{i}", [_row(row, values) for row in part.rows]) for i, part in enumerate(parts, 1)]
    rows = [row for *_, of in by_title for row in of]
    return {
        "paper": paper,
        "on_trial": prose.on_trial([paper]),
        "parts": by_title,
        "states": [
            (state, mark, meaning, sum(row.state == state for row in rows)) for state, (mark, meaning) in STATES.items()
        ],
        "rows": rows,
        "tests": len({test for part in parts for row in part.rows for test in row.tests}),
    }


def _row(difference: Difference, values: Mapping[str, Any]) -> Row:
    paper, source = difference.filled(values)
    state = "no test named" if not difference.tests else "one for both" if paper == source else "each its own"
    return Row(
        number=difference.number,
        subject=difference.subject,
        state=state,
        mark=STATES[state][0],
        says=_signs(difference.says),
        does=_signs(difference.does),
        paper=_signs(paper),
        source=None if source == paper else _signs(source),
        tests=tuple(_test(node) for node in difference.tests),
        lacks=_signs(difference.lacks),
    )


def _signs(text: str) -> str:
    """Return the text with true signs of multiplication and subtraction."""
    return re.sub(r"(?<=\d) x (?=\d)", " × ", text).replace(" - ", " − ")


def _test(node: str) -> tuple[str, str]:
    file, _, name = node.partition("::")
    return file, name.removeprefix("test_").replace("_", " ")
