"""Numbers, names and rules in words, as the pages print them. Nothing is measured or judged here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf

from repro.data.known import KNOWN, how_to_get
from repro.questions import words as phrases
from repro.questions.cases import BELOW, CURVE, EFFECT, GROUPS, NO_EFFECT, VALUE, Case, Word, cases_of, first
from repro.questions.evidence import NAMED
from repro.questions.facts import FACTS, FactCase
from repro.questions.judge import Judgement
from repro.questions.observations import Observation, per_epoch
from repro.questions.words import between, times
from repro.report import throughput
from repro.spec.claim import Claim
from repro.spec.files import AnyFile, ClaimFile
from repro.spec.looks import Read
from repro.spec.resolve import training_images
from repro.spec.rules import AnyRule, TraceRule, effect_of

SCALES = {
    "smoke": "embedded digits, seconds: proves the machinery, never a verdict",
    "small": "real images, where need be a smaller net or an easier level: hours on a CPU",
    "medium": "the faithful net on ten-class photos: minutes a run on one GPU",
    "paper": "the paper's data and schedule, and the one scale that can say “reproduced”",
}

CITED = (
    "source.md, here and below: the facts on the authors' released source and lab notes, by section. #145 and the like "
    "are nets of these notes, #145 the paper's own."
)


@dataclass(frozen=True)
class Condition:
    """One case of the rule: its word, when it is said, and whether it is the first that holds."""

    word: Word
    when: str
    here: bool


def unit(claim: Claim) -> str:
    """What the claim's times are told in: epochs or updates."""
    return per_epoch(claim)[0]


def tuned(claim: Claim) -> bool:
    """Whether its arms' rates are chosen among several."""
    return claim.tune is not None and claim.tune.chooses


def sized(value: float, kind: str) -> str:
    """An effect's size as the paper prints it: `6`, `+1.4 points` or `40.7 %`."""
    if kind in ("value", "count"):
        return f"{round(100 * value, 4):g} %" + " of runs" * (kind == "count")
    if kind == "rate":
        return phrases.shown(value, "rate")
    return f"{value:g}" if kind == "ratio" else f"{signed(round(100 * value, 4))} points"


def band(rule: AnyRule) -> str:
    """What counts as reproduced."""
    assert not isinstance(rule, TraceRule)
    (low, high), kind = rule.band, effect_of(rule)
    if kind == "rate":
        return f"{phrases.images(low)} to {sized(high, kind)}"
    if kind in ("value", "count"):
        return f"{sized(low, 'value')} to {sized(high, kind)}"
    size = [sized(bound, kind).removesuffix(" points") for bound in (low, high)]
    points = " points" * (kind == "difference")
    if isinf(high):
        return f"{size[0]}{points} and more"
    if rule.endless:
        return f"up to {size[1]}{points}"
    return f"{size[0]} to {size[1]}{points}"


def section(file: AnyFile) -> str:
    """Where the sentence stands."""
    paper = file.claim.paper
    first, _, last = paper.section.partition("-")
    parts = [f"Sections {first} to {last}" if last else f"Section {first}"]
    parts += [f"Figure {paper.figure}"] if paper.figure else []
    parts += [f"Table {paper.table}"] if paper.table else []
    return " · ".join([*parts, *([paper.source] if paper.source else [])])


def stated(rule: AnyRule) -> str:
    """The paper's number, in a few characters."""
    if rule.kind == "trace":
        return f"{len(rule.authors)} printed points"
    if rule.paper is None:
        return "no number"
    if rule.kind == "rate":
        return f"{sized(rule.paper, 'rate')}, by its days"
    if rule.kind == "ratio":
        return "no effect" if rule.paper == 1 else f"{rule.paper:g} times"
    return sized(rule.paper, effect_of(rule))


def ours(judgement: Judgement) -> str:
    """What was found, with its interval, in a few characters; empty where nothing was."""
    effect, trace = judgement.effect, judgement.trace
    if effect is not None:
        interval = between(effect.low, effect.high, effect.kind)
        if effect.estimate is None:
            return interval
        if effect.kind == "value":
            return f"{100 * effect.estimate:.2f} % ({interval})"
        if effect.kind == "count":
            return f"{round(effect.estimate * effect.n)} of {effect.n} runs ({interval} %)"
        if judgement.device is not None:
            return f"{throughput.size(effect)} ({interval}), {throughput.device(judgement.device)}"
        size = times(effect.estimate) if effect.kind == "ratio" else f"{points(effect.estimate)} points"
        return f"{size} ({interval.replace('-', '−')})"
    if trace is not None:
        return f"p = {trace.p:.2g}; offset {points(trace.offset)} points ({points(trace.low)} to {points(trace.high)})"
    return ""


def points(fraction: float) -> str:
    """A difference of fractions as signed percentage points."""
    return f"{100 * fraction:+.2f}".replace("-", "−")


def signed(value: float) -> str:
    """A number with its sign, as few digits as it has."""
    return f"{value:+g}".replace("-", "−")


def seeds(judgement: Judgement) -> int:
    """Judging seeds behind a judgement."""
    found = judgement.effect or judgement.trace
    return found.n if found else 0


def direction(judgement: Judgement) -> int:
    """Which side of no effect the interval lies on: 1 above, -1 below, 0 neither."""
    effect = judgement.effect
    if effect is None or effect.kind in ("value", "rate"):
        return 0
    return 1 if effect.low > effect.none else -1 if effect.high < effect.none else 0


def valued(claim: Claim, value: float) -> str:
    """A measure's value: a time in the claim's unit, an error in percent, a difference in points, or a p."""
    if claim.measure.kind == "final":
        return f"{100 * value:.2f} %"
    if isinstance(claim.measure, Read):
        return f"{value:.2g}" if claim.measure.kind == "kernels" else points(value)
    name, each = per_epoch(claim)
    if name == "images/s":
        return phrases.images(value)
    return f"{value * each:.0f}" if name == "updates" else f"{value:.2f}"


def observed(claim: Claim, observation: Observation) -> str:
    """The measure of a run, or what became of it."""
    if observation.value is not None:
        return valued(claim, observation.value)
    if observation.status == "diverged":
        return f"diverged in epoch {observation.horizon:g}"
    if observation.status == "not started" and (claim.measure.kind == "final" or isinstance(claim.measure, Read)):
        return "learned nothing"
    if observation.censored:
        ended = ", not started" if observation.status == "not started" else ""
        return f"> {observation.horizon * per_epoch(claim)[1]:g}{ended}"
    return {"missing": "not run", "failed": "failed"}[observation.status]


SCALED = {"raw": "0-255 less the mean image", "standardised": "standardised pixels"}


def listed(values: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}" if values else ""


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, to two or three digits."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def data(claim: Claim) -> str:
    """Which images, how many, and at which scale of input."""
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
    """The data sets that a claim takes at a scale, each with how to come by it; none for what is embedded."""
    claim = file.at(scale)
    earlier = [(over.get("start") or {}).get("run", {}).get("data.kind") for over in claim.arms.values()]
    kinds = dict.fromkeys([claim.data.kind, *filter(None, earlier)])
    return [f"{KNOWN[kind].title}: {how_to_get(kind)}" for kind in kinds if kind != "digits"]


def conditions(judgement: Judgement) -> list[Condition]:
    """Return the claim's cases in their order, with its numbers; the first that holds is marked."""
    evidence = judgement.evidence
    assert evidence is not None
    if judgement.parts != (judgement,):  # of several comparisons the page shows the one that decides
        evidence = next(part.evidence for part in judgement.parts if part.beside == judgement.beside) or evidence
    cases = cases_of(judgement.claim, judgement.scale)
    here = first(cases, evidence)[0]
    return [Condition(case.word, case.when.format(**evidence.named), case is here) for case in cases]


def set_after(judgement: Judgement) -> str:
    """Return that the rule was set after its runs, with the word before; empty where it was not."""
    change = judgement.claim.set_after(judgement.scale)
    if change is None or judgement.scale == "smoke":
        return ""
    before = change.runs[judgement.scale].word  # type: ignore[index]
    return f"set after its runs ({change.date}; before: {before})"


def legend() -> list[tuple[Word, str]]:
    """Return every word with its cases' sentences, as they stand in the table that decides; in the order of groups."""
    sentences: dict[Word, dict[str, None]] = {word: {} for word in GROUPS}
    below = (cases for scale in BELOW.values() for cases in scale.values())
    tables: tuple[Sequence[Case | FactCase], ...] = (EFFECT, NO_EFFECT, VALUE, CURVE, *below, FACTS)
    for cases in tables:
        for case in cases:
            sentences[case.word][case.when.format(**NAMED)] = None
    return [(word, "; ".join(whens)) for word, whens in sentences.items() if whens]
