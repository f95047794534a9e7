"""Training as it happens: a live display on a terminal; elsewhere a line for each run, and one each minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from repro.engine.events import (
    AttemptFailed,
    EpochEnded,
    EvaluationBegun,
    Event,
    Finished,
    NodeRefused,
    Rated,
    WaitedFor,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Say = Callable[[str], None]
EVERY = 60.0  # seconds between two lines on how far all is, where there is no terminal
TRUSTED = 0.1  # the part of the work after which its own pace says more than the estimate; assumed


class Display(Protocol):
    """What draws events as they come."""

    def __call__(self, event: Event) -> None:
        """Draw an event."""

    def planned(self, left: int) -> None:
        """Take up how many runs are left to do, those that are being done among them."""


@contextmanager
def display(
    say: Say,
    *,
    brief: bool = False,
    quiet: bool = False,
    estimate: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Display]:
    """Give a receiver of events; `say` prints a line.

    `brief`: runs that go well have no line that stays. `quiet`: what failed, and nodes that take no run, alone are
    printed. `estimate`: the seconds that all of it takes, as was estimated before.
    """
    from rich.console import Console

    console, tally = Console(), Tally(estimate, clock)
    # rich believes FORCE_COLOR to be a terminal; a display needs one that can be drawn over
    if quiet or not (console.is_interactive and console.is_terminal):
        yield _Lines(say, tally, brief or quiet, quiet)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as live:
        yield _Bars(live, tally, brief)


class Tally:
    """How far all runs are together: how many are done and left, how fast images go by, how long it still takes."""

    def __init__(self, estimate: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.estimate, self.clock, self.begun = estimate, clock, clock()
        self.ended: set[str] = set()
        self.left = 0
        self.parts: dict[str, float] = {}  # of every run that is being trained, how much of it is done
        self.before: dict[str, float] = {}  # of every run that began, how much of it an earlier command had done
        self.rates: dict[str, float] = {}  # images/s, of the same runs
        self.horizons: dict[str, int] = {}

    def note(self, event: Event) -> None:
        """Take up an event."""
        run = event["run"]
        if event["event"] in ("finish", "timed"):
            self.left -= self.left > 0 and run not in self.ended  # an evaluation of a run may end after it
            self.ended.add(run)
            self.parts.pop(run, None)
            self.rates.pop(run, None)
        elif event["event"] == "begin":
            self.horizons[run] = event["horizon"]
            self.parts[run] = event["epoch"] / max(1, event["horizon"])
            self.before.setdefault(run, self.parts[run])  # begun again after a failure, it was done here
        elif event["event"] == "epoch" and run in self.parts:
            self.parts[run] = event["epoch"] / self.horizons[run]
        elif event["event"] == "update" and run in self.parts:
            self.parts[run] = (event["epoch"] - 1 + event["done"] / event["total"]) / self.horizons[run]
            self.rates[run] = event["rate"]

    @property
    def done(self) -> int:
        """How many runs ended, failed ones too."""
        return len(self.ended)

    @property
    def total(self) -> int:
        """How many runs there are, as planned so far."""
        return self.done + max(self.left, len(self.parts))

    def seconds_left(self) -> float | None:
        """Return the seconds until all runs that are planned are done; None where nothing tells yet."""
        elapsed, done = self.clock() - self.begun, self.done + sum(self.parts.values())
        worked, left = done - sum(self.before.values()), self.total - done  # worked: here, since this command began
        if self.estimate is not None and worked < TRUSTED * (worked + left) and elapsed < self.estimate:
            return self.estimate - elapsed
        return elapsed * left / worked if worked > 0 else None

    def words(self) -> str:
        """Return all of it in a line: `3 of 12 runs, 1,460 images/s, about 5 min left`."""
        return ", ".join([f"{self.done} of {self.total} runs", *self.pace()])

    def pace(self) -> list[str]:
        """Return images/s and the time left, as far as they are known."""
        out = []
        if rate := sum(self.rates.values()):
            out.append(f"{rate:,.0f} images/s")
        if self.total > self.done and (seconds := self.seconds_left()) is not None:
            out.append(f"about {duration(seconds)} left")
        return out


def duration(seconds: float) -> str:
    """Return seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Pace:
    """The pace of all runs at the moment at which it is drawn: between events, time goes on."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def __str__(self) -> str:
        return ", ".join(self.tally.pace())


class _Lines:
    """A line for each run, when it ends, and one each minute."""

    def __init__(self, say: Say, tally: Tally, brief: bool, quiet: bool) -> None:
        self.say, self.tally, self.brief, self.quiet = say, tally, brief, quiet
        self.last = tally.clock()
        self.epochs: dict[str, EpochEnded] = {}  # the last of each run

    def planned(self, left: int) -> None:
        self.tally.left = left

    def __call__(self, event: Event) -> None:
        self.tally.note(event)
        if event["event"] == "epoch":
            self.epochs[event["run"]] = event
        if event["event"] == "failed":
            self.say(_failed(event))
        elif event["event"] == "node":
            self.say(_refused(event))
        elif not self.brief and (line := self._line(event)):
            self.say(line)
            self.last = self.tally.clock()
        elif not self.quiet and self.tally.clock() - self.last >= EVERY:
            self.say(_state(event, self.tally))
            self.last = self.tally.clock()

    def _line(self, event: Event) -> str:
        """Return the line of an event; empty where it has none."""
        if event["event"] == "begin" and event["epoch"]:
            return f"{event['label']}: continues after epoch {event['epoch']}"
        if event["event"] == "pack" and event["done"] == event["total"]:
            return f"{event['label']}: {event['done']:,} done"
        if event["event"] == "finish":
            epoch = self.epochs.pop(event["run"], None)
            return f"{_finished(event, epoch)} ({self.tally.words()})"
        if event["event"] == "timed":
            return f"{_timed(event)} ({self.tally.words()})"
        return _busy(event) if event["event"] == "busy" else ""


class _Bars:
    """A bar for all runs, one for each run that is being trained and each set that is packed; notes stay above them."""

    def __init__(self, live: Progress, tally: Tally, brief: bool) -> None:
        self.live, self.tally, self.brief = live, tally, brief
        self.tasks: dict[str, TaskID] = {}
        self.all: TaskID | None = None

    def planned(self, left: int) -> None:
        self.tally.left = left
        self._draw_all()

    def __call__(self, event: Event) -> None:
        self.tally.note(event)
        run, label, tasks = event["run"], event["label"], self.tasks
        if event["event"] == "begin":
            if run in tasks:  # tried again
                self.live.remove_task(tasks[run])
            tasks[run] = self.live.add_task(label, total=event["horizon"], completed=event["epoch"], state="")
        elif event["event"] == "update" and run in tasks:
            self.live.update(tasks[run], completed=event["epoch"] - 1 + event["done"] / event["total"])
        elif event["event"] == "epoch" and run in tasks:
            state = "diverged" if event["diverged"] else f"training error {event['train_error']:.3f}"
            self.live.update(tasks[run], completed=event["epoch"], state=state)
        elif event["event"] == "evaluation":
            self._note(_evaluation(event))
        elif event["event"] == "finish" and run in tasks:
            self.live.remove_task(tasks.pop(run))
            self._note(f"{label}: {event['status']}, epoch {event['epoch']}")
        elif event["event"] == "pack":
            if label not in tasks:
                tasks[label] = self.live.add_task(label, total=event["total"], state="")
            self.live.update(tasks[label], completed=event["done"], total=event["total"])
        elif event["event"] == "timed":
            self._note(_timed(event))
        elif event["event"] == "failed":
            self.live.console.print(_failed(event))
        elif event["event"] == "node":
            self.live.console.print(_refused(event))
        elif event["event"] == "busy":
            self._note(_busy(event))
        if self.all is not None:
            self._draw_all()

    def _draw_all(self) -> None:
        if self.all is None:
            self.all = self.live.add_task("all runs planned so far", total=None, state=_Pace(self.tally))
        self.live.update(self.all, completed=self.tally.done, total=self.tally.total)

    def _note(self, line: str) -> None:
        if not self.brief:
            self.live.console.print(line)


def _state(event: Event, tally: Tally) -> str:
    """Return how far all is, by the minute, and what this event is of."""
    if event["event"] == "pack":
        return f"{event['label']}: {event['done']:,} of {event['total']:,}"
    return f"{tally.words()}; {len(tally.parts)} being trained"


def _busy(event: WaitedFor) -> str:
    return f"{event['label']}: another process trains this run; it is waited for, and others are trained first"


def _refused(event: NodeRefused) -> str:
    return f"{event['label']} takes no run: {event['why']}"


def _finished(event: Finished, last: EpochEnded | None) -> str:
    """Return how a run ended. `last`: its last epoch in this command."""
    text = f"{event['label']}: {event['status']}, epoch {event['epoch']}"
    if last is None:
        return text
    if last["diverged"]:
        return f"{text}, at update {last['diverged']}"
    text += f", loss {last['train_loss']:.4f}, training error {last['train_error']:.4f}"
    return text if last["test_error"] is None else f"{text}, test error {last['test_error']:.4f}"


def _timed(event: Rated) -> str:
    rates = " and ".join(f"{rate:.4g}" for rate in event["rates"].values())  # in the order that the label has
    return f"{event['label']}: {rates} images/s"


def _evaluation(event: EvaluationBegun) -> str:
    return f"{event['label']}: evaluated after epoch {event['epoch']}: {event['kind'].replace('_', ' ')}"


def _failed(event: AttemptFailed) -> str:
    return f"{event['label']}: failed, attempt {event['attempt']}: {event['why']}"
