"""The index: a row for every claim, its verdict on each shelf, what shares runs and what is not run."""

from __future__ import annotations

from dataclasses import dataclass

from repro.report import charts, prose
from repro.report.svg import Drawing
from repro.report.view import MARKS, Shown, axis, interval_words, row
from repro.spec.files import ClaimFile


@dataclass(frozen=True)
class Line:
    """One shelf of one claim in the index; `speaks`: it says something of the sentence."""

    mark: str
    headline: str
    found: str
    drawing: Drawing | None
    facts: tuple[str, ...]
    speaks: bool


@dataclass(frozen=True)
class Entry:
    """One claim in the index."""

    id: str
    href: str
    section: str
    says: str
    paper: str
    notes: str
    lines: tuple[Line, ...]
    shares: tuple[str, ...]


def entry(file: ClaimFile, found: list[Shown], everything: list[Shown]) -> Entry:
    """A claim's row; `everything`: all claims on all shelves, of which some share runs with this one."""
    lines = []
    for shown in sorted(found, key=lambda shown: not shown.speaks):
        verdict, drawn = shown.judgement.verdict, row(shown.judgement)
        drawing = None
        if shown.speaks and drawn is not None:
            drawing = charts.small(f"{file.id}-{shown.shelf}", interval_words(shown), axis(shown), drawn)
        smoke = shown.complete and not shown.speaks
        facts = [shown.shelf, f"{shown.scale} scale"]
        facts += [f"grade {verdict.grade}"] if verdict.grade else []
        facts += [f"n = {prose.seeds(shown.judgement)}"] if shown.speaks else []
        lines.append(
            Line(
                mark=MARKS[verdict.word],
                headline="the machinery works here" if smoke else verdict.word,
                found=prose.ours(shown.judgement) if shown.speaks else "" if shown.complete else verdict.why,
                drawing=drawing,
                facts=tuple(facts),
                speaks=shown.speaks,
            )
        )
    return Entry(
        file.id, f"{file.id}.html", prose.section(file), file.claim.paper.says, prose.stated(file.claim.rule),
        file.claim.paper.notes.value if file.claim.paper.notes else "", tuple(lines),
        tuple(_shares(found, everything)),
    )  # fmt: skip


def _ids(shown: Shown) -> set[str]:
    ids = {run for judgement in (shown.judgement, *shown.alternatives) for run in judgement.run_ids}
    return {run for run in ids if not shown.table[run].is_evaluation}


def _shares(found: list[Shown], everything: list[Shown]) -> list[str]:
    """Other claims whose verdict on the same shelf rests on some of the same runs."""
    out = {}
    for shown in (s for s in found if s.complete):
        for other in (o for o in everything if o.complete and o.shelf == shown.shelf and o.file.id != shown.file.id):
            if common := len(_ids(shown) & _ids(other)):
                out[other.file.id] = f"{other.file.id} ({common} runs, {shown.shelf})"
    return [out[name] for name in sorted(out)]
