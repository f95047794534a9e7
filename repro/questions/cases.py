"""The verdict table: cases in the order in which they are tested. The first that holds is said; pages print the same.

A case is a word, when it is said, and its test, which returns why it holds. Sentences have places for a claim's own
numbers: pages fill them, the index's legend and README name them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import Literal

from repro.questions.evidence import Evidence
from repro.questions.words import between, shown
from repro.spec.claim import Claim
from repro.spec.rules import TraceRule, effect_of

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
    seen = [o for arm in e.arms for o in arm.observations]
    seen += [o for arm in e.arms if arm.tuning for rate in arm.tuning.rates for o in rate.observations]
    failed = e.failed + sum(o.status == "failed" for o in seen)
    return f"{failed} of {len(seen) or e.n} runs failed twice" if failed else ""


def _not_run(e: Evidence) -> str:
    if e.to_do:
        return f"{e.to_do} run{'s' * (e.to_do != 1)} still to do"
    if e.scale in ("small", "medium") and e.n < JUDGING_SEEDS:
        return f"{e.n} judging seeds; a word at this scale needs {JUDGING_SEEDS}"
    few = isinstance(e.claim.rule, TraceRule) and e.scale != "smoke" and e.n < CURVES
    return f"{e.n} judging seeds; a curve is ranked among {CURVES} or more" if few else ""


def _not_comparable(e: Evidence) -> str:
    if e.scale == "smoke":
        return "smoke scale proves the machinery; it cannot speak of the sentence"
    rule = e.claim.rule
    if rule.kind == "rate" and rule.on not in (e.device or ""):
        return f"the paper's {shown(rule.paper, 'rate')} are of {rule.on}; another device's speed cannot speak of them"
    if e.claim.measure.kind == "throughput" and rule.kind == "ratio" and not e.gpu:
        return "it was timed without a GPU, behind whose work the paper hides that of the CPU"
    if effect_of(rule) in ("value", "rate") and e.scale != "paper":
        assert not isinstance(rule, TraceRule)
        number = "" if rule.paper is None else f" {shown(rule.paper, 'rate' if rule.kind == 'rate' else 'value')}"
        return f"{e.scale} scale has other photos and classes than the paper's{number}"
    return ""


def _not_tested(e: Evidence) -> str:
    if unchosen := [arm.name for arm in e.arms if arm.tuning and arm.tuning.chosen is None]:
        if e.claim.tune and e.claim.tune.choose == "learns":
            return "there is no rate at which every arm learned on every tuning seed"
        return f"no rate of {' and '.join(unchosen)} reached the level on every tuning seed"
    if ends := [arm.name for arm in e.arms if arm.tuning and arm.tuning.at_end]:
        steps = e.claim.tune.extend if e.claim.tune else 0
        return f"the fastest rate of {' and '.join(ends)} is still an end of the grid after {steps} extensions"
    dead = [
        (arm, lost)
        for arm in e.arms
        if (lost := sum(o.status in ("not started", "diverged") for o in arm.observations)) * 2 > len(arm.observations)
    ]
    timed = e.claim.measure.kind in ("epochs_to", "updates_to", "converged")
    if not dead or (timed and len(dead) < len(e.arms)):
        return ""
    return "; ".join(
        f"{lost} of {len(arm.observations)} runs of {arm.name} learned nothing or diverged"
        + (f" at rate {arm.rate:g}" if arm.rate is not None else "")
        for arm, lost in dead
    )


def open_because(e: Evidence) -> str:
    """Return why nothing could be decided, where that is not the interval's width; else empty."""
    observations = [o for arm in e.arms for o in arm.observations]
    censored = [o for o in observations if o.censored]
    if e.effect is None and e.trace is None:
        if censored and e.claim.rule.kind != "ratio":
            lost = {"diverged": "diverged", "not started": "learned nothing: their training loss stays at chance’s"}
            seen = Counter(o.status for o in censored)
            each = [f"{n} of {len(observations)} runs {lost[status]}" for status, n in seen.items() if status in lost]
            return f"{'; '.join(each)}; they have no error to compare"
        if censored:
            return "both arms have runs that never reached the level: neither side of the ratio is bounded"
        return "a single judging seed has no interval; the least that has one is two"
    if e.interval is None:
        assert e.effect is not None
        needed = ceil(-log2(1 - e.claim.rule.confidence))
        return (
            f"with runs that never reached the level, {e.n} seeds bound the ratio with confidence "
            f"{100 * e.effect.confidence:.3g} %; {100 * e.claim.rule.confidence:.3g} % needs {needed} judging seeds"
        )
    return ""


def _unsettled(e: Evidence) -> str:
    from repro.questions.verdict import settling

    if why := open_because(e):
        return why
    crossed = f"crosses {e.named['least']}" if e.side else f"crosses an end of {e.named['band']}"
    return f"the interval {crossed}; {settling(e)}"


def _always(*holds: str, why: str) -> Test:
    """Return a test that all these properties of the evidence hold."""
    return lambda e: why.format(**e.named) if all(getattr(e, name) for name in holds) else ""


def _direction(e: Evidence) -> str:
    if not e.beyond:
        return ""
    if e.inside:
        assert e.rate_range is not None
        return (
            f"over rates within 10 % of the best the ratio runs from {between(*e.rate_range)}, beyond {e.named['band']}"
        )
    if any(o.censored for arm in e.arms for o in arm.observations):
        return f"runs that never reached the level leave open the side on which {e.named['band']}, ends"
    return f"the interval is not inside {e.named['band']}"


def _ranked(e: Evidence) -> str:
    """Why a printed curve cannot be ranked."""
    if e.diverged:
        return f"{e.diverged} of {e.n} runs diverged, and a curve with no end cannot be ranked"
    if e.trace is None:
        return "fewer than three curves are long enough"
    rule = e.claim.rule
    assert isinstance(rule, TraceRule)
    smallest = 1 / (e.trace.n + 1)
    return f"{e.trace.n} curves cannot tell one apart: p cannot fall below {smallest:.2g}" * (smallest > rule.p_above)


def _told_apart(e: Evidence) -> str:
    rule = e.claim.rule
    assert isinstance(rule, TraceRule)
    if e.trace is None or e.trace.p > rule.p_above:
        return ""
    return f"p <= {rule.p_above:g}: told apart, most at point {e.trace.at_point + 1} of {len(rule.authors)}"


def _not_told_apart(e: Evidence) -> str:
    assert e.trace is not None
    half = (e.trace.high - e.trace.low) / 2
    return (
        f"p > {e.named['p']}, and the interval of the offset leaves {e.named['band']}; an author's curve that lay "
        f"{100 * half:.1f} points away would have been outside it. More seeds do not narrow the spread of one curve"
    )


EARLY = (
    Case("error", "could not measure: a run failed twice", _error),
    Case(
        "not run", "runs are missing, or, at small and medium scale, there are fewer than five judging seeds", _not_run
    ),
    Case(
        "not comparable",
        "this scale or device cannot speak of the sentence: smoke scale, an absolute error below paper scale, CPU work "
        "timed without the GPU that it hides behind, another GPU than the named one",
        _not_comparable,
    ),
    Case(
        "not tested",
        "an arm did not start in most of its runs (of times to a level: both arms), no rate could be chosen, or the "
        "chosen one is an end of the grid",
        _not_tested,
    ),
)
_SHORT = _always("short", why="the interval lies wholly short of {least}")
_INSIDE = _always("inside", why="the interval lies inside {band}")
_OUTSIDE = _always("outside", why="the interval lies wholly outside {band}")
EFFECT = (
    *EARLY,
    Case("refuted", "the interval lies wholly short of {least}, no effect and the other side included", _SHORT),
    Case(
        "reproduced",
        "the whole interval lies inside {band}; over all rates within 10 % of the best, too",
        _always("beyond", "inside", "rates_inside", why="the interval lies inside {band}"),
    ),
    Case(
        "differs",
        "the interval lies beyond {least}, and wholly outside {band}",
        _always("beyond", "outside", why="the sentence's direction, but wholly outside {band}"),
    ),
    Case(
        "direction only",
        "the interval lies wholly beyond {least}, across an end of {band}, or a run never reached the level on a side "
        "where that ends",
        _direction,
    ),
    Case(
        "inconclusive", "all else: the page says what these runs could have told, and what would settle it", _unsettled
    ),
)
NO_EFFECT = (
    *EARLY,
    Case("refuted", "of a sentence of no effect: the interval lies wholly outside {band}", _OUTSIDE),
    Case("reproduced", "of a sentence of no effect: the whole interval lies inside {band}", _INSIDE),
    Case("inconclusive", "of a sentence of no effect: the interval crosses an end of {band}", _unsettled),
)
VALUE = (
    *EARLY,
    Case("reproduced", "of a number by itself: the whole interval lies inside {band}", _INSIDE),
    Case("differs", "of a number by itself: the interval lies wholly outside {band}", _OUTSIDE),
    Case("inconclusive", "of a number by itself: the interval crosses an end of {band}", _unsettled),
)
CURVE = (
    *EARLY[:3],
    Case("inconclusive", "of a printed curve: a run diverged, or the curves are too few to tell one apart", _ranked),
    Case("differs", "of a printed curve: p is {p} or less, it can be told apart from ours", _told_apart),
    Case(
        "reproduced",
        "of a printed curve: p is above {p} and the whole interval of the mean offset lies inside {band}",
        _always("inside", why="p > {p}, and the whole interval of the mean offset lies inside {band}"),
    ),
    Case("not told apart", "of a printed curve: p is above {p}, but the interval leaves {band}", _not_told_apart),
)


def _below(scale: Literal["small", "medium"]) -> dict[str, tuple[Case, ...]]:
    """Return the cases below paper scale, which cannot reproduce a number."""
    agrees: dict[str, Word] = {"small": "agrees at small scale", "medium": "agrees at medium scale"}
    disagrees: dict[str, Word] = {"small": "disagrees at small scale", "medium": "disagrees at medium scale"}
    open_: dict[str, Word] = {"small": "open at small scale", "medium": "open at medium scale"}
    at = f"at {scale} scale, which cannot reproduce a number: "
    none = f"at {scale} scale, of a sentence of no effect: "
    return {
        "effect": (
            *EARLY,
            Case(disagrees[scale], f"{at}the interval lies wholly short of {{least}}", _SHORT),
            Case(
                agrees[scale],
                f"{at}the interval lies wholly at or beyond {{least}}",
                _always("beyond", why="the interval lies wholly at or beyond {least}"),
            ),
            Case(open_[scale], f"{at}the interval crosses {{least}}, or there is none", _unsettled),
        ),
        "no effect": (
            *EARLY,
            Case(disagrees[scale], f"{none}the interval lies wholly outside {{band}}", _OUTSIDE),
            Case(agrees[scale], f"{none}the whole interval lies inside {{band}}", _INSIDE),
            Case(open_[scale], f"{none}the interval crosses an end of {{band}}, or there is none", _unsettled),
        ),
    }


BELOW = {"small": _below("small"), "medium": _below("medium")}


def cases_of(claim: Claim, scale: str) -> tuple[Case, ...]:
    """Return the cases by which a claim is judged at a scale."""
    rule = claim.rule
    if rule.kind == "trace":
        return CURVE
    if effect_of(rule) in ("value", "rate"):
        return VALUE
    question = "no effect" if getattr(rule, "direction", "") == "none" else "effect"
    if scale in BELOW:
        return BELOW[scale][question]
    return EFFECT if question == "effect" else NO_EFFECT
