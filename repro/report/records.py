"""What is on record about a sentence beside our runs: what was reached before, the authors' notes, and what others
measured since. Nothing of it enters a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro.draw import charts
from repro.draw.parts import Figure, Grid, Row
from repro.report import prose
from repro.report.view import Shown, axis
from repro.spec.claim import Claim
from repro.spec.files import ClaimFile
from repro.spec.records import Measured
from repro.spec.rules import effect_of

CONTEXT = (
    "Context, never part of the verdict. How each setting differs from this claim's stands beside it. One run for "
    "each arm, unless said otherwise."
)
_READ = {
    "at its source": "",
    "as quoted": ", as quoted in a transcription",
    "off a plot": ", read off a plot, to one digit",
}


@dataclass(frozen=True)
class Measurement:
    """One measurement of somebody else, as the page lists it: texts."""

    who: str
    value: str
    says: str
    setting: str
    source: str
    ours: tuple[str, ...]  # what our trial of it says, where another claim is one


@dataclass(frozen=True)
class Others:
    """The section on what others measured; `figure`: where no effect of ours is drawn with it."""

    text: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    figure: Figure | None


def others(file: ClaimFile, every: dict[str, list[Shown]]) -> Others | None:
    """Return what others measured of the same, or None where the claim names nothing; `every`: all claims on all
    shelves, by id."""
    paper, found = file.claim.paper, every[file.id]
    text = [CONTEXT] if paper.later else []
    if paper.nobody is not None:
        text.append(f"Nobody, as far as we found ({paper.nobody.until}), {paper.nobody.has}.")
    if not text:
        return None
    kind = effect_of(file.claim.rule)
    measurements = tuple(_measurement(record, kind, every) for record in paper.later)
    figure = None if any(shown.speaks for shown in found) else _figure(found[-1])
    return Others(tuple(text), measurements, figure)


def _measurement(record: Measured, kind: str, every: dict[str, list[Shown]]) -> Measurement:
    setting = record.setting + f"; {record.n} runs" * (record.n > 1)
    trial = _tried(record.claim, every.get(record.claim, [])) if record.claim else []
    ours = tuple(f"{row[0]}: {', '.join(filter(None, row[1:]))}" for row in trial)
    value = record.value or " ".join(_sizes(record, kind))
    return Measurement(record.who, value, record.says, setting, record.source + _READ[record.read], ours)


def _sizes(record: Measured, kind: str) -> tuple[str, str]:
    """Numbers in the claim's unit, and that unit: `1.2, 2.3 and 2.6`, `times`."""
    sizes = [prose.sized(number, kind).partition(" ") for number in record.numbers]
    about = "about " * (record.read == "off a plot")
    return about + prose.listed([size for size, _, _ in sizes]), sizes[0][2] or "times"


def short(claim: Claim) -> str:
    """Return what others measured in a few characters: from the lowest to the highest in the claim's unit, or else the
    first in words, or that none was found; empty where the claim names nothing."""
    numbered = [record for record in claim.paper.later if record.numbers]
    if numbered:
        ends = (f(n for record in numbered for n in record.numbers) for f in (min, max))
        (low, _, unit), (high, _, _) = (prose.sized(end, effect_of(claim.rule)).partition(" ") for end in ends)
        about = "about " * any(record.read == "off a plot" for record in numbered)
        return f"{about}{low if low == high else f'{low} to {high}'} {unit or 'times'}"
    if claim.paper.later:
        return str(claim.paper.later[0].value)
    return "none found" if claim.paper.nobody is not None else ""


def marks(claim: Claim) -> list[charts.Marks]:
    """Return what others measured in the unit of the claim's effect, as its axis draws it."""
    kind = effect_of(claim.rule)
    by = 1 if kind in ("ratio", "rate") else 100  # points, or percent
    return [
        charts.Marks(tuple(round(by * number, 9) for number in record.numbers), _sizes(record, kind)[0], record.who)
        for record in claim.paper.later
        if record.numbers
    ]


def _figure(shown: Shown) -> Figure | None:
    """What others measured against the paper's number, before there is an effect of ours; None where nothing of it is
    in the claim's unit."""
    if not (drawn := marks(shown.file.claim)):
        return None
    on = axis(shown, of_one=not getattr(shown.file.claim.rule, "over", []))
    drawing = charts.interval("others-effect", "What others measured", words(drawn), on, [], drawn)
    note = f"No result of ours yet.{marked(on, [], drawn)} Shaded: what counts as reproduced at paper scale."
    return Figure(drawing, "", note)


def words(drawn: Sequence[charts.Marks]) -> str:
    """Return what is drawn of others, for those who do not see it."""
    return f"Others measured: {'; '.join(f'{each.values} ({each.who})' for each in drawn)}." if drawn else ""


def marked(on: charts.Axis, rows: Sequence[charts.Row], drawn: Sequence[charts.Marks]) -> str:
    """Return what the marks of others are, as a sentence of a caption; empty where there are none."""
    arrow = "; an arrow: beyond the axis" * charts.beyond(on, rows, drawn)
    return f" Open circles: what others measured, in other settings, listed below{arrow}." if drawn else ""


def on_record(file: ClaimFile, every: dict[str, list[Shown]]) -> Grid | None:
    """What others had reached by then, the paper's value, its authors' notes and ours, side by side; None where only
    the paper and we speak."""
    paper, found = file.claim.paper, every[file.id]
    if paper.notes is None and not paper.before:
        return None
    rows: list[Row] = [("others, by then", record.value, record.says, record.source) for record in paper.before]
    where = f"§{paper.section}" if paper.source is None else f"{paper.source}, §{paper.section}"
    rows += [("the paper", prose.stated(file.claim.rule), paper.says, where)]
    rows += [("its authors' notes", paper.notes.value, paper.notes.says, paper.notes.source)] if paper.notes else []
    rows += _tried("ours", found)
    note = prose.CITED * any("source.md" in cell for row in rows for cell in row)
    head = ("whose", "value", "what it is", "where")
    return Grid("What is on record of the same sentence", head, tuple(rows), note=note)


def _tried(whose: str, found: list[Shown]) -> list[Row]:
    """What our runs say, a row for each shelf that says something, or that none does."""
    rows: list[Row] = []
    for shown in (s for s in found if s.speaks):
        what = f"{shown.judgement.verdict.word}: {prose.data(shown.judgement.claim)}"
        rows.append((whose, prose.ours(shown.judgement) or "none formed", what, f"{shown.shelf}, {shown.scale} scale"))
    return rows or [(whose, "not run", "", "")]
