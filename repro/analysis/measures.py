"""What is read off a run: the epochs to a level, and the trace of the running training error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, fsum, log
from statistics import median

from repro.spec.claim import Claim
from repro.spec.config import RunConfig, TimingConfig
from repro.spec.judging import RECORDED
from repro.spec.looks import OF_FINAL, Evaluation, Read, look_of
from repro.spec.resolve import classes, training_images
from repro.spec.rules import chance
from repro.store import Run, Table
from repro.train.minibatches import batch_sizes


@dataclass(frozen=True)
class Level:
    """What a run is to fall to: a metric of its epochs, or with `window` the mean training loss of so many updates."""

    metric: str
    value: float
    window: int = 0

    def __str__(self) -> str:
        mean = f", mean of {self.window} updates" if self.window else ""
        return f"{self.metric.replace('_', ' ')} {self.value:.4g}{mean}"

    def reached(self, rows: list[dict]) -> bool:
        """Whether it has been reached in these epochs."""
        if self.window:
            return updates_to(rows, self.value, self.window) is not None
        return any(row[self.metric] <= self.value for row in rows)


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

    def satisfied_in(self, table: Table) -> bool:
        """Whether the table shows all that is wanted: the run, and the evaluation of what did not diverge."""
        run = table.get(self.config.id)
        if run is None or run.failed is not None:
            return run is not None
        looked = self.evaluation is None or self.evaluation.id in table or diverged_by(run.epochs, self.epochs)
        return self.shown_by(run) and looked

    def shown_by(self, run: Run) -> bool:
        """Whether a run's epochs show what is wanted of them, however it ended; of a timing, that it was made."""
        if isinstance(self.config, TimingConfig):
            return run.timed is not None
        left = not self.weights or run.diverged is not None or run.kept(self.epochs)
        return left and done(run.epochs, self.epochs, self.level)


def done(rows: list[dict], epochs: int, level: Level | None) -> bool:
    """Whether rows of epochs reach a horizon, fall to a level, end by the plateau rule or in a divergence."""
    if not rows:
        return False
    last = rows[-1]
    return (
        last["diverged"] is not None
        or last["epoch"] >= epochs
        or bool(last.get("ended"))
        or (level is not None and level.reached(rows))
    )


def diverged_by(rows: list[dict], epochs: int) -> bool:
    """Whether a run diverged within so many epochs."""
    return bool(rows) and rows[-1]["diverged"] is not None and rows[-1]["epoch"] <= epochs


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
    """What the claim's runs are to fall to; None where they are looked at after a set time."""
    measure = claim.measure
    if measure.kind == "epochs_to":
        return Level(measure.metric, measure.level)
    if measure.kind == "updates_to":
        return Level(measure.metric, measure.nats(len(classes(claim.data))), measure.window)
    return None


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
    level, run_id = level_of(claim), config.id
    run = table.get(run_id)
    rows = run.epochs if run else []
    if run is None or not done(rows, ceil(limit), level):
        status = "failed" if run and run.failed else "missing"
        return Observation(config.seed, run_id, None, len(rows), status, limit)
    if claim.measure.kind == "updates_to":  # what no record shows cannot be looked at
        limit = min(limit, RECORDED / updates_an_epoch(claim))
    rows = rows[: ceil(limit)]
    diverged = rows[-1]["diverged"] is not None
    # DESIGN, not started: what a net that has learned nothing shows is chance's, not its arm's
    bar = 0.9 * log(len(classes(config.data)))
    learned = any(row["train_loss"] < bar for row in rows)
    if (evaluation := evaluation_of(claim, config, limit)) is not None:
        if diverged:  # there is no net to look at
            return Observation(config.seed, run_id, None, rows[-1]["epoch"], "diverged", limit)
        looked = _looked_at(claim, evaluation, table.get(evaluation.id), limit)
        return replace(looked, value=None, status="not started") if looked.value is not None and not learned else looked
    if claim.measure.kind in ("final", "converged") and not diverged and not learned:
        return Observation(config.seed, run_id, None, limit, "not started", limit)
    # updates before a divergence are as good as others; an epoch with one has no error
    value = _value(claim, run, rows[:-1] if diverged and claim.measure.kind != "updates_to" else rows, level)
    if value is not None and not (diverged and level is None):
        return Observation(config.seed, run_id, value, limit, "reached", limit)
    if diverged:
        return Observation(config.seed, run_id, None, rows[-1]["epoch"], "diverged", limit)
    fifth = ceil(claim.train.epochs / 5)  # DESIGN, not started: by then its training loss is not below the bar
    started = (
        claim.measure.kind != "epochs_to" or len(rows) < fifth or any(row["train_loss"] < bar for row in rows[:fifth])
    )
    return Observation(config.seed, run_id, None, limit, "not reached" if started else "not started", limit)


def _looked_at(claim: Claim, evaluation: Evaluation, looked: Run | None, limit: float) -> Observation:
    """The measure of a run that is there, read off an evaluation that may not be."""
    seed, run_id, measure = evaluation.run.seed, evaluation.run.id, claim.measure
    if looked is None:
        return Observation(seed, run_id, None, limit, "missing", limit)
    if looked.failed:
        return Observation(seed, run_id, None, limit, "failed", limit, looked.id)
    name = measure.value if isinstance(measure, Read) else measure.metric
    return Observation(seed, run_id, float(looked.values[name]), limit, "reached", limit, looked.id)


def _value(claim: Claim, run: Run, rows: list[dict], level: Level | None) -> float | None:
    """The measure of a run from the epochs in which it did not diverge; a time in epochs."""
    measure = claim.measure
    if measure.kind == "updates_to":
        assert level is not None
        updates = updates_to(rows, level.value, level.window)
        return None if updates is None else updates / updates_an_epoch(claim)
    if measure.kind == "converged":
        time = converged(held_out_errors(rows), measure.near)
        return time if time is not None and 2 * time <= len(rows) else None
    if measure.kind == "final":
        if not rows:
            return None
        if measure.metric in ("gap", "fixed_error"):
            trained_on = float(rows[-1]["halves"][-1]["fixed_error"])
            return float(rows[-1]["test_error"]) - trained_on if measure.metric == "gap" else trained_on
        return float(rows[-1][measure.metric])
    assert level is not None
    start = chance(level.metric, len(classes(claim.data)))
    assert level.value < start, "a level that chance meets takes no time; the claim's check refuses it"
    return epochs_to([row[level.metric] for row in rows], level.value, start=start)


def updates_to(rows: list[dict], level: float, window: int) -> int | None:
    """Updates until the mean training loss of the last `window` minibatches is first below `level`; None where it never
    is among the updates that are recorded one by one."""
    losses: list[float] = []
    for row in rows:
        for update, loss, _ in row["updates"]:
            if update != len(losses) + 1:
                return None
            losses.append(loss)
            if update >= window and fsum(losses[-window:]) < window * level:
                return update
    return None


def held_out_errors(rows: list[dict]) -> list[float]:
    """The held-out error of every half epoch; an epoch that diverged before its first half has none."""
    return [half["held_out_error"] for row in rows for half in row.get("halves", ())]


def converged(errors: list[float], near: float) -> float | None:
    """Epochs until the medians of three of `errors`, of half epochs, are first within `near` of the least of them."""
    if len(errors) < 3:
        return None
    medians = [median(errors[i : i + 3]) for i in range(len(errors) - 2)]
    bar = min(medians) + near
    return next((i + 2) / 2 for i, value in enumerate(medians) if value <= bar)  # the middle one's time


def epochs_to(series: list[float], level: float, *, start: float) -> float | None:
    """Epochs until `series` (values after epochs 1, 2, ...) first falls to `level`, on straight lines between epochs.

    `start` is the value at epoch 0. None where the level is not reached.
    """
    before = start
    for epoch, value in enumerate(series, start=1):
        if value <= level:
            return epoch - 1 + (before - level) / (before - value) if before > level else float(epoch - 1)
        before = value
    return None


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
