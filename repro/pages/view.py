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
from repro.questions.units import capital
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
    """Return the highest complete scale; else the highest that failed; else the easiest that would say something."""
    trials = Trials.from_runs(runs)
    scales = {judgement.scale: judgement for judgement in judgements(file, trials)}
    chosen = next((j for j in scales.values() if complete(j)), None)
    if chosen is None:
        chosen = next((j for j in scales.values() if j.verdict.word == "error"), None)
    if chosen is None:
        chosen = scales[telling(file, scales)]
    if file.undecided(chosen.scale):  # runs of the first definition are there, and none of them is the claim's
        trials = Trials(Table())
        chosen = scales[chosen.scale] = judge(file, chosen.scale, trials)
    names = file.alternatives_at(chosen.scale) if complete(chosen) else []
    others = tuple(judge(file, chosen.scale, trials, name) for name in names)
    return Exhibit(shelf, file, trials.table, chosen, others, scales)


def telling(file: ClaimFile, scales: Collection[str]) -> str:
    """Return the easiest scale that would say something of the sentence: for a printed error paper scale alone."""
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
    depends: str = ""  # which choices change the verdict; empty where none does
    could_not: str = ""  # what these runs could not have told; empty where they could
    needs: tuple[str, ...] = ()  # the data and the time that the command takes
    mixed: str = ""  # what differs between the runs behind the verdict: numerics, devices, changed sources


def box(exhibit: Exhibit, reference: AtScale | None) -> Box:
    """Return the verdict of the page's runs; a smoke run points at that of the reference runs, where they have one."""
    verdict, claim = exhibit.judgement.verdict, exhibit.judgement.claim
    headline: str = verdict.word
    sentence, why = verdict.sentence, verdict.why
    if verdict.word == "not run" and not exhibit.judgement.seeds:
        sentence = ""  # the headline says it
    smoke = exhibit.complete and not exhibit.speaks
    if smoke:
        headline = "The machinery works here"
        sentence = (
            "Every step ran, from data to verdict, on a few embedded digits. Digits say nothing about the sentence."
        )
        why = f"The reference verdict is: {reference.word}" if reference else "No shelf has a verdict yet"
    elif not exhibit.measured:
        why += claim.rule.only()
    facts = [f"grade {verdict.grade}"] if verdict.grade else []
    facts.append(f"{exhibit.scale} scale")
    if exhibit.complete and (n := exhibit.judgement.seeds):
        facts += _counted(n, prose.set_after(exhibit.judgement), exhibit.judgement.device, claim)
    to_do = "" if exhibit.speaks else command(exhibit.file, next_scale(exhibit))
    return Box(
        exhibit.shelf,
        TITLES.get(exhibit.shelf, exhibit.shelf),
        verdict.word,
        MARKS[verdict.word],
        _capital(headline),
        sentence,
        _capital(why),
        belief(exhibit.judgement, exhibit.table) if exhibit.speaks else "",
        tuple(facts),
        smoke,
        to_do,
        mixed=mixture(exhibit.table, behind(exhibit.table, set(exhibit.judgement.run_ids))) if exhibit.speaks else "",
    )


def reference_box(file: ClaimFile, verdict: AtScale, href: str) -> Box:
    """Return the verdict of the reference runs, from their results.

    `href`: their page; empty where it is not there.
    """
    facts = [f"grade {verdict.grade}"] if verdict.grade else []
    facts += [f"{verdict.scale} scale", *_counted(verdict.n, verdict.set_after, verdict.device, file.at(verdict.scale))]
    facts += [f"{took.hours:.3g} {took.unit} of {took.device}" for took in verdict.hours]
    facts += [f"commit{'s' * (len(verdict.commits) != 1)} {', '.join(verdict.commits)}"] if verdict.commits else []
    return Box(
        "reference",
        TITLES["reference"],
        verdict.word,
        MARKS[verdict.word],
        _capital(verdict.word),
        verdict.sentence,
        _capital(verdict.why),
        verdict.belief,
        tuple(facts),
        quiet=False,
        command="",
        page=f"reports/reference/{file.id}.html",
        href=href,
        depends=verdict.depends,
        could_not=verdict.could_not,
    )


def _counted(n: int, set_after: str, device: str | None, claim: Claim) -> list[str]:
    """Return how many seeds a verdict rests on, whether its rule was set after them, and on which device or data."""
    seeds = f"{n} {'judging seeds' if device is None else 'replicates'}"
    return [seeds, *([set_after] if set_after else []), device or prose.data(claim).split(",")[0]]


def _capital(text: str) -> str:
    """Return a text with its first letter large, where that is no variable's name of one letter."""
    return capital(text) if text[1:2].isalpha() else text


def next_scale(exhibit: Exhibit) -> str:
    """Return the scale that failed, or else the easiest that would say something of the sentence."""
    if exhibit.judgement.verdict.word == "error":
        return exhibit.scale
    return telling(exhibit.file, exhibit.scales)
