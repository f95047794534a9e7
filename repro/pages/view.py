"""Which judgement a page shows, and the verdict at its head."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from repro.claim.files import ClaimFile
from repro.pages import prose
from repro.pages.belief import belief
from repro.pages.results import AtScale
from repro.questions.base import Claim
from repro.questions.cases import Word
from repro.questions.coverage import command
from repro.questions.exhibit import Exhibit
from repro.questions.judge import SCALES, complete, judge, judgements
from repro.questions.mixture import behind, mixture
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
    page: str = ""  # of the reference runs next to runs of the user's own: their page in the project
    href: str = ""  # that page, where it is there
    mixed: str = ""  # what differs between the runs behind the verdict: numerics, devices, changed sources


def box(shown: Exhibit, reference: AtScale | None) -> Box:
    """The verdict of one shelf; a smoke run points at that of the reference runs, where they have one."""
    verdict, claim = shown.judgement.verdict, shown.judgement.claim
    headline: str = verdict.word
    sentence, why = verdict.sentence, verdict.why
    if verdict.word == "not run" and not shown.judgement.seeds:
        sentence = ""  # the headline says it
    smoke = shown.complete and not shown.speaks
    if smoke:
        headline = "The machinery works here"
        sentence = "Every step ran, from data to verdict, on a few embedded digits. They cannot speak of the sentence."
        why = f"The reference verdict is: {reference.word}" if reference else "No shelf has a verdict yet"
    elif not shown.measured:
        why += claim.rule.only()
    facts = [f"grade {verdict.grade}"] if verdict.grade else []
    facts.append(f"{shown.scale} scale")
    if shown.complete and (n := shown.judgement.seeds):
        facts += _counted(n, prose.set_after(shown.judgement), shown.judgement.device, claim)
    to_do = "" if shown.speaks else command(shown.file, next_scale(shown))
    return Box(
        shown.shelf,
        TITLES.get(shown.shelf, shown.shelf),
        verdict.word,
        MARKS[verdict.word],
        _capital(headline),
        sentence,
        _capital(why),
        belief(shown.judgement) if shown.speaks else "",
        tuple(facts),
        smoke,
        to_do,
        mixed=mixture(shown.table, behind(shown.table, set(shown.judgement.run_ids))) if shown.complete else "",
    )


def reference_box(file: ClaimFile, found: AtScale, href: str) -> Box:
    """The verdict of the reference runs, from their results; `href`: their page, or empty where it is not there."""
    facts = [f"grade {found.grade}"] if found.grade else []
    facts += [f"{found.scale} scale", *_counted(found.n, found.set_after, found.device, file.at(found.scale))]
    facts += [f"{took.hours:.3g} {took.unit} of {took.device}" for took in found.hours]
    facts += [f"commit{'s' * (len(found.commits) != 1)} {', '.join(found.commits)}"] if found.commits else []
    return Box(
        "reference",
        TITLES["reference"],
        found.word,
        MARKS[found.word],
        _capital(found.word),
        found.sentence,
        _capital(found.why),
        found.belief,
        tuple(facts),
        quiet=False,
        command="",
        page=f"reports/reference/{file.id}.html",
        href=href,
    )


def _counted(n: int, set_after: str, device: str | None, claim: Claim) -> list[str]:
    """How many seeds a verdict rests on, whether its rule was set after them, and on which device or data."""
    seeds = f"{n} {'judging seeds' if device is None else 'replicates'}"
    return [seeds, *([set_after] if set_after else []), device or prose.data(claim).split(",")[0]]


def _capital(text: str) -> str:
    """Text with its first letter large, where that is no variable's name of one letter."""
    return text[0].upper() + text[1:] if text[1:2].isalpha() else text


def next_scale(shown: Exhibit) -> str:
    """What failed, or else the easiest scale that would say something of the sentence."""
    if shown.judgement.verdict.word == "error":
        return shown.scale
    return telling(shown.file, shown.scales)
