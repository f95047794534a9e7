"""Do jobs side by side: jobs go in and events come out. A crew does them: processes of this machine, or of a cluster.

Training and the packing of photos use it. A job must leave what it writes whole at any moment, for a worker can be
killed at any moment, by the system or with its parent.

A first Ctrl-C asks for an end after the step that is being done, a second one ends at once (`asked`, `finishing`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from repro.errors import ReproError, RunError

Report = Callable[[Any], object]  # takes the events of jobs, whatever these are


SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
PATIENCE = 10.0  # seconds that a worker has for its end before it is killed; assumed
NOTICE = 0.5  # seconds after which a first Ctrl-C is passed on to workers; assumed


class Job(Protocol):
    """One piece of work; two jobs with the same id are never done at the same time. It must be picklable."""

    @property
    def id(self) -> str:
        """What identifies it."""

    @property
    def label(self) -> str:
        """Its name for people."""


Plan = Callable[[], Iterable[Any]]
Work = Callable[[Any, Report], None]


class WorkerEnded(RunError):
    """A worker process ended before its job was done. `how`: `by signal 9 (out of memory?)`, `with exit code 1`; `job`:
    the id of the job."""

    exit_code = 70

    def __init__(self, label: str, how: str, job: str = "") -> None:
        super().__init__(
            f"{label}: its worker process was ended {how}; what is done is kept: run the same command again, with "
            "fewer --workers if memory is short"
        )
        self.label, self.how, self.job = label, how, job


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Steps:
    """How many steps that must not be cut are being done in this process, and whether an end was asked for."""

    depth = 0
    asked = False


def asked() -> bool:
    """Return whether an end was asked for: what does a long job ends it after its step, by KeyboardInterrupt."""
    return _Steps.asked


def ask() -> bool:
    """Ask for an end after the step that is being done; False where none is, or where this was asked before."""
    if _Steps.depth == 0 or _Steps.asked:
        return False
    _Steps.asked = True
    return True


@contextmanager
def finishing() -> Iterator[None]:
    """Have a first Ctrl-C wait for the end of this block, or for a point in it that asks `asked`.

    KeyboardInterrupt at the end of the outermost block, where an end was asked for.
    """
    _Steps.depth += 1
    stop = False
    try:
        yield
    finally:
        _Steps.depth -= 1
        if _Steps.depth == 0:
            stop, _Steps.asked = _Steps.asked, False
    if stop:
        raise KeyboardInterrupt


def work_here(plan: Plan, work: Work, report: Report) -> Generator[str]:
    """Do the first job of a plan in this process, then that of a new plan, until one is empty; yield the ids.

    KeyboardInterrupt between two jobs, and where `work` raises it, if an end was asked for.
    """
    with finishing():
        while not asked() and (job := next(iter(plan()), None)) is not None:
            work(job, report)
            yield job.id


class Stopped:
    """The last message of a job that ended after a step, as it was asked to."""


class Crew(Protocol):
    """Who does jobs side by side. What `work_through` does with it is the same for every kind."""

    @property
    def jobs(self) -> Collection[Job]:
        """The jobs that are being done."""

    def takes(self, job: Job) -> bool:
        """Begin a job, unless it is being done; return False where there is no room for it now."""

    def messages(self) -> Iterator[tuple[Job, Any]]:
        """Wait for messages on the jobs; yield those that are there: events, and as a job's last one None where it is
        done, the ReproError that it raised, or Stopped. WorkerEnded where whoever did it is no more."""

    def end(self) -> None:
        """End all that is being done, at once."""


def work_through(plan: Plan, crew: Crew, report: Report) -> Generator[str]:
    """Have a crew do jobs until a plan is empty; yield the id of each job that is done.

    A new plan is asked for whenever a job has been done; its jobs that nobody works on are begun, in its order. All
    events of a job are reported before its id is yielded. A ReproError that a job raises is raised here; WorkerEnded
    where a worker ends otherwise; KeyboardInterrupt once all jobs have come to their next step, if an end was asked
    for. However this generator ends, the crew ends with it.
    """
    left = plan()
    try:
        with finishing():
            while True:
                for job in left if not asked() else ():
                    if not crew.takes(job):
                        break
                if not crew.jobs:
                    return
                left = ()
                for job, message in crew.messages():
                    if isinstance(message, ReproError):
                        raise message
                    if message is None:
                        yield job.id
                        left = plan()
                    elif isinstance(message, Stopped):
                        if not asked():
                            raise WorkerEnded(job.label, "by a signal", job.id)
                    else:
                        report(message)
    finally:
        crew.end()


class Processes:
    """A crew of at most so many processes of this machine, with one thread each, that do `work(job, report)`."""

    def __init__(self, work: Work, workers: int) -> None:
        self.work, self.workers = work, workers
        self.processes: dict[Connection, BaseProcess] = {}
        self.busy: dict[Connection, Job] = {}
        self.told = False  # whether an end was passed on to them

    @property
    def jobs(self) -> Collection[Job]:
        """The jobs that are being done."""
        return self.busy.values()

    def takes(self, job: Job) -> bool:
        """Give a job to a worker, unless one does it; return False where none is idle and no more may be hired."""
        if job.id in {begun.id for begun in self.jobs}:
            return True
        idle = [pipe for pipe in self.processes if pipe not in self.busy]
        if not idle and len(self.processes) == self.workers:
            return False
        pipe = idle[0] if idle else self._hire()
        self.busy[pipe] = job
        with suppress(OSError):  # a worker that has ended: noticed when its message is awaited
            pipe.send(job)
        return True

    def messages(self) -> Iterator[tuple[Job, Any]]:
        """Wait for a message of busy workers; yield those that are there. WorkerEnded of a worker that is no more."""
        there: list[Any] = []
        while not there:
            if asked() and not self.told:
                self.told = True
                for pipe in self.busy:
                    os.kill(_pid(self.processes[pipe]), signal.SIGINT)
            there = wait(list(self.busy), NOTICE)
        for ready in there:
            assert isinstance(ready, Connection)
            try:
                message = ready.recv()
            except (EOFError, ConnectionResetError):
                if asked():  # a signal to all processes of a group ended it
                    raise KeyboardInterrupt from None
                raise _ended(self.processes[ready], self.busy[ready]) from None
            last = message is None or isinstance(message, ReproError | Stopped)
            yield self.busy.pop(ready) if last else self.busy[ready], message

    def _hire(self) -> Connection:
        context = multiprocessing.get_context("spawn")  # a process that has used a GPU cannot be forked
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self.work, theirs), daemon=True)
        resource_tracker.ensure_running()  # its start unblocks SIGINT and SIGTERM again
        with _one_thread(), _deaf():
            process.start()
            self.processes[ours] = process
        theirs.close()
        return ours

    def end(self) -> None:
        """End all workers: the busy ones at once, for what a job has on disk is whole at any moment; idle ones end by
        themselves, and are killed where they do not, as one that was stopped. No signal cuts this."""
        with _deaf():
            for pipe, process in self.processes.items():
                if pipe in self.busy:
                    process.kill()
                pipe.close()
            _join(list(self.processes.values()))


def _join(processes: list[BaseProcess]) -> None:
    """Wait for the ends of processes, and kill those that need longer than a worker may."""
    end = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _pid(process: BaseProcess) -> int:
    assert process.pid is not None, "it was started"
    return process.pid


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have the processes started in this block use one thread each: their libraries read it when they are imported."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def _deaf() -> Iterator[None]:
    """Have signals wait until this block ends; processes started in it do not hear them before they ask to."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Work, pipe: Connection) -> None:
    """Do jobs until the parent closes its end. A signal, which a terminal sends to all its processes, asks for an end
    after the step; how soon the worker really ends is the parent's to say."""
    for number in SIGNALS:
        signal.signal(number, _hear)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(outcome(work, job, pipe.send))


def outcome(work: Work, job: Any, report: Report) -> ReproError | Stopped | None:
    """Do a job as a worker does, which is a step as a whole; return its last message (`Crew.messages`)."""
    _Steps.depth = 1
    try:
        work(job, report)
    except ReproError as error:
        return error
    except KeyboardInterrupt:
        return Stopped()
    return None


def _hear(number: int, frame: object) -> None:
    _Steps.asked = True


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the parent was killed: nobody wants this job any more, and its lock must be free


def _ended(process: BaseProcess, job: Job) -> WorkerEnded:
    _join([process])
    code = process.exitcode or 0
    how = f"by signal {-code} (out of memory?)" if code < 0 else f"with exit code {code}"
    return WorkerEnded(job.label, how, job.id)
