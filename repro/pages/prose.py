"""Numbers, names and rules in words, as the pages print them. Nothing is measured or judged here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro.claim.files import AnyFile, ClaimFile
from repro.claim.paper import Paper
from repro.claim.resolve import training_images
from repro.contents import CASES
from repro.data.known import KNOWN, how_to_get
from repro.questions.base import Claim
from repro.questions.cases import GROUPS, Word, first
from repro.questions.evidence import NAMED
from repro.questions.judge import Judgement
from repro.questions.units import listed

SCALES = {
    "smoke": "embedded digits, seconds; tests the machinery and never gives a verdict",
    "small": "real images, if necessary with a smaller net or an easier level; hours on a CPU",
    "medium": "the full-size net on photos of ten classes; minutes per run on one GPU",
    "paper": "the paper's data and schedule; the only scale that can give the verdict “reproduced”",
}

CITED = (
    "Cited here and below, by section: source.md, on the authors' released source and lab notes. #145 and the like "
    "are nets of these notes, #145 the paper's own."
)


@dataclass(frozen=True)
class Condition:
    """One case of the rule: its word, its condition in words, and whether it is the first that holds."""

    word: Word
    when: str
    here: bool


def tuned(claim: Claim) -> bool:
    """Return whether its arms' rates are chosen among several."""
    return claim.tune is not None and claim.tune.chooses


def on_trial(papers: Sequence[Paper]) -> str:
    """Return what is on trial, as a title says it after `The` or `the`: `AlexNet and VGG papers on trial`."""
    return f"{listed([paper.name for paper in papers])} paper{'s' * (len(papers) > 1)} on trial"


def section(file: AnyFile) -> str:
    """Return where the sentence stands."""
    paper = file.claim.paper
    first, _, last = paper.section.partition("-")
    parts = [f"Sections {first} to {last}" if last else f"Section {first}"]
    parts += [f"Figure {paper.figure}"] if paper.figure else []
    parts += [f"Table {paper.table}"] if paper.table else []
    return " · ".join([*parts, *([paper.source] if paper.source else [])])


def direction(judgement: Judgement) -> int:
    """Return which side of no effect the interval lies on: 1 above, -1 below, 0 neither."""
    effect = judgement.effect
    if effect is None or judgement.claim.rule.alone:
        return 0
    return 1 if effect.low > effect.none else -1 if effect.high < effect.none else 0


SCALED = {"raw": "0-255 minus the mean image", "standardised": "standardised pixels"}


def duration(seconds: float) -> str:
    """Return seconds, minutes or hours, to two or three digits."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def data(claim: Claim) -> str:
    """Return which images, how many, and at which scale of input."""
    known = KNOWN[claim.data.kind]
    how_many = f"{training_images(claim.data):,} training images"
    if claim.data.classes:
        how_many += f" of {len(claim.data.classes)} of its classes"
    if claim.train.fold_in:
        how_many += f" and {claim.data.held_out:,} more after epoch {claim.train.fold_in}"
    if claim.data.crop:
        how_many += f", crops of {claim.data.crop} px from images of {claim.data.stored} px"
    scaled = SCALED[claim.data.scale]
    if claim.data.factor != 1:
        scaled += f", times {claim.data.factor:g}"
    return f"{known.title}, {how_many}, {scaled}"


def sets(file: ClaimFile, scale: str) -> list[str]:
    """Return the data sets that a claim takes at a scale, each with how to come by it; none for what is embedded."""
    claim = file.at(scale)
    earlier = [(arm.overrides.get("start") or {}).get("run", {}).get("data.kind") for arm in claim.arms.values()]
    kinds = dict.fromkeys([claim.data.kind, *filter(None, earlier)])
    return [f"{KNOWN[kind].title}: {how_to_get(kind)}" for kind in kinds if kind != "digits"]


def conditions(judgement: Judgement) -> list[Condition]:
    """Return the claim's cases in their order, with its numbers; the first that holds is marked."""
    evidence = judgement.evidence
    if judgement.comparisons:  # of several comparisons the page shows the one that decides
        evidence = next(part.evidence for part in judgement.comparisons if part.comparison == judgement.comparison)
    cases = judgement.claim.rule.cases(judgement.scale)
    here = first(cases, evidence)[0]
    return [Condition(case.word, case.when.format(**evidence.named), case is here) for case in cases]


def set_after(judgement: Judgement) -> str:
    """Return that the rule was set after its runs, with the word before; empty where it was not."""
    change = judgement.claim.set_after(judgement.scale)
    if change is None or judgement.scale == "smoke":
        return ""
    before = change.runs[judgement.scale].word  # type: ignore[index]
    return f"rule set after its runs ({change.date}; verdict before: {before})"


def legend() -> list[tuple[Word, str]]:
    """Return every word with its cases' sentences, as they stand in the table that decides; in the order of groups."""
    sentences: dict[Word, dict[str, None]] = {word: {} for word in GROUPS}
    for cases in CASES:
        for case in cases:
            sentences[case.word][case.when.format(**NAMED)] = None
    return [(word, "; ".join(whens)) for word, whens in sentences.items() if whens]


def activation(kind: str) -> str:
    """Return the name of a non-linearity; all but one are written as they are spelled."""
    return "ReLU" if kind == "relu" else kind
