"""Measures that read one value off each training: off its recorded rows, or off an evaluation of its net."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from repro.claim.config import RunConfig
from repro.claim.evaluation import Evaluation
from repro.claim.resolve import epochs_of
from repro.questions.effect_rule import EffectRule
from repro.questions.levels import Goal, Level, Points, Rows, goal_of
from repro.questions.measure import Measure
from repro.questions.observations import Arm, Observation, Status, Want
from repro.store import Run, Table

if TYPE_CHECKING:
    from repro.questions.base import Claim
    from repro.questions.trial import Trial


@dataclass(frozen=True)
class Prefix:
    """The epochs of one run up to the limit of `limit` epochs, which may be a fraction."""

    config: RunConfig
    rows: Rows
    goal: Goal
    limit: float

    @cached_property
    def diverged(self) -> bool:
        """Whether the run diverged in these epochs."""
        return self.rows[-1]["diverged"] is not None

    @cached_property
    def started(self) -> bool:
        """Whether the net had learned something by half of the horizon: before, its values are chance's."""
        return self.goal.started(self.rows)

    @property
    def bound(self) -> float:
        """The epochs that a run without a value is known to take more than: those of a run that diverged or was not
        continued though it could still learn; of others the limit."""
        last = min(self.limit, self.rows[-1]["epoch"])
        given_up = self.goal.hopeless(self.rows) and not self.goal.dead(self.rows)
        return last if self.diverged or given_up else self.limit

    def observation(
        self, status: Status, value: float | None = None, horizon: float | None = None, evaluation: str | None = None
    ) -> Observation:
        """Return the run's observation; where none is given, its horizon is the limit, or `bound` without a value."""
        if horizon is None:
            horizon = self.bound if value is None else self.limit
        return Observation(self.config.seed, self.config.id, value, horizon, status, self.limit, evaluation)


class RunMeasure(Measure):
    """One value that is read off each training."""

    diverged_epoch: ClassVar[bool] = False  # whether the updates of an epoch that diverged count up to there

    def level_of(self, claim: Claim) -> Level | None:
        """Return the level that a run is to reach; None where it is read after a set time."""
        return None

    def evaluation_of(self, claim: Claim, config: RunConfig, epochs: float) -> Evaluation | None:
        """Return the evaluation that has the value, after so many epochs; None where the run's own rows have it."""
        return None

    def horizon(self, trial: Trial, arm: str) -> int:
        """Return the epochs after which a judging run of `arm` counts as censored: its first horizon, or longer."""
        rule = trial.claim.rule
        assert isinstance(rule, EffectRule)
        return rule.horizon(trial, arm, epochs_of(trial.claim, arm))

    def wants(self, trial: Trial, arms: list[str]) -> list[Want]:
        out, claim = [], trial.claim
        for arm in arms:
            if trial.tunings and trial.tunings[arm].chosen is None:
                continue  # no rate could be chosen: nothing to judge
            horizon = trial.horizon(arm)
            for seed in claim.seeds:
                config = trial.config(arm, seed)
                evaluation = self.evaluation_of(claim, config, horizon)
                label = f"{claim.label(arm)}, seed {seed}"
                out.append(Want(config, horizon, self.level_of(claim), label, evaluation))
        return out

    def arm(self, trial: Trial, name: str) -> Arm:
        observations = trial.observations(name, trial.horizon(name))
        return Arm(name, trial.tunings.get(name), trial.rate(name), observations, {})

    # How a run is read.

    def read(self, claim: Claim, rows: Rows, level: Level | None) -> float | None:
        """Return the value of a run from the epochs in which it did not diverge, a time in epochs; None where they do
        not have it."""
        return None if level is None else level.time(rows)

    def exceeded(self, prefix: Prefix) -> float:
        """Return the epochs that a run without a value is known to take more than, where it is a time."""
        return prefix.bound

    def seen_until(self, claim: Claim, limit: float) -> float:
        """Return the epochs up to which a run's rows can be read."""
        return limit

    def late(self, rows: Rows, goal: Goal, started: bool) -> bool:
        """Return whether a run that has not reached its level is one that never started."""
        return False

    def value_of(self) -> str:
        """Return the name of the value that is read off an evaluation."""
        return self.metric

    def observe(self, claim: Claim, config: RunConfig, table: Table, limit: float, horizon: int) -> Observation:
        """Return the value of the run of `config` within `limit` epochs, whatever was trained beyond them.

        `horizon`: its arm's first, by half of which it has started also where `limit` is shorter. The status is
        `missing` while the run is not there or too short, and `failed` where it cannot be trained.
        """
        goal = goal_of(config, ceil(limit), self.level_of(claim), horizon)
        run = table.get(config.id)
        rows = run.epochs if run else []
        if run is None or not goal.met(rows):
            status: Status = "failed" if run and run.failed else "missing"
            return Observation(config.seed, config.id, None, len(rows), status, limit)
        limit = self.seen_until(claim, limit)
        prefix = Prefix(config, rows[: ceil(limit)], goal, limit)
        evaluation = self.evaluation_of(claim, config, limit)
        return self._in_rows(claim, prefix) if evaluation is None else self._in_evaluation(prefix, evaluation, table)

    def _in_rows(self, claim: Claim, prefix: Prefix) -> Observation:
        """Return the value that is read off a run's recorded rows."""
        level, diverged = prefix.goal.level, prefix.diverged
        if not self.has_level and not diverged and not prefix.started:
            return prefix.observation("not started", horizon=self.exceeded(prefix))
        # an epoch in which it diverged has no error
        rows = prefix.rows[:-1] if diverged and not self.diverged_epoch else prefix.rows
        value = self.read(claim, rows, level)
        if value is not None and not (diverged and level is None):
            return prefix.observation("reached", value)
        if diverged:
            return prefix.observation("diverged")
        late = self.late(prefix.rows, prefix.goal, prefix.started)
        return prefix.observation("not started" if late else "not reached", horizon=self.exceeded(prefix))

    def _in_evaluation(self, prefix: Prefix, evaluation: Evaluation, table: Table) -> Observation:
        """Return the value that is read off an evaluation, which may not be there."""
        if prefix.diverged:  # there is no net to evaluate
            return prefix.observation("diverged")
        if prefix.goal.hopeless(prefix.rows):  # it was not trained on, and has no net at the horizon
            return prefix.observation("not started", horizon=prefix.rows[-1]["epoch"])
        if (run := table.get(evaluation.id)) is None or run.result is None:
            return prefix.observation("missing")
        if run.failed:
            return prefix.observation("failed", evaluation=run.id)
        if not prefix.started:
            return prefix.observation("not started", evaluation=run.id)
        return prefix.observation("reached", float(run.values[self.value_of()]), evaluation=run.id)

    # How a run is drawn.

    def followed(self) -> str:
        """Return the metric of the learning curves: the measure's own, where runs record it over time."""
        return self.metric

    def series(self, run: Run) -> list[tuple[int, float]]:
        """Return (epoch, value) of what is followed, of the epochs that have it."""
        return run.series(self.followed())

    def curve(self, claim: Claim, observation: Observation, run: Run) -> tuple[Points, tuple[float, float] | None]:
        """Return a run's curve as far as it is judged, and the point at which its value is read, if there is one."""
        each, level = self.per_epoch(claim)[1], self.level_of(claim)
        if level is None:
            return [(float(epoch), value) for epoch, value in self.series(run) if epoch <= observation.horizon], None
        points = [(each * time, value) for time, value in level.points(run.epochs[: ceil(observation.horizon)])]
        if observation.value is None:
            return points, None
        hit = each * observation.value, level.value
        return [*(point for point in points if point[0] < hit[0]), hit], hit

    def note(self, claim: Claim) -> str:
        """Return what the marks on a curve mean; empty where there are none."""
        if not self.has_level:
            return ""
        return f"Dotted line and dots: where runs reach {self.goal(claim)}; numbers below: geometric mean of each arm."
