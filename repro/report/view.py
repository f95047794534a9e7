"""Which judgement a page shows, and the verdict at its head."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from repro.analysis.coverage import command
from repro.draw.charts import Axis, Row
from repro.questions import words as phrases
from repro.questions.cases import Word
from repro.questions.judge import SCALES, Judgement, complete, judge, judgements
from repro.questions.trial import Trials
from repro.report import prose
from repro.spec.files import ClaimFile
from repro.spec.rules import AnyRule, effect_of
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


@dataclass(frozen=True)
class Shown:
    """One claim on one shelf: every scale judged, and the judgement that is shown."""

    shelf: str
    file: ClaimFile
    table: Table
    judgement: Judgement
    alternatives: tuple[Judgement, ...]  # those of the shown scale, in the claim's order
    scales: dict[str, Judgement]  # the base at every scale of the claim, from the highest

    @property
    def scale(self) -> str:
        """The scale that is shown."""
        return self.judgement.scale

    @property
    def complete(self) -> bool:
        """Whether the shown scale is judged."""
        return complete(self.judgement)

    @property
    def measured(self) -> bool:
        """Whether there is evidence to show: a verdict, or what failed."""
        return self.complete or self.judgement.verdict.word == "error"

    @property
    def speaks(self) -> bool:
        """Whether it says something of the sentence: complete, and more than the machinery."""
        return self.complete and self.scale != "smoke"


def show(file: ClaimFile, shelf: str, runs: Table | Trials) -> Shown:
    """The highest complete scale; else the highest that failed; else the easiest that would say something."""
    trials = Trials.over(runs)
    scales = {judgement.scale: judgement for judgement in judgements(file, trials)}
    chosen = next((j for j in scales.values() if complete(j)), None)
    if chosen is None:
        chosen = next((j for j in scales.values() if j.verdict.word == "error"), None)
    if chosen is None:
        chosen = scales[telling(file, scales)]
    names = file.alternatives_at(chosen.scale) if complete(chosen) else []
    others = tuple(judge(file, chosen.scale, trials, name) for name in names)
    return Shown(shelf, file, trials.table, chosen, others, scales)


def shelves(file: ClaimFile, tables: Mapping[str, Table | Trials]) -> list[Shown]:
    """The claim on every shelf in the order given; one without anything is left out where another has a verdict."""
    found = [show(file, shelf, table) for shelf, table in tables.items()]
    started = [s for s in found if s.measured or s.judgement.run_ids]
    return started or found[-1:]


def telling(file: ClaimFile, scales: Collection[str]) -> str:
    """The easiest of the scales that would say something of the sentence: of an error itself paper scale alone."""
    rule = file.claim.rule
    number = rule.kind != "trace" and effect_of(rule) == "value" and "paper" in scales
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
    facts: tuple[str, ...]
    quiet: bool  # it says nothing of the sentence
    command: str  # what is still to be done, or nothing


def box(shown: Shown, others: list[Shown]) -> Box:
    """The verdict of one shelf; a smoke run points at the others."""
    verdict, claim = shown.judgement.verdict, shown.judgement.claim
    headline: str = verdict.word
    sentence, why = verdict.sentence, verdict.why
    if verdict.word == "not run" and not prose.seeds(shown.judgement):
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
        why += _only(claim.rule)
    facts = [f"grade {verdict.grade}"] if verdict.grade else []
    facts.append(f"{shown.scale} scale")
    if shown.complete and (n := prose.seeds(shown.judgement)):
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
        tuple(facts),
        smoke,
        to_do,
    )


def _only(rule: AnyRule) -> str:
    """Where a word on the sentence can be said at all, if that is not everywhere."""
    if rule.kind == "rate":
        return f". Only {rule.on} at paper scale can decide it; elsewhere the speed found is the device’s at hand"
    return ". Only paper scale can speak of this number" if rule.kind != "trace" and effect_of(rule) == "value" else ""


def next_scale(shown: Shown) -> str:
    """What failed, or else the easiest scale that would say something of the sentence."""
    if shown.judgement.verdict.word == "error":
        return shown.scale
    return telling(shown.file, shown.scales)


def axis(shown: Shown, of_one: bool = True) -> Axis:
    """How this claim's effect is drawn; `of_one`: between the same arms in every row, which the title then names."""
    rule = shown.judgement.claim.rule
    if rule.kind == "trace":
        low, high = (100 * bound for bound in rule.offset_within)
        title = "mean offset, ours less the author’s, percentage points"
        band = f"the band, {prose.signed(low)} to {prose.signed(high)}"
        return Axis("linear", title, 0.0, "", 0.0, "no offset", (low, high), band)
    kind = effect_of(rule)
    stated = "" if rule.paper is None else f"the paper: {prose.sized(rule.paper, kind)}"
    band, endless = f"the band, {prose.band(rule)}", rule.endless
    if rule.kind == "ratio":
        unit = prose.unit(shown.judgement.claim)
        title = f"{' / '.join(f'{unit} of {arm}' for arm in rule.of) if of_one else f'ratio of {unit}'}, log scale"
        return Axis("log", title, 1.0, "no effect", rule.paper, stated, rule.band, band, endless)
    if rule.kind == "rate":
        band_of = rule.band
        return Axis("log", "images/s, log scale", None, "", rule.paper, stated, band_of, band)
    low, high = (100 * bound for bound in rule.band)
    paper = None if rule.paper is None else 100 * rule.paper
    metric = phrases.NAMES[shown.judgement.claim.measure.metric]
    if kind == "value":
        return Axis("linear", f"{metric}, percent", None, "", paper, stated, (low, high), band)
    if rule.kind == "count":
        title = f"runs with a {metric} of at most {rule.at_most:g}, percent"
        return Axis("linear", title, 100 * rule.at_most, "by chance", paper, stated, (low, high), band)
    arms = f", {' less '.join(rule.of)}" if len(rule.of) > 1 and of_one else ", difference" * (not of_one)
    title = f"{metric}{arms}{_fewer(rule)}, percentage points"
    return Axis("linear", title, 0.0, "no effect", paper, stated, (low, high), band, endless)


def _fewer(rule: AnyRule) -> str:
    return f", how much lower for {rule.size} nets averaged" if rule.kind == "ensemble" else ""


def row(judgement: Judgement, label: str = "") -> Row | None:
    """The effect as it is drawn; None where there is none."""
    value = prose.ours(judgement) if label else ""
    if (effect := judgement.effect) is not None:
        by = 1 if effect.kind in ("ratio", "rate") else 100  # points, or percent
        estimate = None if effect.estimate is None else by * effect.estimate
        seeds = {seed: by * value for seed, value in effect.per_seed.items()}
        return Row(estimate, by * effect.low, by * effect.high, seeds, label, value)
    if (found := judgement.trace) is not None:
        offsets = {seed: 100 * offset for seed, offset in found.offsets.items()}
        return Row(100 * found.offset, 100 * found.low, 100 * found.high, offsets, label, value)
    return None


def interval_words(shown: Shown) -> str:
    """The finding of the interval's drawing, for those who do not see it."""
    judgement = shown.judgement
    rule, found = judgement.claim.rule, prose.ours(judgement)
    if rule.kind != "trace":
        inside = judgement.evidence is not None and judgement.evidence.inside
        where = "inside" if inside else "not inside"
        says = "" if rule.paper is None else f"; the paper says {prose.sized(rule.paper, effect_of(rule))}"
        return f"{rule.kind.capitalize()} {found}, {where} the band {prose.band(rule)}{says}."
    band = " to ".join(prose.points(bound) for bound in rule.offset_within)
    return f"{found[0].upper()}{found[1:]}; the band of the offset is {band} points."
