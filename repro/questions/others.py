"""What others measured of the same, in the claim's unit, as an axis draws it: context, never part of a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from repro.claim.records import Measured
from repro.draw import axes
from repro.questions.base import Claim
from repro.questions.units import Unit, listed


def sizes(record: Measured, unit: Unit) -> tuple[str, str]:
    """Return numbers in the claim's unit, and that unit: `1.2, 2.3 and 2.6`, `times`."""
    parts = [unit.printed(number).partition(" ") for number in record.numbers]
    about = "about " * (record.read == "off a plot")
    return about + listed([size for size, _, _ in parts]), parts[0][2] or "times"


def marks(claim: Claim) -> list[axes.Marks]:
    """Return what others measured in the unit of the claim's effect, as its axis draws it."""
    unit = claim.rule.unit
    return [
        axes.Marks(
            tuple(round(unit.drawn_by * number, 9) for number in record.numbers), sizes(record, unit)[0], record.who
        )
        for record in claim.paper.later
        if record.numbers
    ]


def words(drawn: Sequence[axes.Marks]) -> str:
    """Return what is drawn of others, for those who do not see it."""
    return f"Others measured: {'; '.join(f'{each.values} ({each.who})' for each in drawn)}." if drawn else ""


def marked(on: axes.Axis, rows: Sequence[axes.Row], drawn: Sequence[axes.Marks]) -> str:
    """Return what the marks of others are, as a sentence of a caption; empty where there are none."""
    arrow = "; arrows point to values beyond the axis" * axes.beyond(on, rows, drawn)
    return f" Open circles: what others measured in other settings, listed below{arrow}." if drawn else ""
