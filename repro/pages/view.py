"""Which judgement a page shows, and the verdict at its head."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from repro.claim.files import ClaimFile
from repro.pages import prose
from repro.pages.belief import belief
from repro.questions.cases import Word
from repro.questions.coverage import command
from repro.questions.exhibit import Exhibit
from repro.questions.judge import SCALES, complete, judge, judgements
from repro.questions.trial import Trials
from repro.store import Table

# A sign for every word, so that colour says nothing alone: the name of a symbol in templates/marks.svg.
MARKS: dict[Word, str] = {
    "reproduced": "check",
    "true as printed": "check",
    "direction only": "half",
    "true in part": "half",
    "agrees at medium scale": "arrow",
    "agrees at small scale": "arrow",
    "differs": "unequal",
    "not told apart": "equal",
    "inconclusive": "question",
    "open at medium scale": "question",
    "open at small scale": "question",
    "not tested": "question",
    "refuted": "cross",
    "disagrees at medium scale": "back",
    "disagrees at small scale": "back",
    "false as printed": "cross",
    "not comparable": "dash",
    "not run": "empty",
    "error": "bang",
}
TITLES = {"yours": "Your runs", "reference": "Reference runs"}


def show(file: ClaimFile, shelf: str, runs: Table | Trials) -> Exhibit:
    """The highest complete scale; else the highest that failed; else the easiest that would say something."""
    trials = Trials.from_runs(runs)
    scales = {judgement.scale: judgement for judgement in judgements(file, trials)}
    chosen = next((j for j in scales.values() if complete(j)), None)
    if chosen is None:
        chosen = next((j for j in scales.values() if j.verdict.word == "error"), None)
    if chosen is None:
        chosen = scales[telling(file, scales)]
    names = file.alternatives_at(chosen.scale) if complete(chosen) else []
    others = tuple(judge(file, chosen.scale, trials, name) for name in names)
    return Exhibit(shelf, file, trials.table, chosen, others, scales)


def shelves(file: ClaimFile, tables: Mapping[str, Table | Trials]) -> list[Exhibit]:
    """The claim on every shelf in the order given; one without anything is left out where another has a verdict."""
    found = [show(file, shelf, table) for shelf, table in tables.items()]
    started = [s for s in found if s.measured or s.judgement.run_ids]
    return started or found[-1:]


def telling(file: ClaimFile, scales: Collection[str]) -> str:
    """The easiest of the scales that would say something of the sentence: of an error itself paper scale alone."""
    number = file.claim.rule.paper_alone and "paper" in scales
    easier = [scale for scale in SCALES[::-1] if scale in scales and scale != "smoke"]
    return "paper" if number else next(iter(easier), "smoke")


@dataclass(frozen=True)
class Box:
    """A verdict at the head of a page."""

    shelf: str
    title: str
    word: Word
    mark: str
    headline: str
    sentence: str
    why: str
    belief: str  # what a reader may now believe; empty where nothing was judged
    facts: tuple[str, ...]
    quiet: bool  # it says nothing of the sentence
    command: str  # what is still to be done, or nothing


def box(shown: Exhibit, others: list[Exhibit]) -> Box:
    """The verdict of one shelf; a smoke run points at the others."""
    verdict, claim = shown.judgement.verdict, shown.judgement.claim
    headline: str = verdict.word
    sentence, why = verdict.sentence, verdict.why
    if verdict.word == "not run" and not shown.judgement.seeds:
        sentence = ""  # the headline says it
    smoke = shown.complete and not shown.speaks
    if smoke:
        headline = "The machinery works here"
        sentence = "Every step ran, from data to verdict, on a few embedded digits. They cannot speak of the sentence."
        spoken = [other for other in others if other.speaks]
        why = "No shelf has a verdict yet"
        if spoken:
            why = f"The {spoken[0].shelf} verdict is: {spoken[0].judgement.verdict.word}"
    elif not shown.measured:
        why += claim.rule.only()
    facts = [f"grade {verdict.grade}"] if verdict.grade else []
    facts.append(f"{shown.scale} scale")
    if shown.complete and (n := shown.judgement.seeds):
        facts += [f"{n} {'judging seeds' if shown.judgement.device is None else 'replicates'}"]
        facts += [after] if (after := prose.set_after(shown.judgement)) else []
        facts += [shown.judgement.device] if shown.judgement.device else [prose.data(claim).split(",")[0]]
    to_do = "" if shown.speaks else command(shown.file, next_scale(shown))
    return Box(
        shown.shelf,
        TITLES.get(shown.shelf, shown.shelf),
        verdict.word,
        MARKS[verdict.word],
        headline[0].upper() + headline[1:],
        sentence,
        why[0].upper() + why[1:] if why[1:2].isalpha() else why,
        belief(shown.judgement) if shown.speaks else "",
        tuple(facts),
        smoke,
        to_do,
    )


def next_scale(shown: Exhibit) -> str:
    """What failed, or else the easiest scale that would say something of the sentence."""
    if shown.judgement.verdict.word == "error":
        return shown.scale
    return telling(shown.file, shown.scales)
