"""When a run falls to a level, and how far a run is wanted: read off its recorded rows alone.

A running error is the mean of an interval, and stands at the interval's middle: read at its end it comes half an
interval late, and the ratio of two times shrinks. Intervals are the original's data files, by which it prints its
errors (source.md 3.1), in epochs of which every update is recorded; later ones are whole epochs. The series is made
monotone by its running minimum: what is read then never changes when the run goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import ceil, fsum, inf, log
from statistics import median
from typing import Any, Literal

from repro.claim.config import RunConfig
from repro.claim.model import Claim
from repro.claim.resolve import classes, training_images
from repro.store.rows import Row, Saturation
from repro.train.minibatches import batch_sizes

STARTED = 0.9  # DESIGN, not started: a mean training loss that is not below so much of ln C has learned nothing
Place = Literal["files", "middle", "end", "start"]  # where the mean of an interval stands
Rows = list[Row]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Level:
    """What a run is to fall to: a running metric, or with `window` the mean training loss of so many updates.

    `at`: where an interval's mean stands, see `times.EpochsTo`. `files`: the sizes of the minibatches of
    each of an epoch's data files. `start`: the metric at time 0, chance's.
    """

    metric: Literal["train_error", "train_loss"]
    value: float
    files: tuple[tuple[int, ...], ...]
    start: float
    at: Place = "files"
    window: int = 0

    def __str__(self) -> str:
        mean = f", mean of {self.window} updates" if self.window else ""
        return f"{self.metric.replace('_', ' ')} {self.value:.4g}{mean}"

    @property
    def updates(self) -> int:
        """Updates of an epoch."""
        return sum(map(len, self.files))

    def points(self, rows: Rows) -> Points:
        """Return (epochs, the metric made monotone) over time, from the start on where that is time 0."""
        recorded = list(self._windows(rows) if self.window else self._intervals(rows))
        lowest = accumulate((value for _, value in recorded), min)
        points = [(time, value) for (time, _), value in zip(recorded, lowest, strict=True)]
        return points if self.window or self.at == "start" else [(0.0, self.start), *points]

    def time(self, rows: Rows) -> float | None:
        """Return the epochs until the metric first falls to the level, on straight lines between points; None where it
        does not. Of a window, until one is first below the level: its points are an update apart."""
        before: tuple[float, float] | None = None
        for time, value in self.points(rows):
            if value < self.value or (value == self.value and not self.window):
                if before is None or self.window:
                    return max(time, 1 / self.updates)  # assumed: no net learns in less than an update
                share = (before[1] - self.value) / (before[1] - value)
                return before[0] + (time - before[0]) * share
            before = time, value
        return None

    def reached(self, rows: Rows) -> bool:
        """Return whether the metric has fallen to the level in these epochs."""
        return self.time(rows) is not None

    def _intervals(self, rows: Rows) -> Iterator[tuple[float, float]]:
        """Yield (epochs, mean of an interval): of data files or of whole epochs."""
        updates = self.updates
        for row in rows:
            epoch = row["epoch"]
            if self.at == "files" and len(row["updates"]) == updates:
                done = 0
                for file in self.files:
                    recorded = row["updates"][done : done + len(file)]
                    yield epoch - 1 + (done + len(file) / 2) / updates, self._mean(recorded, file)
                    done += len(file)
            else:
                yield epoch - {"files": 0.5, "middle": 0.5, "end": 0, "start": 1}[self.at], row[self.metric]

    def _mean(self, updates: list[tuple[int, float, int]], sizes: tuple[int, ...]) -> float:
        """Return the mean over the images of these updates: of each its number, loss, errors, and the images it had."""
        if self.metric == "train_error":
            return sum(wrong for _, _, wrong in updates) / sum(sizes)
        return fsum(loss * size for (_, loss, _), size in zip(updates, sizes, strict=True)) / sum(sizes)

    def _windows(self, rows: Rows) -> Iterator[tuple[float, float]]:
        """Yield (epochs, mean loss of the last `window` updates) for each update of those recorded one by one."""
        an_epoch, losses = self.updates, list[float]()
        back = 0 if self.at == "end" else self.window / 2
        for row in rows:
            for update, loss, _ in row["updates"]:
                if update != len(losses) + 1:
                    return
                losses.append(loss)
                if update >= self.window:
                    yield (update - back) / an_epoch, fsum(losses[-self.window :]) / self.window


def chance(metric: str, classes: int) -> float:
    """Return the metric of a net that has learned nothing: where every curve stands at epoch 0."""
    if metric.endswith("loss"):
        return log(classes)
    return max(0.0, 1 - (5 if metric.endswith("top5") else 1) / classes)


def files_of(claim: Claim[Any, Any, Any] | RunConfig) -> tuple[tuple[int, ...], ...]:
    """Return the sizes of the minibatches of each data file of an epoch, before any held-out images are folded in."""
    rule = claim.train
    return _files_of(training_images(claim.data), rule.batch, rule.file_images)


def updates_an_epoch(claim: Claim[Any, Any, Any] | RunConfig) -> int:
    """Return the updates of one epoch, before any held-out images are folded in."""
    return sum(map(len, files_of(claim)))


@cache  # a plan asks for those of the same few training rules thousands of times
def _files_of(images: int, batch: int, file_images: int) -> tuple[tuple[int, ...], ...]:
    starts = range(0, images, file_images)
    return tuple(
        tuple(batch_sizes(min(file_images, images - start), batch=batch, file_images=file_images)) for start in starts
    )


@dataclass(frozen=True)
class Goal:
    """How far a run is wanted: for `epochs`, or until `level` is reached, whichever is first, but no further than it
    can still learn.

    `bar`: the training loss that a net which has learned something is below; infinite where nothing is given up.
    `rectified`: whether its units are ReLUs, which can die. `horizon`: the claim's, where a pass of tuning is shorter.
    """

    epochs: int
    level: Level | None = None
    bar: float = inf
    rectified: bool = False
    horizon: int = 0

    @property
    def half(self) -> int:
        """Epochs by which a run has started, or is one that has not."""
        return ceil(max(self.epochs, self.horizon) / 2)

    def met(self, rows: Rows) -> bool:
        """Return whether rows show as much: the horizon, the level, the end by the plateau rule, or nothing to come."""
        if not rows:
            return False
        last = rows[-1]
        return (
            last["diverged"] is not None
            or last["epoch"] >= self.epochs
            or bool(last.get("ended"))
            or (self.level is not None and self.level.reached(rows))
            or self.hopeless(rows)
        )

    def started(self, rows: Rows) -> bool:
        """Return whether the net had learned something by half of the horizon."""
        return any(row["train_loss"] < self.bar for row in rows[: self.half])

    def hopeless(self, rows: Rows) -> bool:
        """Return whether a run that has not started by half of the horizon is not continued: all ReLUs of a layer are
        dead, or its loss stays above its first epoch's (DESIGN, a run)."""
        early = rows[: self.half]
        if len(early) < self.half or self.started(rows):
            return False
        if self.dead(rows):
            return True
        return len(early) > 1 and all(row["train_loss"] > early[0]["train_loss"] for row in early[1:])

    def dead(self, rows: Rows) -> bool:
        """Return whether all ReLUs of a layer were dead by half of the horizon: such a net never learns again."""
        saturated: list[dict[str, Saturation]] = [row["saturated"] for row in rows[: self.half] if "saturated" in row]
        return self.rectified and bool(saturated) and any(layer["units"] == 1 for layer in saturated[-1].values())

    def lost(self, rows: Rows) -> bool:
        """Return whether there will be no net at the horizon: the run diverged before, or was not continued."""
        diverged = bool(rows) and rows[-1]["diverged"] is not None and rows[-1]["epoch"] <= self.epochs
        return diverged or self.hopeless(rows)


def goal_of(config: RunConfig, epochs: int, level: Level | None = None, horizon: int = 0) -> Goal:
    """Return how far a run of `config` is wanted; see `Goal`."""
    bar = STARTED * log(len(classes(config.data)))
    return Goal(epochs, level, bar, config.model.activation in ("relu", None), horizon)


def held_out_errors(rows: Rows) -> list[float]:
    """Return the held-out error of every half epoch; an epoch that diverged before its first half has none."""
    halves = [half["held_out_error"] for row in rows for half in row.get("halves", [])]
    return [error for error in halves if error is not None]


def converged(errors: list[float], near: float) -> float | None:
    """Return the epochs until the medians of three of `errors`, of half epochs, are first `near` the least of them."""
    if len(errors) < 3:
        return None
    medians = [median(errors[i : i + 3]) for i in range(len(errors) - 2)]
    bar = min(medians) + near
    return next((i + 2) / 2 for i, value in enumerate(medians) if value <= bar)  # the middle one's time
