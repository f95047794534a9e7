"""What is read off a run: the epochs to a level, and the trace of the running training error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from repro.questions.levels import Goal, Level, converged, files_of, goal_of, held_out_errors
from repro.spec.claim import Claim
from repro.spec.config import RunConfig, TimingConfig
from repro.spec.looks import OF_FINAL, Evaluation, Read, look_of
from repro.spec.resolve import classes, training_images
from repro.spec.rules import chance
from repro.store import Run, Table
from repro.train.minibatches import RECORDED, batch_sizes


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
        """Whether the table shows all that is wanted: the run, and the evaluation of what has a net at its end."""
        run = table.get(self.config.id)
        if run is None or run.failed is not None:
            return run is not None
        if isinstance(self.config, TimingConfig):
            return run.timed is not None
        lost = self.goal.lost(run.epochs)
        left = not self.weights or lost or run.kept(self.epochs)
        looked = self.evaluation is None or lost or self.evaluation.id in table
        return left and looked and self.goal.met(run.epochs)


@dataclass(frozen=True)
class Observation:
    """The measure of one run. `value` is None where it is not there: of a time, where it was not reached by `horizon`.

    A time is in epochs, whatever a page prints it in (`per_epoch`): so horizons and tuning speak one language.
    """

    seed: int
    run: str
    value: float | None
    horizon: float  # epochs that were seen, at most `limit`
    status: str  # reached, not reached, not started, diverged, failed, missing
    limit: float  # epochs looked up to: a run without a value takes longer, also where it diverged before
    evaluation: str | None = None  # of the run, where the measure is read off one

    @property
    def censored(self) -> bool:
        """Seen to the end without reaching the level: a result, open to one side."""
        return self.status in ("not reached", "not started", "diverged")

    @property
    def at_least(self) -> float:
        """The value of a time, or what is known to be below it."""
        return self.limit if self.value is None else self.value


def level_of(claim: Claim) -> Level | None:
    """What a run of the claim is to fall to; None where it is looked at after a set time."""
    measure = claim.measure
    if measure.kind not in ("epochs_to", "updates_to"):
        return None
    many = len(classes(claim.data))
    start, files = chance(measure.metric, many), files_of(claim)
    if measure.kind == "epochs_to":
        assert measure.level < start, "a level that chance meets takes no time; the claim's check refuses it"
        return Level(measure.metric, measure.level, files, start, measure.at)
    return Level(measure.metric, measure.nats(many), files, start, measure.at, measure.window)


def evaluation_of(claim: Claim, config: RunConfig, epochs: float) -> Evaluation | None:
    """The evaluation that the claim's measure is read off, after so many epochs; None where the run itself shows it."""
    measure = claim.measure
    if isinstance(measure, Read):
        return Evaluation(run=config, epoch=ceil(epochs), look=look_of(measure))
    if measure.kind == "final" and (look := OF_FINAL.get(measure.metric)) is not None:
        return Evaluation(run=config, epoch=ceil(epochs), look=look)
    return None


def updates_an_epoch(claim: Claim) -> int:
    """Updates of one epoch of the claim's runs."""
    rule = claim.train
    return len(batch_sizes(training_images(claim.data), batch=rule.batch, file_images=rule.file_images))


def per_epoch(claim: Claim) -> tuple[str, float]:
    """(what the claim's times are told in, how many of them make an epoch); images/s of a timing."""
    if claim.measure.kind == "throughput":
        return "images/s", 1
    return ("updates", updates_an_epoch(claim)) if claim.measure.kind == "updates_to" else ("epochs", 1)


def observe(claim: Claim, config: RunConfig, table: Table, limit: float) -> Observation:
    """The claim's measure of the run of `config`, looked at up to `limit` epochs whatever was trained beyond it.

    `missing` while the run has not shown as much; `failed` where it cannot.
    """
    run_id, goal = config.id, goal_of(config, ceil(limit), level_of(claim), claim.train.epochs)
    run = table.get(run_id)
    rows = run.epochs if run else []
    if run is None or not goal.met(rows):
        status = "failed" if run and run.failed else "missing"
        return Observation(config.seed, run_id, None, len(rows), status, limit)
    if claim.measure.kind == "updates_to":  # what no record shows cannot be looked at
        limit = min(limit, RECORDED / updates_an_epoch(claim))
    rows = rows[: ceil(limit)]
    diverged = rows[-1]["diverged"] is not None
    started = goal.started(rows)  # what a net that has learned nothing shows is chance's, not its arm's
    if (evaluation := evaluation_of(claim, config, limit)) is not None:
        if diverged or goal.hopeless(rows):  # there is no net to look at
            status = "diverged" if diverged else "not started"
            return Observation(config.seed, run_id, None, rows[-1]["epoch"], status, limit)
        looked = _looked_at(claim, evaluation, table.get(evaluation.id), limit)
        return looked if looked.value is None or started else replace(looked, value=None, status="not started")
    if claim.measure.kind in ("final", "converged") and not diverged and not started:
        return Observation(config.seed, run_id, None, limit, "not started", limit)
    # updates before a divergence are as good as others; an epoch with one has no error
    value = _value(claim, rows[:-1] if diverged and claim.measure.kind != "updates_to" else rows, goal.level)
    if value is not None and not (diverged and goal.level is None):
        return Observation(config.seed, run_id, value, limit, "reached", limit)
    if diverged:
        return Observation(config.seed, run_id, None, rows[-1]["epoch"], "diverged", limit)
    late = claim.measure.kind == "epochs_to" and len(rows) >= goal.half and not started
    return Observation(config.seed, run_id, None, limit, "not started" if late else "not reached", limit)


def _looked_at(claim: Claim, evaluation: Evaluation, looked: Run | None, limit: float) -> Observation:
    """The measure of a run that is there, read off an evaluation that may not be."""
    seed, run_id, measure = evaluation.run.seed, evaluation.run.id, claim.measure
    if looked is None:
        return Observation(seed, run_id, None, limit, "missing", limit)
    if looked.failed:
        return Observation(seed, run_id, None, limit, "failed", limit, looked.id)
    name = measure.value if isinstance(measure, Read) else measure.metric
    return Observation(seed, run_id, float(looked.values[name]), limit, "reached", limit, looked.id)


def _value(claim: Claim, rows: list[dict], level: Level | None) -> float | None:
    """The measure of a run from the epochs in which it did not diverge; a time in epochs."""
    measure = claim.measure
    if level is not None:
        return level.time(rows)
    if measure.kind == "converged":
        time = converged(held_out_errors(rows), measure.near)
        return time if time is not None and 2 * time <= len(rows) else None
    assert measure.kind == "final"
    if not rows:
        return None
    if measure.metric in ("gap", "fixed_error"):
        trained_on = fixed_error(rows[-1])
        return float(rows[-1]["test_error"]) - trained_on if measure.metric == "gap" else trained_on
    return float(rows[-1][measure.metric])


def fixed_error(row: dict) -> float:
    """Return the error on the fixed training photos, in test mode, after the epoch of a row that has it."""
    # runs of before the schedule of tests have it among their half epochs
    return float((row | row["halves"][-1])["fixed_error"])


def trace(run: Run, *, every: int, points: int, batch: int, file_images: int, images: int) -> list[float] | None:
    """The running training error over stretches of `every` updates, `points` of them; None where it lacks an update.

    A stretch's error is errors over images, as the original prints it for each of its data files (source.md 3.2 B).
    """
    errors = {update: wrong for row in run.epochs for update, _, wrong in row["updates"]}
    if not all(update in errors for update in range(1, every * points + 1)):
        return None
    sizes = batch_sizes(images, batch=batch, file_images=file_images)
    out = []
    for p in range(points):
        stretch = range(p * every, (p + 1) * every)
        out.append(sum(errors[u + 1] for u in stretch) / sum(sizes[u % len(sizes)] for u in stretch))
    return out
