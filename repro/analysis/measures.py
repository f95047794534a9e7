"""What is read off a run: the epochs to a level, and the trace of the running training error."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

from repro.data.known import KNOWN
from repro.spec.config import RunConfig
from repro.store import Run, Table

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
    horizon: int
    status: str  # reached, not reached, not started, diverged, failed, missing

    @property
    def censored(self) -> bool:
        """Seen to the end without reaching the level: a result, open to one side."""
        return self.status in ("not reached", "not started", "diverged")


def observe(table: Table, config: RunConfig, level: Level, horizon: int) -> Observation:
    """Epochs that `config` took to the level, looked at up to `horizon`; `missing` while it has not shown it."""
    run = table.get(config.id)
    want = Want(config, horizon, level, label="")
    if run is None or not want.satisfied_by(run):
        return Observation(config.seed, config.id, None, len(run.epochs) if run else 0, "missing")
    if run.failed:
        return Observation(config.seed, config.id, None, len(run.epochs), "failed")
    classes = len(KNOWN[config.data.kind].classes)
    value = epochs_to(run.series(level[0])[:horizon], level[1], start=chance(level[0], classes))
    if value is not None:
        return Observation(config.seed, config.id, value, horizon, "reached")
    rows = run.epochs[:horizon]
    if rows[-1]["diverged"] is not None:
        return Observation(config.seed, config.id, None, rows[-1]["epoch"], "diverged")
    # DESIGN: a run whose training loss is not below 0.9 ln C after a fifth of the horizon has not started
    fifth = rows[: ceil(horizon / 5)]
    started = any(row["train_loss"] < 0.9 * log(classes) for row in fifth)
    return Observation(config.seed, config.id, None, horizon, "not reached" if started else "not started")


def chance(metric: str, classes: int) -> float:
    """The metric of a net that has learned nothing: where every curve stands at epoch 0."""
    return log(classes) if metric.endswith("loss") else 1 - 1 / classes


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
    """The running training error over stretches of `every` updates, `points` of them; None where the run is shorter.

    A stretch's error is errors over images, as the original prints it for each of its data files (source.md 3.2 B).
    """
    errors = [u[2] for row in run.epochs for u in row["updates"]][: every * points]
    if len(errors) < every * points:
        return None
    sizes: list[int] = []
    for start in range(0, images, file_images):
        whole, rest = divmod(min(file_images, images - start), batch)
        sizes += [batch] * whole + [rest] * (rest > 0)
    out = []
    for p in range(points):
        stretch = range(p * every, (p + 1) * every)
        out.append(sum(errors[u] for u in stretch) / sum(sizes[u % len(sizes)] for u in stretch))
    return out
