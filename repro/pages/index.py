"""The index: a row for every claim, its verdict, what shares runs and what is not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.draw import charts
from repro.draw.parts import Entry, Line
from repro.pages import damage, facts, multiplicity, prose, records
from repro.pages.results import AtScale, Results
from repro.pages.view import MARKS, command, next_scale
from repro.questions.cases import GROUPS, Word
from repro.questions.coverage import Covered, summary
from repro.questions.exhibit import Exhibit, axis, interval_words, row
from repro.questions.facts import judge_facts
from repro.store import DamagedRun


def page(
    files: Sequence[ClaimFile],
    exhibits: dict[str, Exhibit],
    exact: Sequence[ExactFile],
    rows: Sequence[Covered],
    reference: Results | None,
    damaged: Mapping[str, DamagedRun],
) -> dict[str, Any]:
    """Return everything that templates/index.html prints.

    `exhibits`: the trained claims by id. `rows`: of the catalogue. `reference`: the results of the reference runs,
    next to runs of the user's own. `damaged`: runs by id.
    """
    theirs = {file.id: result.speaking for file in files if reference and (result := reference.of(file))}
    entries = {file.id: _entry(exhibits[file.id], exhibits, theirs.get(file.id)) for file in files}
    entries |= {file.id: facts.entry(file) for file in exact}
    every: list[AnyFile] = [*files, *exact]
    papers = sorted({file.paper.id: file.paper for file in every}.values(), key=lambda paper: paper.id)
    of_paper = [(paper, sorted(file.id for file in every if file.paper is paper)) for paper in papers]
    judged = [exhibits[file.id].judgement for file in files if exhibits[file.id].speaks]
    words: list[Word] = [judgement.verdict.word for judgement in judged]
    waiting = [file for file in files if not exhibits[file.id].speaks]
    words += [verdict.word if (verdict := theirs.get(file.id)) else "not run" for file in waiting]
    groups = Counter(GROUPS[word] for word in [*words, *(judge_facts(file).word for file in exact)])
    counted = [f"{group} ({groups[group]})" for group in dict.fromkeys(GROUPS.values()) if groups[group]]
    missing = [
        (file.id, _missing(exhibits[file.id]), command(file, next_scale(exhibits[file.id])))
        for file in waiting
        if not theirs.get(file.id)
    ]
    many = f"{len(entries)} claim{'s' * (len(entries) != 1)}"
    return {
        "on_trial": prose.on_trial(papers),
        "papers": [(paper, [entries[id] for id in ids]) for paper, ids in of_paper],
        "summary": f"{many}. Verdicts: {', '.join(counted)}." if entries else "No claim was given.",
        "missing": missing,
        "coverage": summary(rows),
        "damaged": damage.section(damaged),
        "many": multiplicity.section(judged),
        "legend": [(word, MARKS[word], meaning) for word, meaning in prose.legend()],
    }


def _missing(exhibit: Exhibit) -> str:
    """Return why a claim has no verdict."""
    if exhibit.complete:
        return "only smoke scale has been run, which tests the machinery."
    return f"{exhibit.judgement.verdict.why}."


def _entry(exhibit: Exhibit, exhibits: dict[str, Exhibit], reference: AtScale | None) -> Entry:
    """Return a claim's row.

    `exhibits`: all claims by id, of which some share runs with this one. `reference`: the verdict of the reference
    runs, next to runs of the user's own.
    """
    file = exhibit.file
    lines = [_of_reference(reference)] if reference else []
    if exhibit.measured or exhibit.judgement.run_ids or reference is None:
        lines.insert(0 if exhibit.speaks else len(lines), _line(exhibit))
    return Entry(
        file.id, f"{file.id}.html", prose.section(file), file.claim.paper.says, file.claim.rule.stated(),
        file.claim.paper.notes.value if file.claim.paper.notes else "",
        records.short(file.claim), tuple(lines), tuple(_shares(exhibit, exhibits)),
    )  # fmt: skip


def _line(exhibit: Exhibit) -> Line:
    """Return the verdict of the page's runs in a row."""
    judgement, verdict, drawn = exhibit.judgement, exhibit.judgement.verdict, row(exhibit.judgement)
    drawing = None
    if exhibit.speaks and drawn is not None:
        id = f"{exhibit.file.id}-{exhibit.shelf}"
        drawing = charts.small(id, interval_words(exhibit), axis(exhibit), drawn)
    headline: str = verdict.word
    finding = verdict.why
    if exhibit.complete:
        headline = verdict.word if exhibit.speaks else "the machinery works here"
        finding = judgement.estimate_words if exhibit.speaks else ""
    facts = [exhibit.shelf, f"{exhibit.scale} scale"]
    facts += [f"grade {verdict.grade}"] if verdict.grade else []
    facts += [f"n = {judgement.seeds}"] if exhibit.speaks else []
    facts += [after] if exhibit.complete and (after := prose.set_after(judgement)) else []
    return Line(MARKS[verdict.word], headline, finding, drawing, tuple(facts), exhibit.speaks)


def _of_reference(verdict: AtScale) -> Line:
    """Return the verdict of the reference runs in a row."""
    facts = ["reference", f"{verdict.scale} scale", *([f"grade {verdict.grade}"] if verdict.grade else [])]
    facts += [f"n = {verdict.n}", *([verdict.set_after] if verdict.set_after else [])]
    return Line(MARKS[verdict.word], verdict.word, verdict.found, None, tuple(facts), speaks=True)


def _ids(exhibit: Exhibit) -> set[str]:
    """Return the ids of the runs behind a claim, without evaluations."""
    ids = {run for judgement in (exhibit.judgement, *exhibit.alternatives) for run in judgement.run_ids}
    return {run for run in ids if not exhibit.table[run].is_evaluation}


def _shares(exhibit: Exhibit, exhibits: dict[str, Exhibit]) -> list[str]:
    """Return the other claims whose verdict rests on some of the same runs, with how many and whose."""
    if not exhibit.complete:
        return []
    own = _ids(exhibit)
    others = (exhibits[id] for id in sorted(exhibits) if id != exhibit.file.id and exhibits[id].complete)
    common = {other.file.id: len(own & _ids(other)) for other in others}
    return [f"{id} ({many} runs, {exhibit.shelf})" for id, many in common.items() if many]
