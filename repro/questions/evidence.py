"""What a verdict is made of: the claim as it stands at a scale, its effect, and where the interval lies.

Cases ask these properties; pages fill a claim's own numbers into the sentences of the cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from repro.questions.statistics import Effect, TraceTest
from repro.questions.tuning import Arm
from repro.questions.words import shown
from repro.spec.claim import Claim
from repro.spec.rules import TraceRule, effect_of

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
        direction = getattr(self.claim.rule, "direction", "none")
        return 0 if direction == "none" else 1 if direction.startswith("above") else -1

    @property
    def least(self) -> float:
        """The smallest effect that still bears the sentence out."""
        least = getattr(self.claim.rule, "smallest", None)
        assert isinstance(least, float)
        return least

    @property
    def band(self) -> tuple[float, float]:
        """What counts as the same number; infinite, or 0 of a ratio, at an open end."""
        rule = self.claim.rule
        return (rule.offset_within[0], rule.offset_within[1]) if isinstance(rule, TraceRule) else rule.band

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
        if (found := self.interval) is None or not self.side:
            return False
        return found[1] < self.least - ROUNDING if self.side > 0 else found[0] > self.least + ROUNDING

    @property
    def beyond(self) -> bool:
        """Whether the interval lies wholly at or beyond `least`."""
        if (found := self.interval) is None or not self.side:
            return False
        return found[0] >= self.least - ROUNDING if self.side > 0 else found[1] <= self.least + ROUNDING

    @property
    def inside(self) -> bool:
        """Whether the interval lies wholly inside the band."""
        found, (low, high) = self.interval, self.band
        return found is not None and low - ROUNDING <= found[0] and found[1] <= high + ROUNDING

    @property
    def outside(self) -> bool:
        """Whether the interval lies wholly outside the band: beyond an end that the band has."""
        found, (low, high) = self.interval, self.band
        return found is not None and (found[0] > high + ROUNDING or found[1] < low - ROUNDING)

    @property
    def rates_inside(self) -> bool:
        """Whether the ratio over all rates within 10 % of the best lies in the band too."""
        low, high = self.band
        return self.rate_range is None or (low <= self.rate_range[0] and self.rate_range[1] <= high)

    @property
    def named(self) -> dict[str, str]:
        """The claim's own numbers, for the places of sentences."""
        rule = self.claim.rule
        out = NAMED | {"scale": self.scale}
        if isinstance(rule, TraceRule):
            low, high = rule.offset_within
            return out | {"band": f"{100 * low:+g} to {100 * high:+g} points", "p": f"{rule.p_above:g}"}
        kind = effect_of(rule)
        out["band"] = f"the band, {band_of(rule.band, kind)}"
        if self.side:
            out["least"] = size(self.least, kind)
        return out


NAMED = {
    "least": "the least effect that bears the sentence out",
    "band": "the claim’s band",
    "scale": "small or medium",
    "p": "0.05",
}


def size(value: float, kind: str) -> str:
    """Return an effect's size for people: `2.45`, `+0.7 points`, `80 % of runs`."""
    if kind == "ratio":
        return f"{value:.3g}"
    return shown(round(value, 6), kind)


def band_of(band: tuple[float, float], kind: str) -> str:
    """Return a band for people: `4 to 9`, `1.1 and more`, `up to 1.5`."""
    low, high = band
    if high == inf:
        return f"{size(low, kind)} and more"
    if low == -inf or (kind == "ratio" and low == 0):
        return f"up to {size(high, kind)}"
    return f"{size(low, kind)} to {size(high, kind)}"
