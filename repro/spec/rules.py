"""What a claim reads off a run and by which rule it judges that: closed models, told apart by their `kind`."""

from __future__ import annotations

from math import ceil, inf, isinf, log, sqrt
from typing import Literal

from pydantic import Field

from repro.spec.config import Closed
from repro.spec.scalars import Fraction, Name, Number, Positive, Share, Text, UpToOne

NO_EFFECT = {"ratio": 1.0, "difference": 0.0}  # by kind of rule; a value has none


def chance(metric: str, classes: int) -> float:
    """The metric of a net that has learned nothing: where every curve stands at epoch 0."""
    return log(classes) if metric.endswith("loss") else 1 - 1 / classes


Place = Literal["files", "middle", "end", "start"]


class EpochsTo(Closed):
    """Epochs until a running metric first falls to a level, on straight lines between its intervals."""

    kind: Literal["epochs_to"] = Field(description="the measure")
    metric: Literal["train_error", "train_loss"] = Field(description="what is followed")
    level: float = Field(gt=0, description="the level to reach, below what chance gives")
    at: Place = Field(
        "files",
        description="where the metric, a mean of an interval, stands. files: at the middle of each data file while "
        "every update is recorded, then of each epoch; middle, end, start: there in each epoch (assumed; the "
        "original's plotting script draws an epoch's files from its start)",
    )


class UpdatesTo(Closed):
    """Updates until the mean training loss of the last `window` minibatches is below a share of what chance gives."""

    kind: Literal["updates_to"] = Field(description="the measure")
    metric: Literal["train_loss"] = Field(description="what is followed")
    of_chance: Fraction = Field(description="the level, as a share of ln C, the loss of a net that has learned nothing")
    window: int = Field(50, gt=0, description="updates averaged over (assumed)")
    at: Literal["middle", "end"] = Field("middle", description="where in its window the mean stands (assumed)")

    def nats(self, classes: int) -> float:
        """The level in nats."""
        return self.of_chance * chance(self.metric, classes)


class Converged(Closed):
    """Epochs until the held-out error is first near the run's own best: of half epochs, medians of three.

    A run is followed to twice that time, so that its best is known.
    """

    kind: Literal["converged"] = Field(description="the measure")
    metric: Literal["held_out_error"] = Field(description="what is followed")
    near: Fraction = Field(description="how far above its best counts as converged, as a fraction of images")


class FinalValue(Closed):
    """The metric after the last epoch."""

    kind: Literal["final"] = Field(description="the measure")
    metric: Literal[
        "test_error",
        "test_top5",
        "views_error",
        "views_top5",
        "fixed_error",
        "gap",
        "shifted_error",
        "shifted_rise",
    ] = Field(
        description="error of the centre view or of ten views averaged (§4.1), in one answer or five; "
        "fixed_error: of 1,000 photos trained on, in test mode; gap: test error less that; "
        "shifted_error: with the test photos' colours shifted (§4.1), shifted_rise: that less the test error"
    )


class TraceMeasure(Closed):
    """The running training error over the first updates, averaged over stretches of `every` updates."""

    kind: Literal["trace"] = Field(description="the measure")
    metric: Literal["train_error"] = Field(description="what is followed")
    every: int = Field(gt=0, description="updates per point")


class Throughput(Closed):
    """Images/s of training, loading and augmentation included: nothing is learned that is looked at.

    A replicate is a process of its own, `seeds` are their numbers. In each, the arms take turns for `rounds` rounds of
    `updates` updates; the median of the rounds counts.
    """

    kind: Literal["throughput"] = Field(description="the measure")
    metric: Literal["images_per_second"] = Field(description="what is timed")
    updates: Number = Field(description="updates of a round")
    rounds: Number = Field(description="rounds of each arm in a replicate, of which the median counts")
    warm: int = Field(1, ge=1, description="rounds before those, which prepare kernels and memory and do not count")


class Least(Closed):
    """Another smallest effect than the one rule gives."""

    size: float = Field(description="the smallest effect that still bears the sentence out")
    why: Text = Field(description="the reason, from the paper's text, never from a spread")


class Rule(Closed):
    """How an effect is judged."""

    @property
    def band(self) -> tuple[float, float]:
        """What counts as the same number; infinite at an open end, of a ratio 0 below."""
        low, high = getattr(self, "within")  # noqa: B009  # every rule has its own, in its own unit
        return (0.0 if isinstance(self, Ratio) else -inf) if low is None else low, inf if high is None else high

    @property
    def endless(self) -> bool:
        """Whether an end of the band is open."""
        return None in getattr(self, "within")  # noqa: B009

    @property
    def smallest(self) -> float | None:
        """The smallest effect that still bears the sentence out: half of the printed one (of a ratio its root), or the
        near end of the band where no number is printed, or of a count of runs; None where the sentence has no side."""
        direction = getattr(self, "direction", "none")
        if direction == "none":
            return None
        stated, paper = getattr(self, "least", None), getattr(self, "paper", None)
        if stated is not None:
            return float(stated.size)
        if paper is None or isinstance(self, Count):
            return self.band[0] if direction.startswith("above") else self.band[1]
        return sqrt(paper) if isinstance(self, Ratio) else paper / 2


class Ratio(Rule):
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

    @property
    def far(self) -> float:
        """The end of the band, as a ratio slow / fast, which an arm has to be followed past: its far end, or its near
        one where the far one is open."""
        low, high = self.band
        near, far = (low, high) if self.direction == "above 1" else (1 / high, inf if low == 0 else 1 / low)
        return near if isinf(far) else far


class Difference(Rule):
    """The difference of two arms' measures, as a fraction of images: 0.014 is 1.4 points."""

    kind: Literal["difference"] = Field(description="the effect")
    of: list[Name] = Field(min_length=2, max_length=2, description="[minuend, subtrahend], two arms")
    paper: Share | None = Field(description="the paper's number; null where it prints none")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    direction: Literal["above 0", "below 0", "none"] = Field(
        description="the paper's direction; none: it says that there is no effect, and the band is what counts as none"
    )
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")
    pairs: Literal["seeds", "none"] = Field("seeds", description="Student t on paired seeds, or Welch's")
    over: list[Name] = Field([], description="alternatives judged with the claim itself: the weakest of all decides")


class Change(Rule):
    """One arm's measure where that is a difference already, of one net looked at in two ways; a fraction of images."""

    kind: Literal["change"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    paper: Share | None = Field(description="the paper's number; null where it prints none")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    direction: Literal["above 0", "below 0", "none"] = Field(
        description="the paper's direction; none: it says that there is no effect, and the band is what counts as none"
    )
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")


class Count(Rule):
    """How many of one arm's runs show it: their measure, a p, is at most `at_most`. Without an effect that share of all
    runs would, by chance."""

    kind: Literal["count"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    at_most: Fraction = Field(description="the p at or below which a run shows it")
    paper: UpToOne | None = Field(description="the paper's share of runs; null where it prints none")
    within: list[UpToOne] = Field(min_length=2, max_length=2, description="the band that counts as reproduced")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    @property
    def direction(self) -> str:
        """More runs than chance gives."""
        return f"above {self.at_most:g}"


class Ensemble(Rule):
    """The answers of several of one arm's nets averaged; a fraction of images.

    One ensemble is one observation, so the mean over all ensembles of `size` seeds has a jackknife interval over seeds.
    """

    kind: Literal["ensemble"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    size: int = Field(ge=2, le=10, description="nets that are averaged")
    judges: Literal["gain", "error"] = Field(
        description="how much lower its error is than its members' mean, or the error itself"
    )
    paper: Fraction | None = Field(description="the paper's number; null where it prints none")
    within: list[Share | None] = Field(
        min_length=2, max_length=2, description="the band that counts as the same number; null at an end that is open"
    )
    least: Least | None = Field(None, description="the smallest effect that bears it out, where the rule gives another")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    @property
    def direction(self) -> str:
        """Averaging helps."""
        return "above 0"


class Value(Rule):
    """One arm's measure itself, as a fraction of images: 0.407 is an error of 40.7 %."""

    kind: Literal["value"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    paper: Fraction = Field(description="the paper's number")
    within: list[Fraction] = Field(min_length=2, max_length=2, description="the band that counts as reproduced")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")


class Rate(Rule):
    """One arm's images/s against the paper's, which were those of named hardware: elsewhere it is not comparable."""

    kind: Literal["rate"] = Field(description="the effect")
    of: list[Name] = Field(min_length=1, max_length=1, description="the arm")
    paper: Positive = Field(description="the paper's images/s")
    within: list[Positive] = Field(min_length=2, max_length=2, description="the band that counts as reproduced")
    on: Text = Field(description="the hardware of the paper's number, as a part of its device's name")
    images: Number = Field(description="images of one cycle through the training set")
    cycles: Number = Field(description="cycles of a training, for the days that it takes")
    confidence: Fraction = Field(0.95, description="of the interval (assumed)")

    def days(self, rate: float) -> float:
        """Days that all cycles take at `rate` images/s."""
        return self.images * self.cycles / rate / 86400


class TraceRule(Closed):
    """Our curves against the author's one curve."""

    kind: Literal["trace"] = Field(description="the effect")
    authors: list[Fraction] = Field(min_length=2, description="the author's printed points")
    p_above: Fraction = Field(description="told apart at or below this p")
    offset_within: list[Share] = Field(
        min_length=2, max_length=2, description="band of the mean offset, ours minus the author's"
    )
    confidence: Fraction = Field(0.95, description="of the prediction interval (assumed)")

    @property
    def seeds_needed(self) -> int:
        """How many curves of ours it takes before the author's, ranked among them, can have p at or below `p_above`."""
        return ceil(1 / self.p_above - 1e-9) - 1


def effect_of(rule: AnyRule) -> str:
    """What the rule's effect is: a ratio, a difference, a value, a count, a rate or a trace."""
    if rule.kind == "ensemble":
        return "difference" if rule.judges == "gain" else "value"
    return "difference" if rule.kind == "change" else rule.kind


AnyRule = Ratio | Difference | Change | Count | Ensemble | Value | Rate | TraceRule
