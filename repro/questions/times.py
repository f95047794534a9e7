"""Time to a level: epochs or updates until a metric first falls to it, and epochs until a run has converged."""

from __future__ import annotations

from math import ceil
from statistics import median
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from repro.claim.overlays import Layers
from repro.claim.problems import Problem
from repro.claim.resolve import classes
from repro.claim.scalars import Fraction
from repro.questions.base import Claim
from repro.questions.levels import (
    Goal,
    Level,
    Place,
    Points,
    chance,
    converged,
    files_of,
    goal_of,
    held_out_errors,
    updates_an_epoch,
)
from repro.questions.observations import Observation
from repro.questions.run_measure import Prefix, RunMeasure
from repro.store import Run
from repro.store.rows import Row
from repro.train.minibatches import RECORDED

if TYPE_CHECKING:
    from repro.questions.trial import Trial

MOST = 4  # times the claim's horizon: how long a run is followed for its best (assumed)
CENSORED = (
    "is censored: it counts as slower than that, and is never dropped. One whose loss stayed above its first epoch's "
    "is not continued, and counts as slower than it was trained."
)


class EpochsTo(RunMeasure):
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

    judged_by: ClassVar = ("ratio", "order")
    is_time: ClassVar = True
    has_level: ClassVar = True
    longer_epochs: ClassVar = True

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        top = chance(self.metric, len(classes(claim.data)))
        text = f"measure.level: found {self.level:g}; expected below {top:.4g}, what chance gives"
        return [layers.problem(("measure", "level"), text)] if self.level >= top else []

    def goal(self, claim: Claim) -> str:
        name = self.name()
        return f"{100 * self.level:g} % {name}" if name.endswith("error") else f"a {name} of {self.level:g}"

    def level_of(self, claim: Claim) -> Level:
        start = chance(self.metric, len(classes(claim.data)))
        assert self.level < start, "a level that chance meets takes no time; the claim's check refuses it"
        return Level(self.metric, self.level, files_of(claim), start, self.at)

    def late(self, rows: list[Row], goal: Goal, started: bool) -> bool:
        return len(rows) >= goal.half and not started

    def printed_level(self) -> float:
        return self.level

    def measured(self, claim: Claim) -> str:
        places = {
            "files": "It is the mean of an interval and is placed at the interval's middle. The interval is a data "
            "file while every update is recorded, later an epoch.",
            "middle": "It is the mean of an epoch and is placed at the epoch's middle.",
            "end": "It is the mean of an epoch and is placed at the epoch's end; epoch 0 has the chance level.",
            "start": "It is the mean of an epoch and is placed at the epoch's start.",
        }
        return (
            f"The measure is the number of epochs to {self.goal(claim)}. {places[self.at]} The time is where the "
            "lowest value so far first falls to the level, with straight lines between these points. A run that has "
            f"not reached it by its horizon, {claim.train.epochs} epochs or more, {CENSORED}"
        )


class UpdatesTo(RunMeasure):
    """Updates until the mean training loss of the last `window` minibatches is below a share of what chance gives."""

    kind: Literal["updates_to"] = Field(description="the measure")
    metric: Literal["train_loss"] = Field(description="what is followed")
    of_chance: Fraction = Field(description="the level, as a share of ln C, the loss of a net that has learned nothing")
    window: int = Field(50, gt=0, description="updates averaged over (assumed)")
    at: Literal["middle", "end"] = Field("middle", description="where in its window the mean stands (assumed)")

    judged_by: ClassVar = ("ratio", "order")
    is_time: ClassVar = True
    has_level: ClassVar = True
    diverged_epoch: ClassVar = True

    def nats(self, classes: int) -> float:
        """Return the level in nats."""
        return self.of_chance * chance(self.metric, classes)

    def goal(self, claim: Claim) -> str:
        return f"a {self.name()} of {self.of_chance:g} times the chance level (mean of {self.window} updates)"

    def per_epoch(self, claim: Claim) -> tuple[str, float]:
        return "updates", updates_an_epoch(claim)

    def level_of(self, claim: Claim) -> Level:
        many = len(classes(claim.data))
        return Level(
            self.metric, self.nats(many), files_of(claim), chance(self.metric, many), self.at, self.window
        )  # fmt: skip

    def seen_until(self, claim: Claim, limit: float) -> float:
        return min(limit, RECORDED / updates_an_epoch(claim))  # what no record shows cannot be looked at

    def measured(self, claim: Claim) -> str:
        most = min(RECORDED, claim.train.epochs * int(self.per_epoch(claim)[1]))
        many = len(classes(claim.data))
        windows = {"middle": "their middle", "end": "the last of them"}
        return (
            f"The measure is the number of updates to {self.goal(claim)}: {self.nats(many):.3f} nats, since there are "
            f"C = {many:,} classes and ln C is the loss of a net that has learned nothing. The mean of "
            f"{self.window} updates is placed at {windows[self.at]}. A run that has not "
            f"reached the level after {most:,} updates {CENSORED}"
        )


class Converged(RunMeasure):
    """Epochs until the held-out error is first near the run's own best: of half epochs, medians of three.

    A run is followed to twice that time, so that its best is known.
    """

    kind: Literal["converged"] = Field(description="the measure")
    metric: Literal["held_out_error"] = Field(description="what is followed")
    near: Fraction = Field(description="how far above its best counts as converged, as a fraction of images")

    is_time: ClassVar = True

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        lacking = "data.crop" if claim.data.crop is None else "data.held_out"
        text = f"measure.metric: {self.metric} is recorded of crops only; expected {lacking}"
        there = claim.data.crop is not None and claim.data.held_out
        return [] if there else [layers.problem(("measure", "metric"), text)]

    def goal(self, claim: Claim) -> str:
        return f"within {100 * self.near:g} points of its own lowest {self.name()}"

    def horizon(self, trial: Trial, arm: str) -> int:
        """Return the epochs to which the arm's runs are followed so that each has gone on for twice the time to its
        best.

        Found step by step, each from runs that have all come as far as the one before: epochs that others trained
        beyond it change nothing.
        """
        claim = trial.claim
        configs = [trial.config(arm, seed) for seed in claim.seeds]
        runs = [trial.table.get(config.id) for config in configs]
        horizon, most = claim.train.epochs, MOST * claim.train.epochs
        while all(run and (run.failed or goal_of(configs[0], horizon).met(run.epochs)) for run in runs):
            times = [converged(held_out_errors(run.epochs[:horizon]), self.near) for run in runs if run]
            longer = min(most, max([horizon, *(ceil(2 * time) for time in times if time is not None)]))
            if longer == horizon:
                break
            horizon = longer
        return horizon

    def read(self, claim: Claim, rows: list[Row], level: Level | None) -> float | None:
        time = converged(held_out_errors(rows), self.near)
        return time if time is not None and 2 * time <= len(rows) else None

    def exceeded(self, prefix: Prefix) -> float:
        """Return the time read so far, which only grows while a run goes on; 1, the first there can be, of fewer than
        three errors."""
        return converged(held_out_errors(prefix.rows), self.near) or 1.0

    def curve(self, claim: Claim, observation: Observation, run: Run) -> tuple[Points, tuple[float, float] | None]:
        errors = held_out_errors(run.epochs[: ceil(observation.limit)])
        halves = [((i + 2) / 2, median(errors[i : i + 3])) for i in range(len(errors) - 2)]
        return halves, next((point for point in halves if point[0] == observation.value), None)

    def note(self, claim: Claim) -> str:
        return f"Dots: {self.goal(claim)}."

    def measured(self, claim: Claim) -> str:
        return (
            f"The measure is the number of epochs until a run is first {self.goal(claim)}. The error is measured every "
            "half epoch, in test mode, and smoothed by medians of three. A run goes on for twice that time, so that "
            f"its lowest error is known, but for {MOST * claim.train.epochs} epochs at most. A run that still improves "
            "there is censored: it counts as slower than the time read so far, which only grows, and is never dropped."
        )
