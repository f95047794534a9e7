"""The index: a row for every claim, its verdict on each shelf, what shares runs and what is not run."""

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
    found: dict[str, list[Exhibit]],
    exact: Sequence[ExactFile],
    rows: Sequence[Covered],
    reference: Results | None,
    damaged: Mapping[str, DamagedRun],
) -> dict[str, Any]:
    """Everything that templates/index.html prints; `found`: each claim on its shelf; `rows`: of the catalogue;
    `reference`: the results of the reference runs, next to runs of the user's own; `damaged`: runs by id."""
    everything = [shown for all_shelves in found.values() for shown in all_shelves]
    theirs = {file.id: result.speaking for file in files if reference and (result := reference.of(file))}
    entries = {file.id: _entry(file, found[file.id], everything, theirs.get(file.id)) for file in files}
    entries |= {file.id: facts.entry(file) for file in exact}
    every: list[AnyFile] = [*files, *exact]
    papers = sorted({file.paper.id: file.paper for file in every}.values(), key=lambda paper: paper.id)
    of_paper = [(paper, sorted(file.id for file in every if file.paper is paper)) for paper in papers]
    best = [next((s for s in found[file.id] if s.speaks), None) for file in files]
    said: list[Word] = [
        shown.judgement.verdict.word if shown else other.word if (other := theirs.get(file.id)) else "not run"
        for file, shown in zip(files, best, strict=True)
    ]
    groups = Counter(GROUPS[word] for word in [*said, *(judge_facts(file).word for file in exact)])
    counted = [f"{group} ({groups[group]})" for group in dict.fromkeys(GROUPS.values()) if groups[group]]
    missing = [
        (file.id, _missing(shown), command(file, next_scale(shown)))
        for file in files
        if not any(s.speaks for s in found[file.id]) and not theirs.get(file.id)
        for shown in found[file.id][-1:]
    ]
    many = f"{len(entries)} claim{'s' * (len(entries) != 1)}"
    return {
        "on_trial": prose.on_trial(papers),
        "papers": [(paper, [entries[id] for id in ids]) for paper, ids in of_paper],
        "summary": f"{many}. Verdicts: {', '.join(counted)}." if entries else "No claim was given.",
        "missing": missing,
        "coverage": summary(rows),
        "damaged": damage.section(damaged),
        "many": multiplicity.section([shown.judgement for shown in best if shown]),
        "legend": [(word, MARKS[word], meaning) for word, meaning in prose.legend()],
    }


def _missing(shown: Exhibit) -> str:
    if shown.complete:
        return "only smoke scale has been run, which tests the machinery."
    return f"{shown.judgement.verdict.why}."


def _entry(file: ClaimFile, found: list[Exhibit], everything: list[Exhibit], reference: AtScale | None) -> Entry:
    """A claim's row; `everything`: all claims on their shelf, of which some share runs with this one; `reference`: the
    verdict of the reference runs, where these are not that shelf."""
    lines = []
    started = (shown for shown in found if shown.measured or shown.judgement.run_ids or reference is None)
    for shown in sorted(started, key=lambda shown: not shown.speaks):
        verdict, drawn = shown.judgement.verdict, row(shown.judgement)
        drawing = None
        if shown.speaks and drawn is not None:
            drawing = charts.small(f"{file.id}-{shown.shelf}", interval_words(shown), axis(shown), drawn)
        smoke = shown.complete and not shown.speaks
        said = [shown.shelf, f"{shown.scale} scale"]
        said += [f"grade {verdict.grade}"] if verdict.grade else []
        said += [f"n = {shown.judgement.seeds}"] if shown.speaks else []
        said += [after] if shown.complete and (after := prose.set_after(shown.judgement)) else []
        lines.append(
            Line(
                mark=MARKS[verdict.word],
                headline="the machinery works here" if smoke else verdict.word,
                found=shown.judgement.estimate_words if shown.speaks else "" if shown.complete else verdict.why,
                drawing=drawing,
                facts=tuple(said),
                speaks=shown.speaks,
            )
        )
    if reference is not None:
        lines.append(_of_reference(reference))
        lines.sort(key=lambda line: not line.speaks)
    return Entry(
        file.id, f"{file.id}.html", prose.section(file), file.claim.paper.says, file.claim.rule.stated(),
        file.claim.paper.notes.value if file.claim.paper.notes else "",
        records.short(file.claim), tuple(lines), tuple(_shares(found, everything)),
    )  # fmt: skip


def _of_reference(found: AtScale) -> Line:
    """The reference runs' verdict in a row."""
    facts = ["reference", f"{found.scale} scale", *([f"grade {found.grade}"] if found.grade else [])]
    facts += [f"n = {found.n}", *([found.set_after] if found.set_after else [])]
    return Line(MARKS[found.word], found.word, found.found, None, tuple(facts), speaks=True)


def _ids(shown: Exhibit) -> set[str]:
    ids = {run for judgement in (shown.judgement, *shown.alternatives) for run in judgement.run_ids}
    return {run for run in ids if not shown.table[run].is_evaluation}


def _shares(found: list[Exhibit], everything: list[Exhibit]) -> list[str]:
    """Other claims whose verdict on the same shelf rests on some of the same runs."""
    out = {}
    for shown in (s for s in found if s.complete):
        for other in (o for o in everything if o.complete and o.shelf == shown.shelf and o.file.id != shown.file.id):
            if common := len(_ids(shown) & _ids(other)):
                out[other.file.id] = f"{other.file.id} ({common} runs, {shown.shelf})"
    return [out[name] for name in sorted(out)]
