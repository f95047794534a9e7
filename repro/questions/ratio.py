"""The ratio of two arms' measures: of times to a level or to convergence, or of images/s."""

from __future__ import annotations

from math import ceil, inf, isinf
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.scalars import Fraction, Name, Positive
from repro.questions.arms import TwoArms
from repro.questions.base import Claim
from repro.questions.effect_rule import Least
from repro.questions.observations import Arm
from repro.questions.statistics import Effect, ratio
from repro.questions.times import Converged, EpochsTo
from repro.questions.units import RATIO, Unit, times
from repro.store import Table

if TYPE_CHECKING:
    from repro.questions.evidence import Evidence
    from repro.questions.trial import Trial


class Ratio(TwoArms):
    """The ratio of two arms' measures."""

    kind: Literal["ratio"] = Field(description="the effect")
    of: list[Name] = Field(min_length=2, max_length=2, description="[numerator, denominator], two arms")
    paper: Positive | None = Field(description="the paper's number; null where it prints none")
    within: list[Positive | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    direction: Literal["above 1", "below 1", "none"] = Field(
        description="the paper's direction; none: it says that there is no effect, and the band is what counts as none"
    )
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")
    pairs: Literal["seeds", "none"] = Field("seeds", description="Student t on paired seeds, or Welch's")
    over: list[Name] = Field([], description="alternatives judged with the claim itself: the weakest of all decides")

    power: ClassVar = "exact"

    @property
    def unit(self) -> Unit:
        return RATIO

    @property
    def far(self) -> float:
        """The end of the band, as a ratio slow / fast, which an arm has to be followed past: its far end, or its near
        one where the far one is open."""
        low, high = self.band
        near, far = (low, high) if self.direction == "above 1" else (1 / high, inf if low == 0 else 1 / low)
        return near if isinf(far) else far

    def stated(self) -> str:
        return "no number" if self.paper is None else "no effect" if self.paper == 1 else f"{self.paper:g} times"

    def others_number(self) -> tuple[float, float, str]:
        return 0, inf, "a ratio above 0, as rule.paper"

    def horizon(self, trial: Trial, arm: str, first: int) -> int:
        """Return the first horizon; of the slow arm at least twice (the far end of the band x the slowest judged run of
        the fast arm), so that a censored run says something about the band."""
        if not self.side or not isinstance(trial.claim.measure, EpochsTo):
            return first
        slow, fast = self.of if self.side > 0 else self.of[::-1]
        if arm != slow:
            return first
        values = [o.value for o in trial.observations(fast, first) if o.value is not None]
        return max(first, ceil(2 * self.far * max(values, default=0)))

    def effect(self, claim: Claim, arms: tuple[Arm, ...], table: Table) -> Effect | None:
        numerator, denominator = arms
        return ratio(numerator.observations, denominator.observations, self.confidence, self.pairs)

    def rate_range(self, trial: Trial) -> tuple[float, float] | None:
        if trial.claim.tune is None or trial.claim.tune.choose != "fastest":
            return None
        near = []
        for name in self.of:
            means = [rate.mean for rate in trial.tunings[name].rates if rate.state in ("chosen", "near")]
            if not means:
                return None
            near.append([mean for mean in means if mean is not None])
        above, below = near
        return min(above) / max(below), max(above) / min(below)

    def not_comparable(self, evidence: Evidence) -> str:
        two = evidence.claim.measure.two_devices
        if evidence.device is None or (evidence.gpu and (evidence.apart or not two)):
            return ""
        if two:
            return "it was timed without two GPUs, one for each tower; where there are two, take --towers 2"
        return "it was timed without a GPU, whose work would hide that of the CPU"

    def open_because(self, evidence: Evidence) -> str:
        if evidence.effect is None and any(o.censored for arm in evidence.arms for o in arm.observations):
            return "both arms have runs that never reached the level, so neither side of the ratio is bounded"
        return super().open_because(evidence)

    def not_formed(self) -> str:
        return "No ratio could be computed."

    def effect_sentence(self, claim: Claim, effect: Effect) -> str:
        first, second = (claim.label(arm) for arm in self.of)
        sure, ours = effect.sure, effect.interval_words if effect.estimate is None else times(effect.estimate)
        measure = claim.measure
        if measure.timed:
            return f"With {first} the net trains {ours} times as many images/s as with {second} ({sure})."
        get = "come" if isinstance(measure, Converged) else "reach"
        needs = f"With {first} the net needs {ours} times as many {measure.per_epoch(claim)[0]} as with {second}"
        return f"{needs} to {get} {measure.goal(claim)} ({sure})."

    def effect_name(self, claim: Claim) -> str:
        return f"ratio of {claim.measure.per_epoch(claim)[0]}"

    def seed_words(self, value: float) -> str:
        return times(value)

    def method(self, claim: Claim, scale: str) -> list[str]:
        open_ = "If a run is censored there is no t interval, but a one-sided bound of known confidence. "
        if claim.measure.timed:
            open_ = ""  # every replicate has images/s
        return self.effect_method(claim, scale, "/", "log ratios", "log values", open_)

    def axis_title(self, claim: Claim, of_one: bool) -> str:
        unit = claim.measure.per_epoch(claim)[0]
        arms = f": {' / '.join(claim.label(arm) for arm in self.of)}" * of_one
        return f"ratio of {unit}{arms} (log scale)"
