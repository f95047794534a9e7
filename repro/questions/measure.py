"""A measure: what is wanted run, how a run is read, how that is told, and which sections of a page show it.

What is the same for most measures stands here; each question's module has its own. Nothing outside asks which it is.
"""

from __future__ import annotations

from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING, ClassVar

from repro.claim.config import Closed, RunConfig
from repro.claim.evaluation import Evaluation
from repro.claim.resolve import epochs_of
from repro.questions.levels import Goal, Level, goal_of
from repro.questions.observations import Arm, Observation, Want, geometric_mean
from repro.store import Run, Table

if TYPE_CHECKING:
    from repro.claim.overlays import Layers
    from repro.claim.problems import Problem
    from repro.draw.parts import Section
    from repro.questions.base import Claim
    from repro.questions.exhibit import Exhibit
    from repro.questions.trial import Trial

Points = list[tuple[float, float]]
# What sentences call the series that runs record.
SERIES = {
    "train_error": "running training error",
    "train_loss": "training loss",
    "held_out_error": "held-out error",
    "test_error": "test error",
    "test_top5": "top-5 test error",
}


class Measure(Closed):
    """What is read off a run."""

    if TYPE_CHECKING:

        @property
        def kind(self) -> str: ...
        @property
        def metric(self) -> str: ...

    judged_by: ClassVar[tuple[str, ...]] = ("ratio",)  # kinds of rules
    names: ClassVar[dict[str, str]] = {}  # what sentences call a metric that no run records as a series
    is_time: ClassVar[bool] = False  # of a run that has not come so far, a bound is known
    has_level: ClassVar[bool] = False  # a rate can be the fastest to it
    is_end: ClassVar[bool] = False  # of the last epoch, whichever that is
    longer_epochs: ClassVar[bool] = False  # epochs with held-out images folded in do not disturb it
    diverged_epoch: ClassVar[bool] = False  # the updates of an epoch that diverged count up to there
    timed: ClassVar[bool] = False  # of a timing, not of a training
    is_look: ClassVar[bool] = False  # read off a look at a finished run, not off its learning
    ending: ClassVar[str] = ""  # the unit of its values, behind its name

    def mistakes(self, claim: Claim, layers: Layers) -> list[Problem]:
        """Return what is wrong with the measure for the claim's data and training."""
        return []

    def name(self) -> str:
        """Return what sentences call the metric."""
        return self.names.get(self.metric) or SERIES[self.metric]

    def goal(self, claim: Claim) -> str:
        """Return what runs are to reach, or what is read off them at the end."""
        return self.name()

    def per_epoch(self, claim: Claim) -> tuple[str, float]:
        """Return what times are told in, and how many of them make an epoch."""
        return "epochs", 1

    def column(self, claim: Claim) -> tuple[str, float]:
        """Return the unit of a value in tables of data, and how many of it one of ours is."""
        return self.per_epoch(claim) if self.is_time else ("fraction", 1)

    def written(self, claim: Claim, value: float) -> str:
        """Return a value for people: a time in the claim's unit, an error in percent, a difference in points, a p."""
        name, each = self.per_epoch(claim)
        return f"{value * each:.0f}" if name == "updates" else f"{value:.2f}"

    def observed(self, claim: Claim, seen: Observation) -> str:
        """Return the measure of a run for people, or what became of it."""
        if seen.value is not None:
            return self.written(claim, seen.value)
        if seen.status == "diverged":
            return f"diverged in epoch {seen.horizon:g}"
        if seen.status == "not started" and not self.is_time:
            return "learned nothing"
        if seen.censored:
            ended = ", did not start to learn" if seen.status == "not started" else ""
            return f"> {seen.horizon * self.per_epoch(claim)[1]:g}{ended}"
        return {"missing": "not run", "failed": "failed"}[seen.status]

    def mean(self, arm: Arm) -> float | None:
        """Return an arm's measure over its judging seeds, of times the geometric mean; None unless all have one."""
        values = [o.value for o in arm.observations if o.value is not None]
        if not values or len(values) < len(arm.observations):
            return None
        return geometric_mean(values) if self.is_time else fmean(values)

    # What is run.

    def level_of(self, claim: Claim) -> Level | None:
        """Return what a run is to fall to; None where it is looked at after a set time."""
        return None

    def evaluation_of(self, claim: Claim, config: RunConfig, epochs: float) -> Evaluation | None:
        """Return the evaluation that the measure is read off, after so many epochs; None where the run shows it."""
        return None

    def horizon(self, trial: Trial, arm: str) -> int:
        """Return the epochs after which a judging run of `arm` counts as censored: its first horizon, or longer."""
        return trial.claim.rule.horizon(trial, arm, epochs_of(trial.claim, arm))

    def timed_on(self, trial: Trial) -> str | None:
        """Return the device that the table has most timings of; None of what is no timing."""
        return None

    def device(self, trial: Trial) -> tuple[str | None, bool]:
        """Return the device that was timed, and whether that is a GPU; (None, True) of what is no timing."""
        return None, True

    def wants(self, trial: Trial, arms: list[str]) -> list[Want]:
        """Return the judging runs of these arms that are wanted."""
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

    # How a run is read.

    def observations(self, trial: Trial, arm: str) -> tuple[Observation, ...]:
        """Return what the arm's judging seeds show at its chosen rate up to its horizon; none while none is chosen."""
        return trial.seen(arm, trial.horizon(arm))

    def arm(self, trial: Trial, name: str) -> Arm:
        """Return an arm's tuning and its judged runs."""
        return Arm(name, trial.tunings.get(name), trial.rate(name), self.observations(trial, name), {})

    def read(self, claim: Claim, rows: list[dict], level: Level | None) -> float | None:
        """Return the measure of a run from the epochs in which it did not diverge; a time in epochs."""
        return None if level is None else level.time(rows)

    def seen_until(self, claim: Claim, limit: float) -> float:
        """Return the epochs up to which a run can be looked at."""
        return limit

    def observe(self, claim: Claim, config: RunConfig, table: Table, limit: float) -> Observation:
        """Return the measure of the run of `config`, looked at up to `limit` epochs whatever was trained beyond it.

        `missing` while the run has not shown as much; `failed` where it cannot.
        """
        whole = ceil(limit)
        run_id, goal = config.id, goal_of(config, whole, self.level_of(claim), claim.train.epochs)
        run = table.get(run_id)
        rows = run.epochs if run else []
        if run is None or not goal.met(rows):
            status = "failed" if run and run.failed else "missing"
            return Observation(config.seed, run_id, None, len(rows), status, limit)
        limit = self.seen_until(claim, limit)
        rows = rows[: ceil(limit)]
        diverged = rows[-1]["diverged"] is not None
        started = goal.started(rows)  # what a net that has learned nothing shows is chance's, not its arm's
        if (evaluation := self.evaluation_of(claim, config, limit)) is not None:
            if diverged or goal.hopeless(rows):  # there is no net to look at
                status = "diverged" if diverged else "not started"
                return Observation(config.seed, run_id, None, rows[-1]["epoch"], status, limit)
            return self._evaluated(evaluation, table.get(evaluation.id), limit, started)
        if not self.has_level and not diverged and not started:
            return Observation(config.seed, run_id, None, limit, "not started", limit)
        # an epoch in which it diverged has no error
        value = self.read(claim, rows[:-1] if diverged and not self.diverged_epoch else rows, goal.level)
        if value is not None and not (diverged and goal.level is None):
            return Observation(config.seed, run_id, value, limit, "reached", limit)
        if diverged:
            return Observation(config.seed, run_id, None, rows[-1]["epoch"], "diverged", limit)
        status = "not started" if self.late(rows, goal, started) else "not reached"
        return Observation(config.seed, run_id, None, limit, status, limit)

    def late(self, rows: list[dict], goal: Goal, started: bool) -> bool:
        """Return whether a run that has not reached its level is one that never started."""
        return False

    def value_of(self) -> str:
        """Return the name of the value that is read off an evaluation."""
        return self.metric

    def _evaluated(self, evaluation: Evaluation, found: Run | None, limit: float, started: bool) -> Observation:
        """Return the measure of a run that is there, read off an evaluation that may not be."""
        seed, run_id = evaluation.run.seed, evaluation.run.id
        if found is None or found.failed:
            status = "missing" if found is None else "failed"
            return Observation(seed, run_id, None, limit, status, limit, None if found is None else found.id)
        if not started:
            return Observation(seed, run_id, None, limit, "not started", limit, found.id)
        return Observation(seed, run_id, float(found.values[self.value_of()]), limit, "reached", limit, found.id)

    # How it is told and shown.

    def measured(self, claim: Claim) -> str:
        """Return how the measure is read off a run, in sentences, each number the claim's own."""
        raise NotImplementedError

    def followed(self) -> str:
        """Return the metric that a learning curve follows: the measure's own, where runs record it over time."""
        return self.metric

    def printed_level(self) -> float | None:
        """Return the level of a time that the paper prints epochs to; None of other measures."""
        return None

    def curve(self, claim: Claim, seen: Observation, run: Run) -> tuple[Points, tuple[float, float] | None]:
        """Return a run's curve as far as the judgement looked at it, and the point at which its measure is read."""
        each, level = self.per_epoch(claim)[1], self.level_of(claim)
        if level is None:
            return [
                (float(epoch), value) for epoch, value in run.series(self.followed()) if epoch <= seen.horizon
            ], None
        points = [(each * time, value) for time, value in level.points(run.epochs[: ceil(seen.horizon)])]
        if seen.value is None:
            return points, None
        hit = each * seen.value, level.value
        return [*(point for point in points if point[0] < hit[0]), hit], hit

    def note(self, claim: Claim) -> str:
        """Return what marks on a curve mean; nothing where there are none."""
        if not self.has_level:
            return ""
        return f"Dotted line and dots: where runs reach {self.goal(claim)}; numbers below: geometric mean of each arm."

    def sections(self, shown: Exhibit) -> list[Section]:
        """Return the sections of a page on what was measured."""
        from repro.questions.sections import sections  # drawn by pages alone

        return sections(shown)
