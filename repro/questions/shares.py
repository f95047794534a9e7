"""Share of runs: in how many runs of one arm a measure that is a p is small enough."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from repro.claim.scalars import Fraction, Name, UpToOne
from repro.questions.arms import OneArm
from repro.questions.base import Claim
from repro.questions.effect_rule import Directed
from repro.questions.evidence import Evidence
from repro.questions.observations import Arm
from repro.questions.statistics import Effect, Sampling, count
from repro.questions.units import COUNT, Unit, seed_list, typeset
from repro.store import Table


class Count(Directed, OneArm):
    """How many of one arm's runs show it: their measure, a p, is at most `at_most`. Without an effect that share of all
    runs would, by chance."""

    kind: Literal["count"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    at_most: Fraction = Field(description="the p at or below which a run shows it")
    paper: UpToOne | None = Field(description="the paper's share of runs; null where it prints none")
    within: list[UpToOne] = Field(min_length=2, max_length=2, description="the band that counts as reproduced")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    power: ClassVar = "exact"
    what: ClassVar = "share of runs"
    dots: ClassVar = " (100: it shows the effect)"
    has_mean: ClassVar = False
    none_label: ClassVar = "by chance"

    @property
    def unit(self) -> Unit:
        return COUNT

    @property
    def direction(self) -> str:
        """More runs than chance gives."""
        return f"above {self.at_most:g}"

    @property
    def no_effect(self) -> float:
        return self.at_most

    @property
    def smallest(self) -> float:
        return self.band[0]

    def least_from(self) -> str:
        return "the near end of the band"

    def others_number(self) -> tuple[float, float, str]:
        return 0, 1, "a fraction of runs above 0 and up to 1, as rule.paper"

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        return count(arms[0].observations, self.at_most, self.confidence)

    def sampling(self, evidence: Evidence) -> Sampling | None:
        return None if evidence.effect is None else Sampling("count", evidence.effect.n)

    def one_sided_p(self, evidence: Evidence, bound: float, side: int) -> float:
        from scipy.special import bdtr, bdtrc

        effect = evidence.effect
        assert effect is not None
        assert effect.estimate is not None
        runs = round(effect.n * effect.estimate)
        if side < 0:
            return float(bdtr(runs, effect.n, bound))
        return float(bdtrc(runs - 1, effect.n, bound)) if runs else 1.0

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        assert effect.estimate is not None
        whose = f" with {claim.label(self.of[0])}" if len(claim.arms) > 1 else ""
        return (
            f"In {round(effect.estimate * effect.n)} of {effect.n} runs{whose} {claim.measure.shows} (p at most "
            f"{self.at_most:g}; {100 * effect.confidence:g} % interval {typeset(effect.interval_words)} % of runs)."
        )

    def short_effect(self, effect: Effect) -> str:
        assert effect.estimate is not None
        return f"{round(effect.estimate * effect.n)} of {effect.n} runs ({typeset(effect.interval_words)} %)"

    def one_method(self, claim: Claim) -> str:
        return (
            f"A run shows the effect if p is at most {self.at_most:g}, as {self.unit.printed(self.at_most)} would by "
            f"chance. The effect is the share of such runs over judging {seed_list(claim.seeds)}, with an exact "
            f"{100 * self.confidence:g} % interval (Clopper and Pearson)."
        )

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        return f"runs with a {claim.measure.name()} of at most {self.at_most:g}, percent"
