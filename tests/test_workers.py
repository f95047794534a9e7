"""The one pool of workers: every job once, errors and ends are told, nothing is left running."""

import multiprocessing
import os
import signal
from dataclasses import dataclass

import pytest

from repro.errors import DataError
from repro.workers import WorkerEnded, work_here, work_through


@dataclass(frozen=True)
class Sum:
    """Add up two numbers, or end as `end` says."""

    id: str
    one: int = 0
    other: int = 0
    end: str = ""

    label = "a sum"


def add(job: Sum, report) -> None:
    if job.end == "error":
        raise DataError("no such number")
    if job.end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.end == "exit":
        os._exit(3)
    report({"sum": job.one + job.other, "threads": os.environ["OMP_NUM_THREADS"]})


def through(jobs: list[Sum], workers: int, report) -> list[str]:
    left = {job.id: job for job in jobs}
    done = []
    for job_id in work_through(left.values, add, workers, report) if workers else work_here(left.values, add, report):
        done.append(job_id)
        del left[job_id]
    return done


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_job_of_a_plan_is_done_once_with_its_events(workers, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    events = []
    done = through([Sum(f"{i}", i, 10) for i in range(5)], workers, events.append)
    assert sorted(done) == ["0", "1", "2", "3", "4"]
    assert sorted(event["sum"] for event in events) == [10, 11, 12, 13, 14]
    assert {event["threads"] for event in events} == ({"1"} if workers else {"7"})
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        ("error", DataError, "^no such number$"),
        ("kill", WorkerEnded, r"a sum: its worker process was ended by signal 9 .*run the same command again"),
        ("exit", WorkerEnded, "a sum: its worker process was ended with exit code 3"),
    ],
)
def test_a_job_that_does_not_end_well_ends_all_workers_and_is_told(end, error, message):
    with pytest.raises(error, match=message):
        through([Sum("0", 1, 2), Sum("1", end=end), Sum("2", 3, 4)], 2, lambda event: None)
    assert multiprocessing.active_children() == []
