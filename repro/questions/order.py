"""Order of arms: whether times to a level, over crossed arms, are ordered as was predicted, and which arms stall."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import atanh, sqrt, tanh
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.scalars import Fraction, Name, Share
from repro.questions.base import Claim
from repro.questions.cases import AGAINST, FOR, GROUPS, Case
from repro.questions.effect_rule import Directed, Least
from repro.questions.evidence import Evidence
from repro.questions.observations import Arm, geometric_mean
from repro.questions.statistics import Effect, Sampling
from repro.questions.units import Unit, seed_list
from repro.store import Table

if TYPE_CHECKING:
    from repro.draw.parts import Section
    from repro.questions.exhibit import Exhibit


def _written(value: float) -> str:
    return f"{value:.2f}"


TAU = Unit(
    "tau", 0.0, 1, _written, _written, _written, _written,
    lambda low, high: f"{_written(low)} to {_written(high)}", lowest=-1.0, most=1.0,
)  # fmt: skip
SEEDS = 2  # an arm's time is known to a factor of less than two from these (assumed); what is counted are the arms
FEWEST = 5  # arms: the interval's variance, 0.437 / (n - 4), needs them


def _without(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """An arm that never starts is a finding here: its place is the last."""
    return tuple(case for case in cases if case.word != "not tested")


class Order(Directed):
    """Kendall's tau between the arms' times and their predicted order; an arm that never comes so far shares the last
    place."""

    kind: Literal["order"] = Field(description="the effect")
    of: list[Name] = Field(min_length=FEWEST, description="the arms in the order predicted, the fastest first")
    paper: None = Field(None, description="no paper prints such a number")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band of tau that counts as the order; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")
    starts: Name | None = Field(
        None,
        description="the arm that the sentence itself is about: a verdict for the sentence also needs that it comes so "
        "far on every seed, one against it that it does on none",
    )

    power: ClassVar = "none"
    what: ClassVar = "rank correlation"
    has_mean: ClassVar = False
    seeds_below_paper: ClassVar = SEEDS
    lists_runs: ClassVar = True

    @property
    def unit(self) -> Unit:
        return TAU

    @property
    def direction(self) -> str:
        """As predicted."""
        return "above 0"

    def mistakes(self, claim: Claim, layers: Layers, smoke: bool) -> list[Problem]:
        out = super().mistakes(claim, layers, smoke)
        for i, arm in enumerate(self.of):
            if arm in self.of[:i]:
                out.append(layers.problem(("rule", "of", i), f"rule.of: {arm} stands twice"))
        if self.starts is not None and self.starts not in self.of:
            out.append(
                layers.problem(("rule", "starts"), f"rule.starts: found {self.starts}; expected an arm of rule.of")
            )
        return out

    def others_number(self) -> tuple[float, float, str]:
        return -1, 1, "a rank correlation above -1 and up to 1"

    def cases(self, scale: str) -> tuple[Case, ...]:
        cases = _without(super().cases(scale))
        return cases if self.starts is None else tuple(map(self._with_the_arm, cases))

    def _with_the_arm(self, case: Case) -> Case:
        """Return a case that also asks whether the arm that the sentence is about starts to learn."""
        group, many = GROUPS[case.word], {"for": "every seed", "against": "no seed"}
        side = "against" if group in AGAINST else "for" if group in FOR else None
        if side is None:
            return case

        def test(e: Evidence) -> str:
            return case.test(e) if self.reached(e) == (e.n if side == "for" else 0) else ""

        return Case(case.word, f"{case.when}; and the arm of the sentence starts to learn on {many[side]}", test)

    def reached(self, evidence: Evidence) -> int:
        """Return on how many seeds the arm that the sentence is about has come so far."""
        arm = next(arm for arm in evidence.arms if arm.name == self.starts)
        return sum(not o.censored for o in arm.observations)

    def open_because(self, evidence: Evidence) -> str:
        if (why := super().open_because(evidence)) or self.starts is None or not (evidence.short or evidence.beyond):
            return why
        order = "as predicted" if evidence.beyond else "not as predicted"
        return (
            f"the order is {order}, but with {evidence.claim.label(self.starts)}, as the sentence has it, the net "
            f"starts to learn on {self.reached(evidence)} of {evidence.n} seeds"
        )

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        if any(o.status in ("missing", "failed") for arm in arms for o in arm.observations):
            return None
        times = [geometric_mean([o.at_least for o in arm.observations]) for arm in arms]
        value, n = tau(times), len(arms)
        if value is None:
            return None
        low, high = interval(value, n, self.confidence)
        by_seed = zip(*(arm.observations for arm in arms), strict=True)
        per_seed = {same_seed[0].seed: tau([o.at_least for o in same_seed]) or 0.0 for same_seed in by_seed}
        p = exact_p(times)
        method = f"Fieller, Hartley and Pearson's interval of tau over {n} arms; exact p {p:.2g}"
        return Effect(TAU, value, low, high, self.confidence, n, method, per_seed)

    def sampling(self, evidence: Evidence) -> Sampling | None:
        return None  # how arms lie apart is what is asked, not how seeds do

    def one_sided_p(self, evidence: Evidence, bound: float, side: int) -> float:
        assert evidence.effect is not None
        assert evidence.effect.estimate is not None
        return one_sided_p(evidence.effect.estimate, evidence.effect.n, bound, side)

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        return (
            f"Kendall's tau between the predicted and the measured order of {effect.n} arms is "
            f"{effect.estimate:.2f} ({effect.sure}; {effect.method})."
        )

    def method(self, claim: Claim, scale: str) -> list[str]:
        return [
            f"The effect is Kendall's tau between the predicted order of {len(self.of)} arms and the order of their "
            f"times, which are geometric means over judging {seed_list(claim.seeds)}. A run that does not reach the "
            "level counts with the time that it is known to exceed. Arms of which no run reaches it share the last "
            "place; pairs of such arms count neither for the order nor against it, but half of them stays in the "
            "divisor (tau-b), so that even a perfect order then has a tau below 1. "
            f"The {100 * self.confidence:g} % interval is that of Fieller, Hartley and Pearson (1957): the "
            "inverse hyperbolic tangent of tau has a variance of 0.437 / (n - 4), where n is the number of arms. p is "
            f"exact: the share of all orders of the arms that agree with the prediction at least as well. "
            f"{self.band_method()}"
        ]

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        return "Kendall’s tau between predicted and measured order"

    def sections(self, exhibit: Exhibit) -> list[Section]:
        from repro.questions.order_sections import sections  # drawn by pages alone

        return sections(exhibit)


def tau(times: list[float]) -> float | None:
    """Return Kendall's tau-b between these times and the order in which they stand, shortest first; None where all are
    equal."""
    pairs = list(combinations(times, 2))
    concordant, discordant = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    untied = concordant + discordant
    return (concordant - discordant) / sqrt(untied * len(pairs)) if untied else None


def interval(value: float, n: int, confidence: float) -> tuple[float, float]:
    """Return Fieller, Hartley and Pearson's interval of tau over n > 4 objects."""
    from scipy.special import ndtri

    half = float(ndtri((1 + confidence) / 2)) * sqrt(0.437 / (n - 4))
    return tanh(_normal(value, n) - half), tanh(_normal(value, n) + half)


def one_sided_p(value: float, n: int, bound: float, side: int) -> float:
    """Return the p of a tau at `bound` or beyond it, by the normal distribution behind `interval`; `side`: 1 where the
    tau of n objects lies above the bound, -1 below."""
    from scipy.special import ndtr

    if abs(bound) >= 1:
        return 0.0  # there is no tau beyond it
    return float(ndtr(-side * (_normal(value, n) - atanh(bound)) / sqrt(0.437 / (n - 4))))


def _normal(value: float, n: int) -> float:
    """Return the inverse hyperbolic tangent of tau, which is about normal; it is infinite for 1 and -1, in whose place
    the nearest order of n objects is taken that is not the same."""
    return atanh((1 - 4 / (n * (n - 1))) * value if abs(value) == 1 else value)  # one pair of n (n - 1) / 2 turned


def exact_p(times: list[float]) -> float:
    """Return the share of all orders of these times, ties kept, with no more pairs out of order than these have.

    The orders with k pairs out of order are the coefficients of the q-multinomial, [n]! / ([t1]! [t2]! ...) over the
    sizes of ties (MacMahon).
    """
    counts = [1]
    for n in range(2, len(times) + 1):
        counts = _times(counts, n)
    for size in Counter(times).values():
        for n in range(2, size + 1):
            counts = _over(counts, n)
    out_of_order = sum(a > b for a, b in combinations(times, 2))
    return sum(counts[: out_of_order + 1]) / sum(counts)


def _times(counts: list[int], n: int) -> list[int]:
    """Return the polynomial times 1 + q + ... + q^(n-1)."""
    return [sum(counts[max(0, k - n + 1) : k + 1]) for k in range(len(counts) + n - 1)]


def _over(counts: list[int], n: int) -> list[int]:
    """Return the polynomial over 1 + q + ... + q^(n-1), which divides it."""
    out: list[int] = []
    for k in range(len(counts) - n + 1):
        out.append(counts[k] - sum(out[max(0, k - n + 1) : k]))
    return out
