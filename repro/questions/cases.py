"""The verdict table: cases in the order in which they are tested. The first that holds is said; pages print the same.

A case is a word, when it is said, and its test, which returns why it holds. Sentences have places for a claim's own
numbers: pages fill them, the index's legend and README name them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import Literal

from repro.questions.evidence import Evidence, settling
from repro.questions.units import DIFFERENCE, RATIO

Word = Literal[
    "error", "not run", "not comparable", "not tested", "refuted", "reproduced", "differs", "direction only",
    "inconclusive", "not told apart", "disagrees at small scale", "agrees at small scale", "open at small scale",
    "disagrees at medium scale", "agrees at medium scale", "open at medium scale", "true as printed", "true in part",
    "false as printed",
]  # fmt: skip
Group = Literal[
    "holds", "direction holds", "another size or number", "does not hold", "open", "agrees below paper scale",
    "open below paper scale", "disagrees below paper scale", "facts", "not judged here", "not run",
]  # fmt: skip
GROUPS: dict[Word, Group] = {
    "reproduced": "holds",
    "direction only": "direction holds",
    "differs": "another size or number",
    "refuted": "does not hold",
    "inconclusive": "open",
    "not told apart": "open",
    "not tested": "open",
    "agrees at medium scale": "agrees below paper scale",
    "agrees at small scale": "agrees below paper scale",
    "open at medium scale": "open below paper scale",
    "open at small scale": "open below paper scale",
    "disagrees at medium scale": "disagrees below paper scale",
    "disagrees at small scale": "disagrees below paper scale",
    "true as printed": "facts",
    "true in part": "facts",
    "false as printed": "facts",
    "not comparable": "not judged here",
    "not run": "not run",
    "error": "not run",
}  # in the order of the index
FOR: tuple[Group, ...] = ("holds", "direction holds", "another size or number", "agrees below paper scale")
OPEN: tuple[Group, ...] = ("open", "open below paper scale")
AGAINST: tuple[Group, ...] = ("does not hold", "disagrees below paper scale")
# Of several comparisons the first that occurs is said of all.
WORST: tuple[Word, ...] = (
    "refuted", "disagrees at medium scale", "disagrees at small scale", "error", "not run", "not tested",
    "inconclusive", "open at medium scale", "open at small scale", "not comparable", "differs", "direction only",
    "agrees at medium scale", "agrees at small scale", "reproduced",
)  # fmt: skip
JUDGING_SEEDS = 5  # DESIGN, a verdict: grade A and the words of small and medium scale need five
CURVES = 3  # of ours that a printed curve is ranked among at least: a deviation needs two others

Test = Callable[[Evidence], str]  # why the case holds; empty where it does not


@dataclass(frozen=True)
class Case:
    """A word, when it is said (with places for a claim's numbers), and its test."""

    word: Word
    when: str
    test: Test


def first(cases: Sequence[Case], evidence: Evidence) -> tuple[Case, str]:
    """Return the first case that holds, and why. The last of every question holds always."""
    for case in cases:
        if why := case.test(evidence):
            return case, why
    raise AssertionError("the last case holds always")


def _error(e: Evidence) -> str:
    observations = [o for arm in e.arms for o in arm.observations]
    observations += [o for arm in e.arms if arm.tuning for rate in arm.tuning.rates for o in rate.observations]
    failed = e.failed + sum(o.status == "failed" for o in observations)
    return f"{failed} of {len(observations) or e.n} runs failed twice" if failed else ""


def _not_run(e: Evidence) -> str:
    if e.to_do:
        return f"{e.to_do} run{'s' * (e.to_do != 1)} still to do"
    if e.scale in ("small", "medium") and e.n < (needed := e.claim.rule.seeds_below_paper):
        return f"{e.n} judging seeds; a verdict at this scale needs {needed}"
    fewest, why = e.claim.rule.fewest
    return f"{e.n} judging seeds; {why}" if e.scale != "smoke" and e.n < fewest else ""


def _not_comparable(e: Evidence) -> str:
    if e.scale == "smoke":
        return "smoke scale only tests the machinery; it says nothing about the sentence"
    return e.claim.rule.not_comparable(e)


def _not_tested(e: Evidence) -> str:
    if unchosen := [e.claim.label(arm.name) for arm in e.arms if arm.tuning and arm.tuning.chosen is None]:
        if e.claim.tune and e.claim.tune.choose == "learns":
            return "at no learning rate did every arm learn on every tuning seed"
        return f"with {' and '.join(unchosen)} no learning rate reached the level on every tuning seed"
    if ends := [e.claim.label(arm.name) for arm in e.arms if arm.tuning and arm.tuning.at_end]:
        steps = e.claim.tune.extend if e.claim.tune else 0
        return f"with {' and '.join(ends)} the fastest rate is still an end of the grid after {steps} extensions"
    values = [o.value for arm in e.arms for o in arm.observations]
    if e.claim.rule.unit is DIFFERENCE and len(e.arms) > 1 and not any(values) and None not in values:
        return f"all {len(values)} runs end with 0 % {e.claim.measure.name()}, so a difference could not show"
    dead = [
        (arm, lost)
        for arm in e.arms
        if (lost := sum(o.status in ("not started", "diverged") for o in arm.observations)) * 2 > len(arm.observations)
    ]
    if not dead or (e.claim.measure.is_time and len(dead) < len(e.arms)):
        return ""
    return "; ".join(
        f"{lost} of {len(arm.observations)} runs with {e.claim.label(arm.name)} learned nothing or diverged"
        + (f" at rate {arm.rate:g}" if arm.rate is not None else "")
        for arm, lost in dead
    )


def open_because(e: Evidence) -> str:
    """Return why nothing could be decided, where that is not the interval's width; else empty."""
    if why := e.claim.rule.open_because(e):
        return why
    if e.interval is None and e.effect is not None:
        needed = ceil(-log2(1 - e.claim.rule.confidence))
        return (
            f"some runs never reached the level, so {e.n} seeds bound the ratio with a confidence of "
            f"{100 * e.effect.confidence:.3g} %; {100 * e.claim.rule.confidence:.3g} % needs {needed} judging seeds"
        )
    return ""


def _unsettled(e: Evidence) -> str:
    if why := open_because(e):
        return why
    crossed = f"crosses {e.named['least']}" if e.side else f"crosses an end of {e.named['band']}"
    return f"the interval {crossed}; {settling(e)}"


def holds(*properties: str, why: str) -> Test:
    """Return a test that all these properties of the evidence hold."""
    return lambda e: why.format(**e.named) if all(getattr(e, name) for name in properties) else ""


def _direction(e: Evidence) -> str:
    if not e.beyond:
        return ""
    if e.inside:
        assert e.rate_range is not None
        near = RATIO.interval(*e.rate_range)
        return f"over all rates within 10 % of the best the ratio is {near}, which leaves {e.named['band']}"
    if any(o.censored for arm in e.arms for o in arm.observations):
        return f"some runs never reached the level, which leaves open the side on which {e.named['band']} ends"
    return f"the interval crosses an end of {e.named['band']}"


EARLY = (
    Case("error", "a run failed twice, so nothing could be measured", _error),
    Case(
        "not run", "runs are missing, or there are fewer than {seeds} judging seeds at small or medium scale", _not_run
    ),
    Case(
        "not comparable",
        "this scale or device says nothing about the sentence: smoke scale, an absolute error below paper scale, CPU "
        "work timed without the GPU that would hide it, another GPU than the paper’s",
        _not_comparable,
    ),
    Case(
        "not tested",
        "most runs of an arm did not start to learn (for times to a level: of both arms), no learning rate could be "
        "chosen, the chosen rate is an end of the grid, or no run of either arm has any error left",
        _not_tested,
    ),
)
_SHORT = holds("short", why="the whole interval falls short of {least}")
_INSIDE = holds("inside", why="the whole interval lies inside {band}")
_OUTSIDE = holds("outside", why="the whole interval lies outside {band}")
EFFECT = (
    *EARLY,
    Case(
        "refuted",
        "the whole interval falls short of {least}; no effect, and an effect in the other direction, do so too",
        _SHORT,
    ),
    Case(
        "reproduced",
        "the whole interval lies inside {band}; where rates are tuned, so does the range over all rates within 10 % of "
        "the best",
        holds("beyond", "inside", "rates_inside", why="the whole interval lies inside {band}"),
    ),
    Case(
        "differs",
        "the whole interval lies beyond {least}, and outside {band}",
        holds("beyond", "outside", why="the direction is the sentence's, but the whole interval lies outside {band}"),
    ),
    Case(
        "direction only",
        "the whole interval lies beyond {least}, but it crosses an end of {band}, or a run never reached the level on "
        "a side where the band ends",
        _direction,
    ),
    Case(
        "inconclusive",
        "anything else; the page says which effects these runs could have shown, and how many seeds would decide",
        _unsettled,
    ),
)
NO_EFFECT = (
    *EARLY,
    Case("refuted", "for a claim of no effect: the whole interval lies outside {band}", _OUTSIDE),
    Case("reproduced", "for a claim of no effect: the whole interval lies inside {band}", _INSIDE),
    Case("inconclusive", "for a claim of no effect: the interval crosses an end of {band}", _unsettled),
)
VALUES = (
    *EARLY,
    Case("reproduced", "for a single number: the whole interval lies inside {band}", _INSIDE),
    Case("differs", "for a single number: the whole interval lies outside {band}", _OUTSIDE),
    Case("inconclusive", "for a single number: the interval crosses an end of {band}", _unsettled),
)


def _below(scale: Literal["small", "medium"]) -> dict[str, tuple[Case, ...]]:
    """Return the cases below paper scale, which cannot reproduce a number."""
    agrees: dict[str, Word] = {"small": "agrees at small scale", "medium": "agrees at medium scale"}
    disagrees: dict[str, Word] = {"small": "disagrees at small scale", "medium": "disagrees at medium scale"}
    open_: dict[str, Word] = {"small": "open at small scale", "medium": "open at medium scale"}
    at = f"at {scale} scale, which cannot reproduce a number: "
    none = f"at {scale} scale, for a claim of no effect: "
    return {
        "effect": (
            *EARLY,
            Case(disagrees[scale], f"{at}the whole interval falls short of {{least}}", _SHORT),
            Case(
                agrees[scale],
                f"{at}the whole interval lies at or beyond {{least}}",
                holds("beyond", why="the whole interval lies at or beyond {least}"),
            ),
            Case(open_[scale], f"{at}the interval crosses {{least}}, or there is no interval", _unsettled),
        ),
        "no effect": (
            *EARLY,
            Case(disagrees[scale], f"{none}the whole interval lies outside {{band}}", _OUTSIDE),
            Case(agrees[scale], f"{none}the whole interval lies inside {{band}}", _INSIDE),
            Case(open_[scale], f"{none}the interval crosses an end of {{band}}, or there is no interval", _unsettled),
        ),
    }


BELOW = {"small": _below("small"), "medium": _below("medium")}
