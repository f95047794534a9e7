"""The index: the answer in a sentence, what turns on a choice, and a row for every claim, by what became of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repro.claim.files import AnyFile, ClaimFile, ExactFile
from repro.draw import forest
from repro.draw.axes import Row
from repro.pages import damage, facts, multiplicity, prose, records
from repro.pages.findings import Finding
from repro.pages.results import AtScale, Results
from repro.pages.view import MARKS, command, next_scale
from repro.questions import bases
from repro.questions.cases import GROUPS, OPEN, Group, Word
from repro.questions.coverage import Covered, summary
from repro.questions.ensembles import of_fewer
from repro.questions.exhibit import Exhibit, row
from repro.questions.facts import judge_facts
from repro.questions.units import capital, listed
from repro.store import DamagedRun

# What each group is called on the page.
TITLES: dict[Group, str] = {
    "holds": "Holds",
    "direction holds": "Holds in direction",
    "another size or number": "Holds with another size",
    "does not hold": "Does not hold",
    "open": "Open",
    "agrees below paper scale": "In smaller experiments: agrees",
    "open below paper scale": "In smaller experiments: open",
    "disagrees below paper scale": "In smaller experiments: disagrees",
    "facts": "Counted, nothing trained",
    "not judged here": "Cannot be judged without a suitable GPU or paper scale",
    "not run": "Not run yet",
}
# What is said of those at paper scale, with their number.
SENTENCES: dict[Group, str] = {
    "holds": "{n} hold{s} as printed",
    "direction holds": "{n} hold{s} in direction",
    "another size or number": "{n} hold{s} with another size",
    "does not hold": "{n} do{es} not hold",
}
# Words of earlier rules, which histories of claims name as the verdict before.
FORMER = {
    "same direction": "a word of earlier rules, below paper scale: the whole interval lay on the sentence’s side of no "
    "effect, however small the effect",
    "no difference seen": "a word of earlier rules, below paper scale: the interval covered no effect; for a claim of "
    "no effect, it lay inside the claim’s band",
    "opposite direction": "a word of earlier rules, below paper scale: the whole interval lay on the other side of no "
    "effect; for a claim of no effect, outside the claim’s band",
    "contradicted": "a word of earlier rules: the whole interval lay on the other side of no effect",
}
BASE = (
    f"Some of them wait for the base: {bases.IS} It is not chosen yet. `{bases.COMMAND}` trains the candidates and "
    "prints a name; write it as `base` of small scale in the claim’s file, then run the claim."
)


@dataclass(frozen=True)
class Line:
    """The verdict of one shelf in a row."""

    mark: str
    headline: str
    finding: str
    facts: tuple[str, ...]
    speaks: bool


@dataclass(frozen=True)
class Entry:
    """One claim: its row on the index."""

    id: str
    section: str
    title: str
    says: str
    context: tuple[tuple[str, str], ...]  # whose number, and the number: the paper's, its authors', others'
    group: Group
    grade: str
    lines: tuple[Line, ...]  # the first decides the group
    drawing: str  # SVG of its effect as a share of the paper's, or of its facts
    share: bool  # it is the former
    undrawn: str  # why there is none
    command: str  # what is still to be done; empty where it has a verdict


def page(
    files: Sequence[ClaimFile],
    exhibits: dict[str, Exhibit],
    exact: Sequence[ExactFile],
    rows: Sequence[Covered],
    reference: Results | None,
    damaged: Mapping[str, DamagedRun],
    turned: Sequence[Finding],
) -> dict[str, Any]:
    """Return everything that templates/index.html prints.

    `exhibits`: the trained claims by id. `rows`: of the catalogue. `reference`: the results of the reference runs,
    next to runs of the user's own. `damaged`: runs by id. `turned`: verdicts that another choice turns.
    """
    titles = {covered.entry.id: capital(covered.entry.says) for covered in rows}
    theirs = {file.id: result.speaking for file in files if reference and (result := reference.of(file))}
    entries = [_entry(exhibits[file.id], titles, theirs.get(file.id)) for file in files]
    entries += [_counted(file, titles) for file in exact]
    places = {id: place for place, id in enumerate(order(files, exact, rows))}
    entries.sort(key=lambda entry: places[entry.id])
    every: list[AnyFile] = [*files, *exact]
    papers = sorted({file.paper.id: file.paper for file in every}.values(), key=lambda paper: paper.id)
    own = {file.id: file.paper for file in every}
    judged = [exhibits[file.id].judgement for file in files if exhibits[file.id].speaks]
    return {
        "on_trial": prose.on_trial(papers and [max(papers, key=lambda paper: sum(p is paper for p in own.values()))]),
        "answer": answer(entries, [judge_facts(file).word for file in exact]),
        "base": {"command": bases.COMMAND, "text": BASE},
        "findings": turned,
        "papers": [(paper, _groups(entry for entry in entries if own[entry.id] is paper)) for paper in papers],
        "choices": {
            "group": [TITLES[group] for group in TITLES if any(entry.group == group for entry in entries)],
            "section": list(dict.fromkeys(entry.section for entry in entries)),
            "grade": sorted({entry.grade for entry in entries if entry.grade}),
        },
        "titles": titles | {file.id: file.claim.paper.says for file in files if file.id not in titles},
        "places": forest.PLACES,
        "coverage": summary(rows),
        "damaged": damage.section(damaged),
        "many": multiplicity.section(judged),
        "shared": _shared(exhibits),
        "legend": [(word, MARKS[word], meaning) for word, meaning in prose.legend()],
        "former": [(word, FORMER[word]) for word in former(files)],
    }


def former(files: Sequence[ClaimFile]) -> list[str]:
    """Return the words of earlier rules that the histories of claims name, each once."""
    then = {before.word for file in files for change in file.claim.history for before in change.runs.values()}
    return sorted(then - set(GROUPS))


def order(files: Sequence[ClaimFile], exact: Sequence[ExactFile], rows: Sequence[Covered]) -> list[str]:
    """Return the ids of claims, paper by paper, in the order of their sections and then of the catalogue."""
    row_of = {covered.entry.id: place for place, covered in enumerate(rows)}
    every: list[AnyFile] = [*files, *exact]
    every.sort(key=lambda f: (f.paper.id, _place(f.claim.paper.section), row_of.get(f.id, len(row_of)), f.id))
    return [file.id for file in every]


def nearby(order: Sequence[str], id: str, there: Collection[str]) -> tuple[str, str]:
    """Return the ids of the claims before and after one, of those that have a page; empty where there is none."""
    paged = [each for each in order if each == id or f"{each}.html" in there]
    at = paged.index(id)
    return paged[at - 1] if at else "", paged[at + 1] if at + 1 < len(paged) else ""


def answer(entries: Sequence[Entry], counted: Sequence[Word]) -> str:
    """Return what became of all statements, in a sentence or two. `counted`: the words of those without training."""
    many = Counter(entry.group for entry in entries)
    if not entries:
        return "No claim was given."
    parts = [_number(text, many[group]) for group, text in SENTENCES.items() if many[group]]
    agree, disagree = many["agrees below paper scale"], many["disagrees below paper scale"]
    if agree or disagree:
        words = [f"{agree} agree{'s' * (agree == 1)}"] * bool(agree)
        words += [f"{disagree} disagree{'s' * (disagree == 1)}"] * bool(disagree)
        parts.append(f"{' and '.join(words)} in smaller experiments")
    if counted:
        parts.append(_of_counted(counted))
    if left := sum(many[group] for group in OPEN):
        parts.append(_number("{n} stay{s} open", left))
    n, untold = len(entries), many["not judged here"]
    tested = n - many["not run"] - untold
    has = "has" if tested == 1 else "have"
    head = f"Of {n} measurable statement{'s' * (n != 1)}, {tested or 'none'} {has} been tested"
    out = f"{head}: {'; '.join(parts)}." if parts else f"{head}."
    return out + f" {untold} more cannot be judged without a suitable GPU or paper scale." * bool(untold)


def _of_counted(words: Sequence[Word]) -> str:
    """Return how many of the statements that need only counting contain an error, and how many cannot be decided."""
    many, wrong = len(words), sum(word in ("true in part", "false as printed") for word in words)
    unknown = words.count("inconclusive")
    if many == 1:
        what = "contains an error" if wrong else "cannot be decided" if unknown else "contains no error"
        return f"the one that needs only counting {what}"
    out = f"{wrong or 'none'} of the {many} that need only counting contain{'s' * (wrong < 2)} an error"
    return out + f", {unknown} cannot be decided" * bool(unknown)


def _number(text: str, n: int) -> str:
    return text.format(n=n, s="s" * (n == 1), es="es" * (n == 1))


def _groups(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return (title, rows) of each group that has any, in the order of the verdict table."""
    of_group: dict[Group, list[Entry]] = {group: [] for group in TITLES}
    for entry in entries:
        of_group[entry.group].append(entry)
    return [(TITLES[group], rows) for group, rows in of_group.items() if rows]


def _place(section: str) -> tuple[int, ...]:
    """Return where a section stands in the paper: `3.1` after `3`, the abstract first."""
    found = re.search(r"\d+(\.\d+)*", section)
    return tuple(map(int, found.group().split("."))) if found else (0,)


def _entry(exhibit: Exhibit, titles: Mapping[str, str], reference: AtScale | None) -> Entry:
    file, claim = exhibit.file, exhibit.file.claim
    lines = [_of_reference(reference, file)] if reference else []
    if exhibit.measured or exhibit.judgement.run_ids or reference is None:
        lines.insert(0 if exhibit.speaks or not lines else 1, _line(exhibit))
    word = exhibit.judgement.verdict.word if exhibit.speaks else reference.word if reference else "not run"
    if exhibit.judgement.verdict.word == "error":
        word = "error"
    drawn, label = _drawn(exhibit, reference)
    notes = [("its authors’ notes", claim.paper.notes.value)] if claim.paper.notes else []
    others = [("others", text)] if (text := records.short(claim)) else []
    return Entry(
        file.id,
        claim.paper.section,
        titles.get(file.id, claim.paper.says),
        claim.paper.says,
        (("the paper", claim.rule.stated()), *notes, *others),
        GROUPS[word],
        (exhibit.judgement.verdict.grade if exhibit.speaks else reference.grade if reference else None) or "",
        tuple(lines),
        forest.drawing(drawn, label) if drawn else "",
        drawn is not None,
        "" if drawn or GROUPS[word] == "not run" else _undrawn(exhibit),
        "" if exhibit.speaks or reference else command(file, next_scale(exhibit)),
    )


def _drawn(exhibit: Exhibit, reference: AtScale | None) -> tuple[forest.Shares | None, str]:
    """Return the effect as shares of the paper's, with its words: of the page's runs, or else of the reference runs."""
    claim = exhibit.judgement.claim if exhibit.speaks else exhibit.file.at(reference.scale) if reference else None
    if claim is None:
        return None, ""
    rule = claim.rule
    least = None if rule.smallest is None else rule.unit.drawn_by * rule.smallest
    effect = row(exhibit.judgement) if exhibit.speaks else None
    words = exhibit.judgement.estimate_words
    if not exhibit.speaks and reference:
        own = next((part.effect for part in reference.comparisons if part.found == reference.found), None)
        by, words = rule.unit.drawn_by, reference.found
        if own is not None:
            low = rule.unit.lowest if own.low is None else by * own.low
            high = float("inf") if own.high is None else by * own.high
            effect = Row(None if own.estimate is None else by * own.estimate, low, high, {})
    if effect is None:
        return None, ""
    return forest.shares(rule.axis(claim, True), effect, least), f"{words}; the paper: {rule.stated()}"


def _undrawn(exhibit: Exhibit) -> str:
    """Return why there is no share of a number of the paper."""
    asks = exhibit.judgement.claim.rule.asks
    if asks == "no effect":
        return "the paper says: no effect"
    if asks == "number":
        return "a single value or a curve: no ratio or difference to draw"
    if exhibit.file.claim.rule.number is None:
        return "no single number to compare with"
    if fewer := of_fewer(exhibit.file, exhibit.scale):
        return f"the paper averages {fewer[0]} nets, these runs {fewer[1]}"
    return "the paper’s number is for paper scale"


def _line(exhibit: Exhibit) -> Line:
    """Return the verdict of the page's runs in a row."""
    judgement, verdict = exhibit.judgement, exhibit.judgement.verdict
    headline: str = verdict.word
    finding = f"{capital(verdict.why)}."
    if exhibit.complete:
        headline = verdict.word if exhibit.speaks else "the machinery works here"
        finding = judgement.estimate_words if exhibit.speaks else ""
    told = [exhibit.shelf] if exhibit.shelf == "yours" else []
    told += [f"{exhibit.scale} scale"] if exhibit.complete else []
    told += [f"grade {verdict.grade}"] if verdict.grade else []
    told += [f"n = {judgement.seeds}", *_fewer(exhibit.file, exhibit.scale)] if exhibit.speaks else []
    told += [after] if exhibit.complete and (after := prose.set_after(judgement)) else []
    return Line(MARKS[verdict.word], headline, finding, tuple(told), exhibit.speaks)


def _of_reference(verdict: AtScale, file: ClaimFile) -> Line:
    """Return the verdict of the reference runs in a row."""
    told = ["reference", f"{verdict.scale} scale", *([f"grade {verdict.grade}"] if verdict.grade else [])]
    told += [f"n = {verdict.n}", *_fewer(file, verdict.scale), *([verdict.set_after] if verdict.set_after else [])]
    return Line(MARKS[verdict.word], verdict.word, verdict.found, tuple(told), speaks=True)


def _fewer(file: ClaimFile, scale: str) -> list[str]:
    """Return how many nets are averaged, where the paper averages another number."""
    return [f"{fewer[1]} nets averaged"] if (fewer := of_fewer(file, scale)) else []


def _counted(file: ExactFile, titles: Mapping[str, str]) -> Entry:
    """Return the row of an exact claim, a dot for each fact."""
    verdict, counts = judge_facts(file), facts.numbers(file)
    line = Line(MARKS[verdict.word], verdict.word, facts.in_words(file), (), speaks=True)
    context = (("the paper", f"{(n := sum(counts.values()))} fact{'s' * (n != 1)}"),)
    kinds = [(kind, counts.get(word, 0)) for word, kind in facts.KINDS.items()]
    says = file.claim.paper.says
    return Entry(
        file.id, file.claim.paper.section, titles.get(file.id, says), says, context, "facts", verdict.grade or "",
        (line,), forest.dots(kinds, line.finding), False, "", "",
    )  # fmt: skip


def _ids(exhibit: Exhibit) -> set[str]:
    """Return the ids of the runs behind a claim, without evaluations."""
    ids = {run for judgement in (exhibit.judgement, *exhibit.alternatives) for run in judgement.run_ids}
    return {run for run in ids if not exhibit.table[run].is_evaluation}


def _shared(exhibits: dict[str, Exhibit]) -> str:
    """Return which verdicts rest on some of the same runs, in a sentence; empty where none do."""
    ids = {id: _ids(exhibit) for id, exhibit in sorted(exhibits.items()) if exhibit.complete}
    pairs = [f"{a} with {b} ({len(ids[a] & ids[b])})" for a in ids for b in ids if a < b and ids[a] & ids[b]]
    return f"Verdicts that share runs are not independent: {listed(pairs)}." if pairs else ""
