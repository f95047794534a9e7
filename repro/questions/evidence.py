"""What a verdict is made of: the claim as it stands at a scale, its effect, and where the interval lies.

Cases ask these properties; pages fill a claim's own numbers into the sentences of the cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from repro.questions.observations import Arm
from repro.questions.statistics import Effect, deviation, seeds_needed

if TYPE_CHECKING:
    from repro.questions.base import Claim
    from repro.questions.traces import TraceTest

ROUNDING = 1e-12  # an end of an interval that lies on a bound lies at it


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made of: the claim as it stands at a scale, its effect, and what became of the runs."""

    claim: Claim
    scale: str
    effect: Effect | None
    arms: tuple[Arm, ...]
    to_do: int
    rate_range: tuple[float, float] | None = None  # the ratio over all rates within 10 % of the best
    device: str | None = None  # of a timing
    gpu: bool = True  # whether that is a GPU
    apart: bool = True  # whether each tower of a net had one of its own
    trace: TraceTest | None = None
    failed: int = 0  # of a printed curve: seeds whose run failed, or diverged
    diverged: int = 0

    @property
    def n(self) -> int:
        """Judging seeds of the claim."""
        return len(self.claim.seeds)

    @property
    def side(self) -> int:
        """The sentence's side of no effect: 1 above, -1 below, 0 where it says that there is none."""
        return self.claim.rule.side

    @property
    def least(self) -> float:
        """The smallest effect that still bears the sentence out."""
        least = self.claim.rule.smallest
        assert least is not None
        return least

    @property
    def band(self) -> tuple[float, float]:
        """What counts as the same number; infinite, or 0 of a ratio, at an open end."""
        return self.claim.rule.band

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval that decides; None where there is none, or a bound of less than the claim's confidence."""
        if self.trace is not None:
            return self.trace.low, self.trace.high
        if self.effect is None or self.effect.confidence < self.claim.rule.confidence - ROUNDING:
            return None
        return self.effect.low, self.effect.high

    @property
    def short(self) -> bool:
        """Whether the interval lies wholly short of `least`, no effect and the other side included."""
        if (interval := self.interval) is None or not self.side:
            return False
        return interval[1] < self.least - ROUNDING if self.side > 0 else interval[0] > self.least + ROUNDING

    @property
    def beyond(self) -> bool:
        """Whether the interval lies wholly at or beyond `least`."""
        if (interval := self.interval) is None or not self.side:
            return False
        return interval[0] >= self.least - ROUNDING if self.side > 0 else interval[1] <= self.least + ROUNDING

    @property
    def inside(self) -> bool:
        """Whether the interval lies wholly inside the band."""
        interval, (low, high) = self.interval, self.band
        return interval is not None and low - ROUNDING <= interval[0] and interval[1] <= high + ROUNDING

    @property
    def outside(self) -> bool:
        """Whether the interval lies wholly outside the band: beyond an end that the band has."""
        interval, (low, high) = self.interval, self.band
        return interval is not None and (interval[0] > high + ROUNDING or interval[1] < low - ROUNDING)

    @property
    def rates_inside(self) -> bool:
        """Whether the ratio over all rates within 10 % of the best lies in the band too."""
        low, high = self.band
        return self.rate_range is None or (low <= self.rate_range[0] and self.rate_range[1] <= high)

    @property
    def named(self) -> dict[str, str]:
        """The claim's own numbers, for the places of sentences."""
        seeds = f"{self.claim.rule.seeds_below_paper}"
        return NAMED | {"scale": self.scale, "seeds": seeds} | self.claim.rule.named()


NAMED = {
    "least": "the smallest effect that supports the sentence",
    "band": "the claim’s band",
    "scale": "small or medium",
    "p": "0.05",
    "seeds": "five",
}


def settling(e: Evidence) -> str:
    """Return the smallest effect that would have decided, and how many seeds would settle the one found."""
    effect = e.effect
    if effect is None or effect.estimate is None or len(effect.per_seed) < 2:
        return "one side of the interval is open, so it is not known which effect would have decided"
    unit = effect.unit
    if not e.claim.rule.has_mean:
        return f"{effect.n} runs do not decide; more runs would narrow the interval"
    low, high, middle = (unit.to_scale(v) for v in (effect.low, effect.high, effect.estimate))
    spread = deviation([unit.to_scale(v) for v in effect.per_seed.values()])
    of_band = [v for v in e.band if isfinite(v) and v > unit.lowest]
    ends = [unit.to_scale(v) for v in ([e.least] if e.side else of_band)]
    bound = min(ends, key=lambda v: abs(middle - v))
    half = (high - low) / 2
    near, far = (unit.short(unit.from_scale(v)) for v in (ends[0] - half, ends[-1] + half))
    text = f"these runs would only have decided an effect below {near} or above {far}"
    if len(ends) > 1 and ends[0] + half <= ends[-1] - half:
        within = (unit.short(unit.from_scale(v)) for v in (ends[0] + half, ends[-1] - half))
        text += f", or one from {' to '.join(within)}, inside the band"
    elif len(ends) > 1:
        text += "; their interval is wider than the band, so none could have been found inside it"
    distance = abs(middle - bound)
    if effect.method.startswith("jackknife") or spread == 0 or distance < 0.02 * spread:  # its seeds are no pairs
        return text
    # with power 80 %; never fewer than those that have just failed to
    seeds = max(effect.n + 1, seeds_needed(distance, spread, effect.confidence))
    return f"{text}; about {seeds} seeds would decide one of {unit.short(effect.estimate)}"
