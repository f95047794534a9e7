"""Verdicts, grades and sentences: what the first case that holds says of the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

from repro.questions.cases import JUDGING_SEEDS, Case, Word, cases_of, first
from repro.questions.evidence import Evidence, size
from repro.questions.statistics import Effect, deviation, seeds_needed
from repro.questions.words import between, goal, points, shown, times
from repro.spec.claim import Claim
from repro.spec.rules import TraceRule, effect_of


@dataclass(frozen=True)
class Verdict:
    """`word`: that of the first case that holds; `grade` A to D, or None where nothing is judged; `sentence`: the
    finding with its numbers; `why`: what decided the word, or what is missing."""

    word: Word
    grade: str | None
    sentence: str
    why: str


def grade(scale: str, seeds: int) -> str | None:
    """Return how much the evidence weighs: A paper scale with five judging seeds, B paper scale, C medium, D small."""
    if scale == "paper":
        return "A" if seeds >= JUDGING_SEEDS else "B"
    return {"medium": "C", "small": "D"}.get(scale)


UNJUDGED: tuple[Word, ...] = ("error", "not run", "not comparable")


def verdict(evidence: Evidence) -> Verdict:
    """Return the verdict on a claim: the first of its cases that holds."""
    case, why = first(cases_of(evidence.claim, evidence.scale), evidence)
    weight = None if case.word in UNJUDGED else grade(evidence.scale, evidence.n)
    return Verdict(case.word, weight, _sentence(case, evidence), why)


def _sentence(case: Case, e: Evidence) -> str:
    """Return the finding with its numbers."""
    if case.word == "error":
        return "Could not measure."
    if case.word == "not run" and e.to_do:
        return "Not run yet."
    if e.trace is not None:
        sure = f"{100 * e.trace.confidence:g} % interval for one more curve"
        return (
            f"The author's curve is at p = {e.trace.p:.2g} among ours (n = {e.trace.n}); our mean offset is "
            f"{100 * e.trace.offset:+.2f} points ({sure} {100 * e.trace.low:+.2f} to {100 * e.trace.high:+.2f})."
        )
    if isinstance(e.claim.rule, TraceRule):
        return "The author's curve could not be ranked among ours."
    if e.effect is None and any(arm.tuning and arm.tuning.chosen is None for arm in e.arms):
        return "No rate could be chosen."
    return _found(e.claim, e.effect)


def _found(claim: Claim, effect: Effect | None) -> str:
    """What was found, in a sentence."""
    assert claim.rule.kind != "trace"
    if effect is None:
        named = [f"“{arm}”" for arm in claim.rule.of]
        of = f"{'between' if len(named) > 1 and claim.rule.kind == 'difference' else 'of'} "
        of += (" to " if claim.rule.kind == "ratio" else " and ").join(named)
        return f"No {claim.rule.kind} {of} could be formed."
    interval = between(effect.low, effect.high, effect.kind)
    form = "bound" if effect.estimate is None else "interval"
    sure = f"{100 * effect.confidence:.3g} % {form} {interval}, n = {effect.n}"
    if effect.kind == "rate":
        assert effect.estimate is not None
        return f"“{claim.rule.of[0]}” trains {shown(effect.estimate, 'rate')} ({sure})."
    if len(claim.rule.of) == 1:
        return _found_of_one(claim, effect, sure)
    first, second = claim.rule.of
    if claim.measure.kind == "throughput":
        assert effect.estimate is not None
        return f"“{first}” trains {times(effect.estimate)} times the images/s of “{second}” ({sure})."
    if effect.kind == "difference":
        assert effect.estimate is not None
        gap = f"{100 * abs(effect.estimate):.2f} points {'higher' if effect.estimate >= 0 else 'lower'}"
        return f"The {goal(claim)} is {gap} for “{first}” than for “{second}” ({sure})."
    ours = interval if effect.estimate is None else times(effect.estimate)
    unit = "updates" if claim.measure.kind == "updates_to" else "epochs"
    get = "come" if claim.measure.kind == "converged" else "reach"
    return f"“{first}” needs {ours} times the {unit} of “{second}” to {get} {goal(claim)} ({sure})."


def _found_of_one(claim: Claim, effect: Effect, sure: str) -> str:
    """The same of one arm."""
    rule, size = claim.rule, effect.estimate
    assert rule.kind != "trace"
    assert size is not None
    if rule.kind == "count":
        runs = f"{round(size * effect.n)} of {effect.n} runs"
        whose = f" of “{rule.of[0]}”" if len(claim.arms) > 1 else ""
        return f"{runs}{whose} have a {goal(claim)} of at most {rule.at_most:g} ({sure}, in % of runs)."
    one = "the net" if len(claim.arms) == 1 else f"“{rule.of[0]}”"
    whose = f"{rule.size} nets averaged" if rule.kind == "ensemble" else one
    if effect.kind == "value":
        return f"The {goal(claim)} of {whose} is {100 * size:.2f} % ({sure})."
    if rule.kind == "ensemble":
        way = "lower" if size >= 0 else "higher"
        return f"The {goal(claim)} of {whose} is {100 * abs(size):.2f} points {way} than their mean ({sure})."
    return f"The {goal(claim)} is {points(size)} points ({sure})."


def settling(e: Evidence) -> str:
    """Return the smallest effect that would have decided, and how many seeds would settle the one found."""
    effect = e.effect
    if effect is None or effect.estimate is None or len(effect.per_seed) < 2:
        return "one side is open, so the effect that would have decided is not known"
    if effect.kind == "count":
        return f"{effect.n} runs leave it open; more would narrow the interval"
    logs = effect.kind in ("ratio", "rate")
    low, high, middle = ((log(v) if logs else v) for v in (effect.low, effect.high, effect.estimate))
    spread = deviation([log(v) if logs else v for v in effect.per_seed.values()])
    if e.side:
        bounds = [log(e.least) if logs else e.least]
    else:
        bounds = [log(v) if logs else v for v in e.band if abs(v) < 1e9 and (v > 0 or not logs)]
    bound = min(bounds, key=lambda v: abs(middle - v))
    half, kind = (high - low) / 2, effect_of(e.claim.rule)
    near, far = ((exp(v) if logs else v) for v in (bound - half, bound + half))
    text = f"effects below {size(near, kind)} or above {size(far, kind)} could have been told from that"
    seen = abs(middle - bound)
    if effect.method.startswith("jackknife") or spread == 0 or seen < 0.02 * spread:  # its seeds are no pairs
        return text
    # with power 80 %; never fewer than those that have just failed to
    seeds = max(effect.n + 1, seeds_needed(seen, spread, effect.confidence))
    return f"{text}; about {seeds} seeds would settle one of {size(effect.estimate, kind)}"
