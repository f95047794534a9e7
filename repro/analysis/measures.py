"""What is read off a run: the epochs to a level, and the trace of the running training error."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

from repro.data.known import KNOWN
from repro.spec.claim import Claim, chance
from repro.spec.config import RunConfig
from repro.store import Run, Table
from repro.train.minibatches import batch_sizes

Level = tuple[str, float]  # (metric, value to fall to)


@dataclass(frozen=True)
class Want:
    """A run that a claim wants: trained for `epochs`, or until the level is reached, whichever is first."""

    config: RunConfig
    epochs: int
    level: Level | None
    label: str  # for people: arm, rate, seed, and whether it tunes or judges

    def satisfied_by(self, run: Run | None) -> bool:
        """Whether the run has shown all that is wanted of it."""
        if run is None:
            return False
        return run.failed is not None or done(run.epochs, self.epochs, self.level)


def done(rows: list[dict], epochs: int, level: Level | None) -> bool:
    """Whether rows of epochs reach a horizon, fall to a level, or end in a divergence."""
    if not rows:
        return False
    last = rows[-1]
    return (
        last["diverged"] is not None
        or last["epoch"] >= epochs
        or (level is not None and any(row[level[0]] <= level[1] for row in rows))
    )


@dataclass(frozen=True)
class Observation:
    """The measure of one run. `value` is None where it was not reached by `horizon`, both in epochs."""

    seed: int
    run: str
    value: float | None
    horizon: int  # epochs that were seen, at most `limit`
    status: str  # reached, not reached, not started, diverged, failed, missing
    limit: int  # epochs looked up to: a run without a value takes longer, also where it diverged before

    @property
    def censored(self) -> bool:
        """Seen to the end without reaching the level: a result, open to one side."""
        return self.status in ("not reached", "not started", "diverged")

    @property
    def at_least(self) -> float:
        """The value, or what is known to be below it."""
        return self.limit if self.value is None else self.value


def level_of(claim: Claim) -> Level:
    """What the claim's runs are to fall to."""
    assert claim.measure.kind == "epochs_to"
    return claim.measure.metric, claim.measure.level


def observe(claim: Claim, config: RunConfig, table: Table, limit: int) -> Observation:
    """Epochs that `config` took to the claim's level, looked at up to `limit` whatever was trained beyond it.

    `missing` while the run has not shown as much; `failed` where it cannot.
    """
    (metric, level), run_id = level_of(claim), config.id
    run = table.get(run_id)
    rows = run.epochs if run else []
    if not done(rows, limit, (metric, level)):
        status = "failed" if run and run.failed else "missing"
        return Observation(config.seed, run_id, None, len(rows), status, limit)
    rows = rows[:limit]
    diverged = rows[-1]["diverged"] is not None
    classes = len(KNOWN[config.data.kind].classes)
    start = chance(metric, classes)
    assert level < start, "a level that chance meets takes no time; the claim's check refuses it"
    value = epochs_to([row[metric] for row in (rows[:-1] if diverged else rows)], level, start=start)
    if value is not None:
        return Observation(config.seed, run_id, value, limit, "reached", limit)
    if diverged:
        return Observation(config.seed, run_id, None, rows[-1]["epoch"], "diverged", limit)
    # DESIGN: a run whose training loss is not below 0.9 ln C after a fifth of the claim's horizon has not started
    fifth = ceil(claim.train.epochs / 5)
    started = len(rows) < fifth or any(row["train_loss"] < 0.9 * log(classes) for row in rows[:fifth])
    return Observation(config.seed, run_id, None, limit, "not reached" if started else "not started", limit)


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
