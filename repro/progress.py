"""Training as it happens: a live display on a terminal, one plain line per epoch elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from repro.engine.events import AttemptFailed, EpochEnded, EvaluationBegun, Event, NodeRefused, Rated, Report, WaitedFor

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Say = Callable[[str], None]


@contextmanager
def display(say: Say, brief: bool = False) -> Iterator[Report]:
    """Give a receiver of events; `say` prints a line. `brief`: nothing stays on the screen but what failed."""
    from rich.console import Console

    console = Console()
    # rich believes FORCE_COLOR to be a terminal; a display needs one that can be drawn over
    if not (console.is_interactive and console.is_terminal):
        yield lambda event: None if brief and event["event"] not in ("failed", "node") else _line(event, say)
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
        yield _Bars(live, brief).draw


class _Bars:
    """A bar for each run that is being trained and each set that is being packed; notes stay above the bars."""

    def __init__(self, live: Progress, brief: bool) -> None:
        self.live, self.brief = live, brief
        self.tasks: dict[str, TaskID] = {}

    def draw(self, event: Event) -> None:
        run, label, tasks = event["run"], event["label"], self.tasks
        if event["event"] == "begin":
            if run in tasks:  # tried again
                self.live.remove_task(tasks[run])
            tasks[run] = self.live.add_task(label, total=event["horizon"], completed=event["epoch"], state="")
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

    def _note(self, line: str) -> None:
        if not self.brief:
            self.live.console.print(line)


def _line(event: Event, say: Say) -> None:
    if event["event"] == "epoch":
        say(f"{event['label']:<52} epoch {event['epoch']:>3}/{event['horizon']:<3} {_epoch(event)}")
    elif event["event"] == "begin":
        if event["epoch"]:
            say(f"{event['label']}: continues after epoch {event['epoch']}")
    elif event["event"] == "pack":
        if event["done"] == event["total"]:
            say(f"{event['label']}: {event['done']:,} done")
    elif event["event"] == "timed":
        say(_timed(event))
    elif event["event"] == "evaluation":
        say(_evaluation(event))
    elif event["event"] == "failed":
        say(_failed(event))
    elif event["event"] == "node":
        say(_refused(event))
    elif event["event"] == "busy":
        say(_busy(event))


def _busy(event: WaitedFor) -> str:
    return f"{event['label']}: another process trains this run; it is waited for, and others are trained first"


def _refused(event: NodeRefused) -> str:
    return f"{event['label']} takes no run: {event['why']}"


def _epoch(event: EpochEnded) -> str:
    if event["diverged"]:
        return f"diverged at update {event['diverged']}"
    errors = f"training error {event['train_error']:.4f}"
    if event["test_error"] is not None:
        errors += f"  test error {event['test_error']:.4f}"
    return f"loss {event['train_loss']:.4f}  {errors}  {event['seconds']:.1f} s"


def _timed(event: Rated) -> str:
    rates = " and ".join(f"{rate:.4g}" for rate in event["rates"].values())  # in the order that the label has
    return f"{event['label']}: {rates} images/s"


def _evaluation(event: EvaluationBegun) -> str:
    return f"{event['label']}: evaluated after epoch {event['epoch']}: {event['kind'].replace('_', ' ')}"


def _failed(event: AttemptFailed) -> str:
    return f"{event['label']}: failed, attempt {event['attempt']}: {event['why']}"
