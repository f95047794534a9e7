"""What is on record about a sentence apart from our runs: what was reached before, the authors' notes, and what others
measured since. Nothing of it enters a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from repro.claim.files import ClaimFile
from repro.claim.records import Measured
from repro.draw import charts
from repro.draw.parts import Figure, Grid, Row
from repro.pages import prose
from repro.pages.results import Results
from repro.questions.base import Claim
from repro.questions.exhibit import Exhibit, axis
from repro.questions.others import marked, marks, sizes, words
from repro.questions.units import Unit

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


def others(file: ClaimFile, exhibits: dict[str, Exhibit], reference: Results | None) -> Others | None:
    """Return what others measured of the same, or None where the claim names nothing.

    `exhibits`: all claims by id. `reference`: the results of the reference runs, next to runs of the user's own.
    """
    paper, exhibit = file.claim.paper, exhibits[file.id]
    text = [CONTEXT] if paper.later else []
    if paper.nobody is not None:
        text.append(f"Nobody, as far as we found ({paper.nobody.until}), {paper.nobody.has}.")
    if not text:
        return None
    unit = file.claim.rule.unit
    measurements = tuple(_measurement(record, unit, exhibits, reference) for record in paper.later)
    figure = None if exhibit.speaks else _figure(exhibit)
    return Others(tuple(text), measurements, figure)


def _measurement(record: Measured, unit: Unit, exhibits: dict[str, Exhibit], reference: Results | None) -> Measurement:
    setting = record.setting + f"; {record.n} runs" * (record.n > 1)
    trial = _our_rows(record.claim, exhibits.get(record.claim), reference) if record.claim else []
    ours = tuple(f"{row[0]}: {', '.join(filter(None, row[1:]))}" for row in trial)
    value = record.value or " ".join(sizes(record, unit))
    return Measurement(record.who, value, record.says, setting, record.source + _READ[record.read], ours)


def short(claim: Claim) -> str:
    """Return what others measured in a few characters: from the lowest to the highest in the claim's unit, or else the
    first in words, or that none was found; empty where the claim names nothing."""
    numbered = [record for record in claim.paper.later if record.numbers]
    if numbered:
        ends = (f(n for record in numbered for n in record.numbers) for f in (min, max))
        (low, _, unit), (high, _, _) = (claim.rule.unit.printed(end).partition(" ") for end in ends)
        about = "about " * any(record.read == "off a plot" for record in numbered)
        return f"{about}{low if low == high else f'{low} to {high}'} {unit or 'times'}"
    if claim.paper.later:
        return str(claim.paper.later[0].value)
    return "none found" if claim.paper.nobody is not None else ""


def _figure(exhibit: Exhibit) -> Figure | None:
    """Return what others measured as a figure, before there is an effect of ours; None where nothing is in the
    claim's unit."""
    if not (drawn := marks(exhibit.file.claim)):
        return None
    on = axis(exhibit, of_one=not exhibit.file.claim.rule.judged_with())
    drawing = charts.interval("others-effect", "What others measured", words(drawn), on, [], drawn)
    note = f"No result of ours yet.{marked(on, [], drawn)} Shaded: what counts as reproduced at paper scale."
    return Figure(drawing, "", note)


def on_record(file: ClaimFile, exhibits: dict[str, Exhibit], reference: Results | None) -> Grid | None:
    """Return what others had reached by then, the paper's value, its authors' notes and ours; None where only the
    paper and we have a value."""
    paper = file.claim.paper
    if paper.notes is None and not paper.before:
        return None
    rows: list[Row] = [("others, by then", record.value, record.says, record.source) for record in paper.before]
    where = f"§{paper.section}" if paper.source is None else f"{paper.source}, §{paper.section}"
    rows += [("the paper", file.claim.rule.stated(), paper.says, where)]
    rows += [("its authors' notes", paper.notes.value, paper.notes.says, paper.notes.source)] if paper.notes else []
    rows += _our_rows("ours", exhibits[file.id], reference)
    note = prose.CITED * any("source.md" in cell for row in rows for cell in row)
    head = ("whose", "value", "what it is", "where")
    return Grid("What is on record of the same sentence", head, tuple(rows), note=note)


def _our_rows(whose: str, exhibit: Exhibit | None, reference: Results | None) -> list[Row]:
    """Return a row for the verdict of the page's runs and one for that of the reference runs; `not run` for neither."""
    rows: list[Row] = []
    if exhibit and exhibit.speaks:
        judgement = exhibit.judgement
        what = f"{judgement.verdict.word}: {prose.data(judgement.claim)}"
        rows.append((whose, judgement.estimate_words or "none formed", what, f"{exhibit.shelf}, {exhibit.scale} scale"))
    result = reference.of(exhibit.file) if exhibit and reference else None
    if exhibit and result and (verdict := result.speaking):
        what = f"{verdict.word}: {prose.data(exhibit.file.at(verdict.scale))}"
        rows.append((whose, verdict.found or "none formed", what, f"reference, {verdict.scale} scale"))
    return rows or [(whose, "not run", "", "")]
