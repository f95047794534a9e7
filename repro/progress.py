"""Training as it happens: a live display on a terminal, one plain line per epoch elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Event = dict[str, Any]  # as `repro.engine.execute` reports them


@contextmanager
def shown(say: Callable[[str], None], brief: bool = False) -> Iterator[Callable[[Event], None]]:
    """A receiver of events; `say` prints a line. `brief`: nothing stays on the screen but what failed."""
    from rich.console import Console

    console = Console()
    # rich believes FORCE_COLOR to be a terminal; a display needs one that can be drawn over
    if not (console.is_interactive and console.is_terminal):
        yield lambda event: None if brief and event["event"] != "failed" else _line(event, say)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[seen]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as live:
        tasks: dict[str, Any] = {}

        def note(line: str) -> None:
            if not brief:
                live.console.print(line)

        def draw(event: Event) -> None:
            run, what = event["run"], event["event"]
            if what == "begin":
                if run in tasks:  # tried again
                    live.remove_task(tasks[run])
                tasks[run] = live.add_task(event["label"], total=event["horizon"], completed=event["epoch"], seen="")
            elif what == "epoch" and run in tasks:
                error = "diverged" if event["diverged"] else f"training error {event['train_error']:.3f}"
                live.update(tasks[run], completed=event["epoch"], seen=error)
            elif what == "look":
                note(_look(event))
            elif what == "finish" and run in tasks:
                live.remove_task(tasks.pop(run))
                note(f"{event['label']}: {event['status']}, epoch {event['epoch']}")
            elif what == "pack":
                if event["label"] not in tasks:
                    tasks[event["label"]] = live.add_task(event["label"], total=event["total"], seen="")
                live.update(tasks[event["label"]], completed=event["done"], total=event["total"])
            elif what == "timed":
                note(_timed(event))
            elif what == "failed":
                live.console.print(_failed(event))

        yield draw


def _line(event: Event, say: Callable[[str], None]) -> None:
    if event["event"] == "epoch":
        say(f"{event['label']:<52} epoch {event['epoch']:>3}/{event['horizon']:<3} {_seen(event)}")
    elif event["event"] == "begin":
        if event["epoch"]:
            say(f"{event['label']}: continues after epoch {event['epoch']}")
    elif event["event"] == "pack":
        if event["done"] == event["total"]:
            say(f"{event['label']}: {event['done']:,} done")
    elif event["event"] == "timed":
        say(_timed(event))
    elif event["event"] == "look":
        say(_look(event))
    elif event["event"] == "failed":
        say(_failed(event))


def _seen(event: Event) -> str:
    if event["diverged"]:
        return f"diverged at update {event['diverged']}"
    errors = f"training error {event['train_error']:.4f}"
    if event["test_error"] is not None:
        errors += f"  test error {event['test_error']:.4f}"
    return f"loss {event['train_loss']:.4f}  {errors}  {event['seconds']:.1f} s"


def _timed(event: Event) -> str:
    rates = " and ".join(f"{rate:.4g}" for rate in event["rates"].values())  # in the order that the label has
    return f"{event['label']}: {rates} images/s"


def _look(event: Event) -> str:
    return f"{event['label']}: evaluated after epoch {event['epoch']}: {event['look'].replace('_', ' ')}"


def _failed(event: Event) -> str:
    return f"{event['label']}: failed, attempt {event['attempt']}: {event['why']}"
