"""Facts of a command's time: which runs begin in it, and what their epochs say of those to come."""

from __future__ import annotations

import pytest

from repro.claim.resolve import base_run
from repro.contents import KINDS
from repro.engine.budget import Budget, seconds
from repro.engine.jobs import Job
from repro.errors import ReproError
from repro.papers.alexnet2012 import PAPER
from repro.questions.levels import Goal


class Clock:
    """A time that is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def job(name: str, seed: int, epochs: int) -> Job:
    return Job(base_run(PAPER, KINDS, name, seed)[0], (Goal(epochs),), name)


def budget(of: float, clock: Clock) -> Budget:
    """Estimates of 10 s an epoch, whatever the configuration."""
    return Budget(of, "cpu", clock, lambda config, epochs, device: 10.0 * epochs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2h", 7200), ("90m", 5400), ("30min", 1800), ("45s", 45), ("1h30m", 5400), ("1.5h", 5400), ("2h 5min", 7500)],
)
def test_a_time_is_hours_minutes_and_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "2", "h", "2 days", "-2h", "0h", "30m2h"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(ReproError, match="such as 2h"):
        seconds(text)


def test_a_run_begins_if_and_only_if_its_epochs_end_in_the_time_left():
    clock = Clock()
    limit = budget(300, clock)
    run = job("source_30", 100, epochs=30)
    assert limit.allows(run, there=0)  # 30 epochs of 10 s
    clock.now += 1
    assert not limit.allows(run, there=0)
    assert limit.allows(run, there=1)  # from its checkpoint


def test_epochs_that_take_longer_than_estimated_correct_what_is_estimated_next():
    clock = Clock()
    limit = budget(10_000, clock)
    heard: list[dict] = []
    report = limit.watching(heard.append)
    run = job("source_30", 100, epochs=30)
    assert limit.needed(run, 0) == 300
    report({"event": "begin", "run": run.id})
    for seconds_taken in (15.0, 25.0):
        clock.now += seconds_taken
        report({"event": "epoch", "run": run.id})
    assert [event["event"] for event in heard] == ["begin", "epoch", "epoch"]
    # a mean of 20 s in place of 10; another seed is like it
    assert limit.needed(job("source_30", 101, epochs=30), 0) == pytest.approx(600)
    # of what no epoch was seen, the estimate times what the others say
    other = job("printed_60", 100, epochs=60)
    assert limit.needed(other, 0) == pytest.approx(1200)
    report({"event": "begin", "run": other.id})
    clock.now += 5
    report({"event": "epoch", "run": other.id})
    assert limit.needed(other, 0) == pytest.approx(300)
    assert limit.needed(run, 0) == pytest.approx(600)
