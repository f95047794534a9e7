"""Progress: how many runs are done, how long it still takes, and what moves inside an epoch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import rich.console

from repro import progress
from repro.engine.training import _once_a_second
from repro.progress import EVERY, Tally

ROOT = Path(__file__).parent.parent


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def event(kind: str, run: str = "a", **more: Any) -> Any:
    return {"event": kind, "run": run, "label": f"run {run}", **more}


def begin(run: str, horizon: int = 10) -> Any:
    return event("begin", run, epoch=0, horizon=horizon)


def update(run: str, epoch: int, done: int, rate: float = 100.0) -> Any:
    return event("update", run, epoch=epoch, done=done, total=100, rate=rate)


def epoch(run: str, number: int) -> Any:
    row = {"train_error": 0.5, "train_loss": 1.5, "test_error": None, "seconds": 1.0, "diverged": None}
    return event("epoch", run, epoch=number, horizon=10, **row)


def finish(run: str, status: str = "reached") -> Any:
    return event("finish", run, epoch=10, status=status)


# The tally


def test_the_time_left_is_the_estimate_at_first_then_what_the_work_done_so_far_says():
    clock = Clock()
    tally = Tally(estimate=50.0, clock=clock)
    tally.left = 4
    tally.note(begin("a"))
    clock.now = 10.0
    assert tally.seconds_left() == 40.0
    tally.note(update("a", epoch=5, done=50))  # 0.45 of a run of 4
    assert tally.seconds_left() == pytest.approx(10.0 * 3.55 / 0.45)
    tally.note(finish("a"))
    assert (tally.done, tally.total, tally.seconds_left()) == (1, 4, 30.0)


def test_epochs_of_an_earlier_command_say_nothing_about_the_pace_of_this_one():
    clock = Clock()
    tally = Tally(clock=clock)
    tally.left = 1
    tally.note(event("begin", "a", epoch=5, horizon=10))
    clock.now = 20.0
    assert tally.seconds_left() is None
    tally.note(epoch("a", 7))  # two epochs in 20 s, three are left
    assert tally.seconds_left() == pytest.approx(30.0)
    tally.note(event("begin", "a", epoch=7, horizon=10))  # again after a failure: its epochs were trained here
    assert tally.seconds_left() == pytest.approx(30.0)


def test_without_an_estimate_and_work_nothing_is_said_of_the_time_left():
    assert Tally().seconds_left() is None


def test_a_run_counts_once_however_many_evaluations_of_it_end():
    tally = Tally()
    tally.left = 2
    for _ in range(3):
        tally.note(finish("a"))
    assert (tally.done, tally.total) == (1, 2)


def test_runs_that_nobody_planned_are_counted_while_they_are_trained():
    tally = Tally()
    tally.note(begin("a"))
    assert (tally.done, tally.total) == (0, 1)
    tally.note(finish("a"))
    assert (tally.done, tally.total) == (1, 1)


def test_images_a_second_are_those_of_all_runs_that_are_being_trained():
    tally = Tally()
    for run, rate in (("a", 1_000.0), ("b", 500.0)):
        tally.note(begin(run))
        tally.note(update(run, epoch=1, done=1, rate=rate))
    assert "1,500 images/s" in tally.words()
    tally.note(finish("a"))
    assert "500 images/s" in tally.words()


# Lines and bars


def test_elsewhere_every_run_has_a_line_and_between_them_one_comes_each_minute():
    clock, said = Clock(), list[str]()
    with progress.display(said.append, clock=clock) as show:
        show.planned(2)
        show(begin("a"))
        for second in range(1, 200):
            clock.now = float(second)
            show(update("a", epoch=1 + second // 20, done=5 * (second % 20)))
        assert len(said) == 199 // EVERY
        assert all(re.search(r"\b0 of 2\b.*\b100 images/s", line) for line in said)
        show(epoch("a", 10))
        show(finish("a"))
        assert len(said) == 199 // EVERY + 1
        assert said[-1].startswith("run a: ")
        assert "1 of 2" in said[-1]


@pytest.mark.parametrize(("mode", "lines"), [({"brief": True}, 2), ({"quiet": True}, 1)])
def test_what_failed_has_a_line_in_every_mode(mode, lines):
    clock, said = Clock(), list[str]()
    with progress.display(said.append, clock=clock, **mode) as show:
        show(begin("a"))
        clock.now = EVERY
        show(epoch("a", 1))
        show(event("failed", attempt=1, why="no memory"))
        show(finish("a"))
    assert len(said) == lines
    assert "no memory" in said[-1]


def test_a_terminal_has_a_bar_of_all_runs_and_one_that_moves_inside_an_epoch(monkeypatch):
    drawn = StringIO()
    terminal = rich.console.Console(file=drawn, force_terminal=True, force_interactive=True, width=160)
    monkeypatch.setattr(rich.console, "Console", lambda: terminal)
    with progress.display(lambda line: pytest.fail("a line beside a display")) as show:
        show.planned(3)
        show(begin("a"))
        show(update("a", epoch=4, done=50))
        (of_all, of_run) = show.live.tasks
        assert (of_all.completed, of_all.total) == (0, 3)
        assert of_run.completed == 3.5
        show.live.refresh()
        show(finish("a"))
        assert of_all.completed == 1
    assert "1/3" in drawn.getvalue()
    assert "100 images/s" in drawn.getvalue()


# The engine and the command


def test_updates_are_reported_once_a_second_with_the_rate_of_the_images_between(monkeypatch):
    clock, events = Clock(), list[Any]()
    monkeypatch.setattr(time, "monotonic", clock)
    tell = _once_a_second(events.append, {"run": "a", "label": "run a"}, batch=128)
    for done in range(1, 26):
        tell(1, done, 25)
        clock.now += 0.125
    assert [(e["done"], e["total"]) for e in events] == [(9, 25), (17, 25), (25, 25)]
    assert [e["rate"] for e in events] == [1024.0] * 3
    clock.now += 100.0  # a test of the net: no part of the next epoch's rate
    tell(2, 1, 25)
    assert len(events) == 3


def test_something_is_printed_before_torch_is_imported(tmp_path):
    script = (
        "import sys\nfrom repro.cli import main\n"
        "class No:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'torch': print('now torch', flush=True); raise SystemExit(0)\n"
        "sys.meta_path.insert(0, No())\n"
        f"main(['run', 'relu_speedup', '--scale', 'smoke', '--runs', {str(tmp_path / 'runs')!r}])\n"
    )
    kept = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=kept, cwd=ROOT)
    assert len(done.stdout.splitlines()) == 2, done.stderr
    assert done.stdout.splitlines()[1] == "now torch"
