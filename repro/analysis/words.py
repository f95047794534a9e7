"""Verdict words, grades and sentences: what may be said of an effect, by the rule written in a claim before any run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, log, log2

from repro.analysis.effects import Effect, TraceTest, deviation, seeds_needed
from repro.analysis.measures import Observation
from repro.analysis.phrases import between, goal, points, shown, times
from repro.analysis.tuning import Arm
from repro.spec.claim import Claim

CURVES = 3  # of ours that a printed curve is ranked among at least: a deviation needs two others
JUDGING_SEEDS = 5  # DESIGN, a verdict: grade A and the words of small and medium scale need five


_SMOKE = "smoke scale proves the machinery; it cannot speak of the sentence"


@dataclass(frozen=True)
class Verdict:
    """`word`: one of DESIGN's; `grade` A to D, or None where nothing is judged; `sentence`: the finding with its
    numbers; `why`: what decided the word, or what is missing."""

    word: str
    grade: str | None
    sentence: str
    why: str


def grade(scale: str, seeds: int) -> str | None:
    """How much the evidence weighs: A paper scale with five judging seeds, B paper scale, C medium, D small."""
    if scale == "paper":
        return "A" if seeds >= JUDGING_SEEDS else "B"
    return {"medium": "C", "small": "D"}.get(scale)


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def of_effect(
    claim: Claim,
    scale: str,
    effect: Effect | None,
    numerator: Arm,
    denominator: Arm | None,
    rate_range: tuple[float, float] | None,
    to_do: int,
) -> Verdict:
    """The verdict on a ratio of two arms' times, on a difference of two arms' errors, or on what one arm shows."""
    assert claim.rule.kind != "trace"
    assert claim.rule.kind != "value"
    assert claim.rule.kind != "rate"
    rule, n = claim.rule, len(claim.seeds)
    arms = (numerator, denominator) if denominator else (numerator,)
    if early := _unjudged(claim, scale, effect, arms, to_do):
        return early
    observations = [o for arm in arms for o in arm.observations]
    if scale != "paper" and n < JUDGING_SEEDS:
        why = f"{n} judging seeds; a word at this scale needs {JUDGING_SEEDS}"
        return Verdict("not run", None, _found(claim, effect), why)
    weight = grade(scale, n)
    if unchosen := [arm.name for arm in arms if arm.tuning and arm.tuning.chosen is None]:
        why = f"no rate of {' and '.join(unchosen)} reached the level on every tuning seed"
        if claim.tune and claim.tune.choose == "learns":
            why = "there is no rate at which every arm learned on every tuning seed"
        return Verdict("inconclusive", weight, "No rate could be chosen.", why)
    censored = any(o.censored for o in observations)
    if effect is None:
        return Verdict("inconclusive", weight, _found(claim, effect), _formless(claim, observations, censored))
    if ends := [arm.name for arm in arms if arm.tuning and arm.tuning.at_end]:
        steps = claim.tune.extend if claim.tune else 0
        why = f"the fastest rate of {' and '.join(ends)} is still an end of the grid after {steps} extensions"
        return Verdict("inconclusive", weight, _found(claim, effect), why)
    if effect.confidence < rule.confidence:
        needed = ceil(-log2(1 - rule.confidence))
        why = f"with runs that never reached the level, {n} seeds bound the ratio with confidence "
        why += f"{100 * effect.confidence:.3g} %; {100 * rule.confidence:.3g} % needs {needed} judging seeds"
        return Verdict("inconclusive", weight, _found(claim, effect), why)
    if rule.direction == "none":
        return _of_equivalence(claim, scale, effect, censored)
    none = effect.none
    along, against = effect.low > none, effect.high < none
    if rule.direction.startswith("below"):  # the paper's direction
        along, against = against, along
    if scale != "paper":
        word = "same direction" if along else "opposite direction" if against else "no difference seen"
        what = "the paper's result" if rule.paper is None else f"the number {shown(rule.paper, effect.kind)}"
        where = " at this data size" if claim.data.crop else ""  # ten classes are another regime (catalogue, part C)
        why = f"{scale} scale cannot reproduce {what}, only show the direction{where}"
        settled = along or against
        return Verdict(word, weight, _found(claim, effect), why if settled else f"{why}; {_settling(effect)}")
    inside = rule.within[0] <= effect.low and effect.high <= rule.within[1]
    apart = effect.low > rule.within[1] or effect.high < rule.within[0]
    band = f"the band {' to '.join(shown(bound, effect.kind) for bound in rule.within)}"
    if against:
        return Verdict("contradicted", weight, _found(claim, effect), "the interval excludes no effect the other way")
    if not along:
        why = f"the interval covers no effect; {_settling(effect)}"
        return Verdict("inconclusive", weight, _found(claim, effect), why)
    if apart:
        return Verdict("differs", weight, _found(claim, effect), f"the paper's direction, but wholly outside {band}")
    if censored:
        why = "runs that never reached the level leave one side of the ratio open"
        return Verdict("direction only", weight, _found(claim, effect), why)
    if not inside:
        return Verdict("direction only", weight, _found(claim, effect), f"the interval is not inside {band}")
    if rate_range and not (rule.within[0] <= rate_range[0] and rate_range[1] <= rule.within[1]):
        why = f"over rates within 10 % of the best the ratio runs from {between(*rate_range)}, beyond {band}"
        return Verdict("direction only", weight, _found(claim, effect), why)
    why = f"the interval excludes no effect and lies inside {band}"
    return Verdict("reproduced", weight, _found(claim, effect), why)


def _of_equivalence(claim: Claim, scale: str, effect: Effect, censored: bool) -> Verdict:
    """The verdict where the paper says that there is no effect: the band is what counts as none."""
    assert claim.rule.kind != "trace"
    weight, found = grade(scale, effect.n), _found(claim, effect)
    low, high = claim.rule.within
    band = f"the band {' to '.join(shown(bound, effect.kind) for bound in claim.rule.within)}"
    at_paper = scale == "paper"
    where = "" if at_paper else f"; {scale} scale cannot reproduce the paper's result"
    if effect.low > high or effect.high < low:
        why = f"the interval lies wholly outside {band}, which counts as no effect{where}"
        return Verdict("differs" if at_paper else "opposite direction", weight, found, why)
    if low <= effect.low and effect.high <= high and not censored:
        why = f"the interval lies inside {band}, which counts as no effect{where}"
        return Verdict("reproduced" if at_paper else "no difference seen", weight, found, why)
    why = f"the interval crosses an end of {band}: an effect beyond it is neither shown nor ruled out"
    return Verdict("inconclusive", weight, found, f"{why}; more seeds would narrow it")


def _unjudged(claim: Claim, scale: str, effect: Effect | None, arms: Sequence[Arm], to_do: int) -> Verdict | None:
    """What is said before anything is judged: runs that failed or are missing, smoke scale."""
    seen = [o for arm in arms for o in arm.observations]
    seen += [o for arm in arms if arm.tuning for rate in arm.tuning.rates for o in rate.observations]
    if failed := sum(o.status == "failed" for o in seen):
        return Verdict("error", None, "Could not measure.", f"{failed} of {len(seen)} runs failed twice")
    if to_do:
        return Verdict("not run", None, "Not run yet.", f"{_runs(to_do)} still to do")
    if scale == "smoke":
        return Verdict("not comparable", None, _found(claim, effect), _SMOKE)
    return None


def of_value(claim: Claim, scale: str, effect: Effect | None, arm: Arm, to_do: int, device: str = "") -> Verdict:
    """The verdict on one arm's error itself, on that of its nets averaged, or on its images/s on `device`."""
    assert claim.rule.kind == "value" or claim.rule.kind == "ensemble" or claim.rule.kind == "rate"
    rule = claim.rule
    if early := _unjudged(claim, scale, effect, [arm], to_do):
        return early
    if rule.kind == "rate" and rule.on not in device:
        why = f"the paper's {shown(rule.paper, 'rate')} are of {rule.on}; another device's speed cannot speak of them"
        return Verdict("not comparable", None, _found(claim, effect), why)
    if scale != "paper":
        number = "" if rule.paper is None else f" {shown(rule.paper, 'rate' if rule.kind == 'rate' else 'value')}"
        why = f"{scale} scale has other photos and classes than the paper's{number}"
        return Verdict("not comparable", None, _found(claim, effect), why)
    weight = grade(scale, len(claim.seeds))
    if effect is None:
        censored = any(o.censored for o in arm.observations)
        return Verdict(
            "inconclusive", weight, _found(claim, effect), _formless(claim, list(arm.observations), censored)
        )
    low, high = rule.within
    band = f"the band {' to '.join(shown(bound, rule.kind) for bound in rule.within)}"
    if low <= effect.low and effect.high <= high:
        return Verdict("reproduced", weight, _found(claim, effect), f"the interval lies inside {band}")
    if effect.low > high or effect.high < low:
        return Verdict("differs", weight, _found(claim, effect), f"the interval lies wholly outside {band}")
    return Verdict("inconclusive", weight, _found(claim, effect), f"the interval crosses an end of {band}")


def _formless(claim: Claim, observations: list[Observation], censored: bool) -> str:
    """Why no effect could be formed of runs that are all there."""
    if claim.rule.kind != "ratio" and censored:
        lost = {"diverged": "diverged", "not started": "learned nothing: their training loss stays at chance’s"}
        seen = Counter(o.status for o in observations if o.value is None)
        told = [f"{n} of {len(observations)} runs {lost[status]}" for status, n in seen.items() if status in lost]
        return f"{'; '.join(told)}; they have no error to compare"
    if censored:
        return "both arms have runs that never reached the level: neither side of the ratio is bounded"
    return "a single judging seed has no interval; the least that has one is two"


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


def _settling(effect: Effect) -> str:
    """The smallest effect that would have shown, and how many seeds would settle the one seen."""
    if effect.estimate is None or len(effect.per_seed) < 2:
        return "one side is open, so the smallest effect that would have shown is not known"
    if effect.kind == "count":
        return f"{effect.n} runs leave it open; more would narrow the interval"
    if effect.kind == "ratio":
        half, seen = log(effect.high / effect.low) / 2, abs(log(effect.estimate))
        spread = deviation([log(value) for value in effect.per_seed.values()])
        smallest, named = f"a ratio of {times(exp(half))}", f"one of {times(effect.estimate)}"
    else:
        half, seen = (effect.high - effect.low) / 2, abs(effect.estimate)
        spread = deviation(list(effect.per_seed.values()))
        smallest, named = f"a difference of {100 * half:.2f} points", f"one of {100 * seen:.2f} points"
    text = f"{smallest} would have shown"
    if effect.method.startswith("jackknife"):  # its seeds are no independent pairs
        return text
    if seen < 0.02 * max(spread, 1e-9) or spread == 0:
        return text
    # with power 80 %; never fewer than those that have just failed to
    seeds = max(effect.n + 1, seeds_needed(seen, spread, effect.confidence))
    return f"{text}; about {seeds} seeds would settle {named}"


def of_trace(claim: Claim, scale: str, found: TraceTest | None, to_do: int, failed: int, diverged: int) -> Verdict:
    """The verdict on one printed curve against ours; `failed`, `diverged`: seeds that gave no curve, and why."""
    assert claim.rule.kind == "trace"
    rule, n = claim.rule, len(claim.seeds)
    if failed:
        return Verdict("error", None, "Could not measure.", f"{failed} of {n} runs failed twice")
    if to_do:
        return Verdict("not run", None, "Not run yet.", f"{_runs(to_do)} still to do")
    if n < CURVES:
        word, why = ("not comparable", _SMOKE) if scale == "smoke" else ("not run", f"{n} judging seeds")
        return Verdict(word, None, f"One curve is ranked among others only where there are {CURVES}.", why)
    if found is None:
        why = f"{diverged} of {n} runs diverged: " if diverged else ""
        return Verdict("error", None, "Could not measure.", f"{why}fewer than three curves are long enough")
    sure = f"{100 * found.confidence:g} % interval for one more curve"
    sentence = (
        f"The author's curve is at p = {found.p:.2g} among ours (n = {found.n}); our mean offset is "
        f"{100 * found.offset:+.2f} points ({sure} {100 * found.low:+.2f} to {100 * found.high:+.2f})."
    )
    if scale == "smoke":
        return Verdict("not comparable", None, sentence, _SMOKE)
    weight = grade(scale, n)
    low, high = rule.offset_within
    if diverged:
        why = f"{diverged} of {n} runs diverged, and a curve with no end cannot be ranked"
        return Verdict("inconclusive", weight, sentence, why)
    if (smallest := 1 / (found.n + 1)) > rule.p_above:
        why = f"{found.n} curves cannot tell one apart: p cannot fall below {smallest:.2g}"
        return Verdict("inconclusive", weight, sentence, why)
    if found.p <= rule.p_above:
        why = f"p <= {rule.p_above:g}: told apart, most at point {found.at_point + 1} of {len(rule.authors)}"
        return Verdict("differs", weight, sentence, why)
    if low <= found.offset <= high:
        band = f"{100 * low:+g} to {100 * high:+g} points"
        return Verdict("reproduced", weight, sentence, f"p > {rule.p_above:g} and the mean offset lies within {band}")
    why = f"p > {rule.p_above:g}, but the mean offset is outside the band: too few seeds, or too wide a spread"
    return Verdict("inconclusive", weight, sentence, why)
