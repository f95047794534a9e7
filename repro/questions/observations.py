"""What is wanted of a run, what a run showed, and what became of an arm: its rates, and its judged runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, inf, log
from typing import Literal

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.questions.levels import Goal, Level, goal_of
from repro.store import Table
from repro.store.rows import Row

Status = Literal["reached", "not reached", "not started", "diverged", "failed", "missing"]  # of an observation
# Of a rate. not learned: of one rate for all arms; near: within 10 % of the best; stopped: by a bound on its time.
State = Literal["chosen", "not learned", "near", "slower", "stopped", "diverged", "failed", "not reached", "running"]


@dataclass(frozen=True)
class Want:
    """A run that a claim wants: trained for `epochs`, or until the level is reached, whichever is first; and looked at
    then, where an `evaluation` is wanted of it."""

    config: RunConfig | TimingConfig
    epochs: int
    level: Level | None
    label: str  # for people: arm, rate, seed, and whether it tunes or judges
    evaluation: Evaluation | None = None
    weights: bool = False  # whether its weights after `epochs` are wanted, for another run to start from
    horizon: int = 0  # the claim's, where a pass of tuning is shorter

    @property
    def goal(self) -> Goal:
        """How far the run is wanted."""
        assert isinstance(self.config, RunConfig)
        return goal_of(self.config, self.epochs, self.level, self.horizon)

    def satisfied_in(self, table: Table) -> bool:
        """Return whether the table has all that is wanted: the run, and the evaluation of a net that there is."""
        run = table.get(self.config.id)
        if run is None or run.failed is not None:
            return run is not None
        if isinstance(self.config, TimingConfig):
            return run.timed is not None
        lost = self.goal.lost(run.epochs)
        left = not self.weights or lost or run.kept(self.epochs)
        evaluated = self.evaluation is None or lost or self.evaluation.id in table
        return left and evaluated and self.goal.met(run.epochs)


@dataclass(frozen=True)
class Observation:
    """The measure of one run. `value` is None where it is not there: of a time, where it was not reached by `horizon`.

    A time is in epochs, whatever a page prints it in (`per_epoch`): so horizons and tuning speak one language.
    """

    seed: int
    run: str
    value: float | None
    horizon: float  # epochs that were seen, at most `limit`; what a time without a value is known to exceed
    status: Status
    limit: float  # epochs looked up to: a run that diverged before takes longer
    evaluation: str | None = None  # of the run, where the measure is read off one

    @property
    def censored(self) -> bool:
        """Whether it was trained to its horizon without reaching the level: a result that is open to one side."""
        return self.status in ("not reached", "not started", "diverged")

    @property
    def at_least(self) -> float:
        """The value of a time, or what is known to be below it."""
        if self.value is not None:
            return self.value
        return self.limit if self.status == "diverged" else self.horizon


@dataclass(frozen=True)
class Rate:
    """One rate of one arm: its tuning seeds and what became of it."""

    rate: float
    observations: tuple[Observation, ...]
    state: State

    @property
    def mean(self) -> float | None:
        """Geometric mean of the epochs to the level over the tuning seeds; None unless all of them reached it."""
        return self.at_least if all(o.value is not None for o in self.observations) else None

    @property
    def at_least(self) -> float:
        """The geometric mean, or what counts as a lower bound of it: what has not reached the level takes longer than
        was looked up to, also a run that was not continued, and a rate on which a seed diverged or failed is no choice
        however long."""
        if any(o.status in ("diverged", "failed") for o in self.observations):
            return inf
        return geometric_mean([o.limit if o.value is None else o.value for o in self.observations])


@dataclass(frozen=True)
class Tuning:
    """An arm's tuning. `chosen` is None while it runs and where no rate could be chosen."""

    arm: str
    rates: tuple[Rate, ...]
    chosen: float | None
    at_end: bool  # the chosen rate is an end of the grid, and the grid may not be extended further


@dataclass(frozen=True)
class Arm:
    """One arm: its tuning and its judged runs."""

    name: str
    tuning: Tuning | None
    rate: float | None  # chosen, or the claim's own
    observations: tuple[Observation, ...]
    curves: dict[int, list[float]]  # of a trace: by seed


def geometric_mean(values: list[float]) -> float:
    """Return the geometric mean of positive values."""
    return exp(fsum(map(log, values)) / len(values))


def has_fixed_error(row: Row) -> bool:
    """Return whether a row has the error on the fixed training photos."""
    return "fixed_error" in row or any("fixed_error" in half for half in row.get("halves", [])[-1:])


def fixed_error(row: Row) -> float:
    """Return the error on the fixed training photos, in test mode, after the epoch of a row that has it."""
    half = row["halves"][-1]  # runs of before the schedule of tests have it there
    return half["fixed_error"] if "fixed_error" in half else row["fixed_error"]
