"""A measure: which runs are wanted, how a run is read, how values are written, and which sections of a page show them.

`Measure` has what every measure needs. A measure that reads one value off each training extends
`run_measure.RunMeasure`; a printed curve and a timing have what they need in their own modules. No caller asks which
kind a measure is.
"""

from __future__ import annotations

from abc import abstractmethod
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from repro.claim.config import Closed
from repro.questions.observations import Arm, Status, Want, geometric_mean

if TYPE_CHECKING:
    from repro.claim.overlays import Layers
    from repro.claim.problems import Problem
    from repro.draw.parts import Section
    from repro.questions.base import Claim
    from repro.questions.exhibit import Exhibit
    from repro.questions.trial import Trial

# The names in sentences of the series that every run records.
SERIES = {
    "train_error": "running training error",
    "train_loss": "training loss",
    "held_out_error": "held-out error",
    "test_error": "test error",
    "test_top5": "top-5 test error",
    "fixed_error": "training error in test mode",
    "gap": "test error minus training error",
}


class MeasuredRun(NamedTuple):
    """One row of `repro.columns.MEASURES`: the columns that tables of pages are made of. None: an empty cell."""

    arm: str
    label: str
    use: str
    rate: float | None
    seed: int
    run: str
    evaluation: str | None
    value: float | None
    unit: str
    status: Status
    horizon: float


class Measure(Closed):
    """What is read off a run."""

    if TYPE_CHECKING:

        @property
        def kind(self) -> str: ...
        @property
        def metric(self) -> str: ...

    judged_by: ClassVar[tuple[str, ...]] = ("ratio",)  # the kinds of rules that fit it
    names: ClassVar[dict[str, str]] = {}  # the names in sentences of metrics that no run records as a series
    is_time: ClassVar[bool] = False  # whether a run that ended before its level gives a lower bound
    has_level: ClassVar[bool] = False  # whether a rate can be chosen as the fastest to its level
    is_end: ClassVar[bool] = False  # whether it is read after the last epoch, whichever that is
    longer_epochs: ClassVar[bool] = False  # whether it may be read where held-out images were folded in
    timed: ClassVar[bool] = False  # whether it is read off a timing, not off a training
    of_each: ClassVar[str] = "judging seed"  # what one value is of
    shows: ClassVar[str] = ""  # of a p: what a run shows where it is small enough
    is_evaluation: ClassVar[bool] = False  # whether it is read off an evaluation of a finished run
    ending: ClassVar[str] = ""  # the unit of its values, appended to its name

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        """Return what is wrong with the measure for the claim's data and training."""
        return []

    def name(self) -> str:
        """Return the name of the metric in sentences."""
        return self.names.get(self.metric) or SERIES[self.metric]

    def goal(self, claim: Claim) -> str:
        """Return what runs are to reach, or what is read off them at the end, in words."""
        return self.name()

    def printed_level(self) -> float | None:
        """Return the level of a time to which the paper prints epochs; None for other measures."""
        return None

    def per_epoch(self, claim: Claim) -> tuple[str, float]:
        """Return (unit, n): the unit in which pages print times, and the number n of them in an epoch."""
        return "epochs", 1

    def column(self, claim: Claim) -> tuple[str, float]:
        """Return (unit, n): the unit of values in exported tables, and the number n of them in one of ours."""
        return self.per_epoch(claim) if self.is_time else ("fraction", 1)

    def written(self, claim: Claim, value: float) -> str:
        """Return a value for people: a time in the claim's unit, an error in percent, a difference in points, a p."""
        name, each = self.per_epoch(claim)
        return f"{value * each:.0f}" if name == "updates" else f"{value:.2f}"

    def cell(self, claim: Claim, row: MeasuredRun) -> str:
        """Return the measure of a run for people, or what became of the run."""
        _, each = self.column(claim)
        if row.value is not None:
            return self.written(claim, row.value / each)
        if row.status == "diverged":
            return f"diverged in epoch {row.horizon / each:g}"
        if row.status == "not started" and not self.is_time:
            return "learned nothing"
        if row.status in ("not started", "not reached"):
            ended = ", did not start to learn" if row.status == "not started" else ""
            return f"> {row.horizon:g}{ended}"
        return {"missing": "not run", "failed": "failed"}[row.status]

    def mean(self, arm: Arm) -> float | None:
        """Return the mean of an arm's values over its judging seeds, for times the geometric mean; None unless every
        seed has a value."""
        values = [o.value for o in arm.observations if o.value is not None]
        if not values or len(values) < len(arm.observations):
            return None
        return geometric_mean(values) if self.is_time else fmean(values)

    @abstractmethod
    def wants(self, trial: Trial, arms: list[str]) -> list[Want]:
        """Return the judging runs of these arms that are wanted, finished ones among them."""

    @abstractmethod
    def arm(self, trial: Trial, name: str) -> Arm:
        """Return an arm with its tuning and its judged runs."""

    def timed_on(self, trial: Trial) -> str | None:
        """Return the device that the table has most timings of; None for a measure that is no timing."""
        return None

    def device(self, trial: Trial) -> tuple[str | None, bool]:
        """Return the device that was timed, and whether that is a GPU; (None, True) for a measure that is no timing."""
        return None, True

    @property
    def two_devices(self) -> bool:
        """Whether each tower of a net is to be timed on a device of its own."""
        return False

    def apart(self, trial: Trial) -> bool:
        """Return whether each tower had a device of its own in what was timed."""
        return False

    @abstractmethod
    def measured(self, claim: Claim) -> str:
        """Return how the measure is read off a run, in sentences, each number the claim's own."""

    def sections(self, exhibit: Exhibit) -> list[Section]:
        """Return the sections of a page about what was measured."""
        from repro.questions.sections import sections  # drawn by pages alone

        return sections(exhibit)
