"""Numbers, names and rules in words, as the pages print them. Nothing is measured or judged here."""

from __future__ import annotations

from dataclasses import dataclass

from repro.analysis import phrases
from repro.analysis.judge import Judgement
from repro.analysis.measures import Observation, per_epoch
from repro.analysis.phrases import between, times
from repro.analysis.tuning import NEAR
from repro.data.known import KNOWN, how_to_get
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
# The index's legend, in README's words; pages give each claim's own conditions.
WORDS = {
    "reproduced": "the whole interval lies in the paper's direction and in the claim's band; a curve is not told apart",
    "direction only": "wholly in the paper's direction, but not in the band, or a run never reached the level",
    "differs": "wholly in the paper's direction, and wholly outside the band; a printed curve is told apart from ours",
    "contradicted": "the whole interval lies on the other side of “no effect”",
    "inconclusive": "the interval covers “no effect”, or the data cannot show what is said; the page says what would",
    "same direction": "below paper scale, where no number can be tested: wholly in the paper's direction",
    "no difference seen": "below paper scale: covers “no effect”; of a sentence of no effect, in what counts as none",
    "opposite direction": "below paper scale: wholly on the other side; of a sentence of no effect, outside of none",
    "not comparable": "this scale cannot speak of the sentence",
    "true as printed": "a fact that needs no training: counted, and as the paper has it",
    "false as printed": "a fact that needs no training: counted, and not as the paper has it",
    "not run": "runs are missing; the page says which command makes them",
    "error": "could not measure, which is not measured and failed",
}


CITED = (
    "source.md, here and below: the facts on the authors' released source and lab notes, by section. #145 and the like "
    "are nets of these notes, #145 the paper's own."
)


@dataclass(frozen=True)
class Condition:
    """One word of the rule, when it is said, and whether it was said here."""

    word: str
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
    (low, high), kind = rule.within, effect_of(rule)
    if kind == "rate":
        return f"{phrases.images(low)} to {sized(high, kind)}"
    if kind in ("value", "count"):
        return f"{sized(low, 'value')} to {sized(high, kind)}"
    size = [sized(bound, kind).removesuffix(" points") for bound in (low, high)]
    points = " points" * (kind == "difference")
    return f"{size[0]}{points} and more" if rule.endless else f"{size[0]} to {size[1]}{points}"


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
    """The claim's rule, word by word, with its numbers; the word that was said is marked."""
    rule = judgement.claim.rule
    if rule.kind == "trace":
        low, high = (points(bound) for bound in rule.offset_within)
        lines = [
            ("reproduced", f"p is above {rule.p_above:g} and the mean offset lies within {low} to {high} points"),
            ("differs", f"p is {rule.p_above:g} or less: the author's curve can be told apart from ours"),
            ("inconclusive", f"p is above {rule.p_above:g}, but the mean offset lies outside {low} to {high} points"),
        ]
    elif rule.kind == "value" or effect_of(rule) == "value":
        inside = band(rule)
        lines = [
            ("reproduced", f"at paper scale: the whole interval lies inside the band, {inside}"),
            ("differs", f"at paper scale: the whole interval lies outside {inside}"),
            ("inconclusive", f"at paper scale: the interval crosses an end of it, or {unformed(judgement.claim)}"),
            ("not comparable", "below paper scale: other photos and classes cannot speak of this error"),
        ]
    elif rule.kind == "rate":
        lines = throughput.conditions(rule, band(rule))
    elif rule.direction == "none":
        inside, at_paper = band(rule), judgement.scale == "paper"
        lines = [
            ("reproduced" if at_paper else "no difference seen", f"the whole interval lies inside the band, {inside}"),
            (
                "differs" if at_paper else "opposite direction",
                f"the whole interval lies above {inside}, or below it: an effect where the paper says there is none",
            ),
            ("inconclusive", f"the interval crosses an end of {inside}, or {unformed(judgement.claim)}"),
        ]
    elif judgement.scale == "paper":
        inside, timed = band(rule), rule.kind == "ratio"
        rates = f"; so does the ratio over all rates within {100 * NEAR - 100:.0f} % of the best"
        lines = [
            (
                "reproduced",
                f"the interval excludes no effect and lies inside the band, {inside}"
                f"{rates if tuned(judgement.claim) else ''}{'; every judged run reached the level' * timed}",
            ),
            (
                "direction only",
                "the paper's direction, but not inside the band" + ", or a run never reached the level" * timed,
            ),
            ("differs", f"the paper's direction, but wholly outside {inside}"),
            ("contradicted", "the interval excludes no effect the other way"),
            ("inconclusive", f"the interval covers no effect, or {unformed(judgement.claim)}"),
        ]
    else:
        toward, none = rule.direction.split()
        if rule.kind == "count":
            none = f"{sized(rule.at_most, 'count')}, what chance gives"
        away = "below" if toward == "above" else "above"
        lines = [
            ("same direction", f"the whole interval lies {toward} {none}, as the paper says"),
            ("no difference seen", f"the interval covers {none}"),
            ("opposite direction", f"the whole interval lies {away} {none}"),
            ("inconclusive", unformed(judgement.claim)),
        ]
    if judgement.scale == "smoke" and effect_of(rule) not in ("value", "rate"):
        lines.insert(0, ("not comparable", "smoke scale, whatever is found: it proves the machinery and nothing else"))
    return [Condition(word, when, word == judgement.verdict.word) for word, when in lines]


def unformed(claim: Claim) -> str:
    """When no effect can be formed, or none that is to be trusted."""
    if claim.measure.kind == "throughput":
        return "there is only one replicate"
    if claim.rule.kind != "ratio":
        return "a run diverged or learned nothing"
    bounded = "neither side of the ratio is bounded"
    return f"a fastest rate could not be settled, or {bounded}" if tuned(claim) else bounded
