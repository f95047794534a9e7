"""The one pool of workers: every job once, errors and ends are told, nothing is left running, and signals."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from repro import workers
from repro.errors import DataError
from repro.workers import Processes, WorkerEnded, ask, asked, work_here, work_through


@dataclass(frozen=True)
class Sum:
    """Add up two numbers, or end as `end` says."""

    id: str
    one: int = 0
    other: int = 0
    end: str = ""

    label = "a sum"


def states(parent: int) -> str:
    """The states of a process's children; T is stopped."""
    done = subprocess.run(["ps", "-A", "-o", "ppid=,stat="], capture_output=True, text=True, check=True)
    return " ".join(line.split()[1][0] for line in done.stdout.splitlines() if line.split()[0] == str(parent))


def until(condition) -> None:
    """Wait for it, a minute at most."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def add(job: Sum, report) -> None:
    if job.end == "error":
        raise DataError("no such number")
    if job.end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.end == "exit":
        os._exit(3)
    if job.end == "stop":  # before the job ends
        os.kill(os.getpid(), signal.SIGSTOP)
    if job.end == "stop afterwards":
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    if job.end == "step":
        report({"step": job.id})
        until(asked)
        raise KeyboardInterrupt
    if job.end in ("another stops", "error once another stops"):
        until(lambda: "T" in states(os.getppid()))
    if job.end == "error once another stops":
        raise DataError("no such number")
    report({"sum": job.one + job.other, "threads": os.environ.get("OMP_NUM_THREADS")})


def through(jobs: list[Sum], workers: int, report) -> list[str]:
    left = {job.id: job for job in jobs}
    done = []
    crew = Processes(add, workers)
    for job_id in work_through(left.values, crew, report) if workers else work_here(left.values, add, report):
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


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [("stop afterwards", "another stops", None), ("stop", "error once another stops", DataError)],
)
def test_a_stopped_worker_is_killed_whether_it_was_idle_or_busy(first, second, error, monkeypatch):
    """It hears nothing: waiting for its end would never end."""
    monkeypatch.setattr(workers, "PATIENCE", 0.1)
    with pytest.raises(error) if error else nullcontext():
        through([Sum("0", end=first), Sum("1", end=second)], 2, lambda event: None)
    assert multiprocessing.active_children() == []


# Signals


@pytest.mark.parametrize("number", [0, 1, 2])
def test_where_an_end_is_asked_for_jobs_that_are_begun_end_and_no_other_begins(number):
    events = []

    def ask_at_the_first(event: dict) -> None:
        events.append(event)
        ask()

    with pytest.raises(KeyboardInterrupt):
        through([Sum(f"{i}", i) for i in range(5)], number, ask_at_the_first)
    assert 1 <= len(events) <= max(1, number)
    assert multiprocessing.active_children() == []
    assert not asked(), "the next pool knows nothing of it"


def test_a_long_job_in_a_worker_hears_that_an_end_is_asked_for():
    """What it raises then is no failure of the worker."""
    with pytest.raises(KeyboardInterrupt):
        through([Sum("0", end="step"), Sum("1", end="step")], 2, lambda event: ask())
    assert multiprocessing.active_children() == []


def test_an_end_cannot_be_asked_for_where_nothing_has_steps():
    assert not ask()
    assert not asked()


SPAWN = """\
import signal
from multiprocessing import util
from repro import workers

spawn = util.spawnv_passfds

def noted(path, args, handles):
    if any("spawn_main" in str(arg) for arg in args):
        print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    return spawn(path, args, handles)

util.spawnv_passfds = noted
crew = workers.Processes(print, 2)
crew._hire(), crew._hire()
crew.end()
"""


def test_no_worker_hears_a_signal_before_it_asks_to():
    """The first one did: while it imported torch, a Ctrl-C ended it with a traceback."""
    done = subprocess.run([sys.executable, "-c", SPAWN], capture_output=True, text=True, check=True)
    assert done.stdout == f"{sorted(workers.SIGNALS)}\n" * 2


STEPS = """\
import sys
from repro import cli, workers

class Job:
    id = label = "a job"

def work(job, report):
    print("begun", flush=True)
    sys.stdin.readline()
    print("ended", flush=True)

def verb(args):
    jobs = [Job()]
    for done in workers.work_here(lambda: jobs, work, print):
        jobs.clear()
    return 0

cli.VERBS["check"] = verb
cli.main(["check"])
"""


@pytest.fixture
def command():
    """A command whose one step ends with a line on its input."""
    begun = []

    def start(*ignored: int) -> subprocess.Popen:
        def as_a_shell_does() -> None:
            for number in workers.SIGNALS:  # a shell that starts the tests in the background has them ignore Ctrl-C
                signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = subprocess.Popen([sys.executable, "-c", STEPS], text=True, preexec_fn=as_a_shell_does, **pipes)
        begun.append(command)
        assert command.stdout.readline() == "begun\n"
        return command

    yield start
    for command in begun:
        command.kill()
        command.communicate()


@pytest.mark.parametrize("number", workers.SIGNALS)
def test_one_signal_ends_a_command_after_its_step_and_says_so(command, number):
    steps = command()
    steps.send_signal(number)
    assert "interrupted: ends after" in steps.stderr.readline()
    assert steps.poll() is None
    out, errors = steps.communicate("\n")
    assert (steps.returncode, out) == (130, "ended\n")
    assert errors.splitlines() == ["interrupted; the same command goes on from the last checkpoints"]


@pytest.mark.parametrize("number", workers.SIGNALS)
def test_two_signals_end_a_command_now_without_a_traceback(command, number):
    steps = command()
    steps.send_signal(number)
    assert "interrupted: ends after" in steps.stderr.readline()
    steps.send_signal(number)
    assert steps.stderr.read().splitlines() == ["interrupted; the same command goes on from the last checkpoints"]
    assert (steps.wait(), steps.stdout.read()) == (130, "")


def test_what_a_command_was_started_to_ignore_it_ignores(command):
    """As `nohup` has it: without this, a closed terminal would end what shall outlive it."""
    steps = command(signal.SIGHUP)
    steps.send_signal(signal.SIGHUP)
    assert steps.communicate("\n") == ("ended\n", "")
    assert steps.returncode == 0
