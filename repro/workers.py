"""Do jobs in worker processes: jobs go in and events come out, through a pipe for each worker.

Training and the packing of photos use it. A job must leave what it writes whole at any moment, for a worker can be
killed at any moment, by the system or with its parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from repro.errors import ReproError, RunError

Report = Callable[[Any], None]  # takes the events of jobs, whatever these are


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
    """A worker process ended before its job was done. `how`: `by signal 9 (out of memory?)`, `with exit code 1`."""

    def __init__(self, job: Job, how: str) -> None:
        super().__init__(
            f"{job.label}: its worker process was ended {how}; what is done is kept: run the same command again, with "
            "fewer --workers if memory is short"
        )
        self.how = how


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work_here(plan: Plan, work: Work, report: Report) -> Generator[str]:
    """Do the first job of a plan in this process, then that of a new plan, until one is empty; yield the ids."""
    while (job := next(iter(plan()), None)) is not None:
        work(job, report)
        yield job.id


def work_through(plan: Plan, work: Work, workers: int, report: Report) -> Generator[str]:
    """Do `work(job, report)` in so many processes until a plan is empty; yield the id of each job that is done.

    A new plan is asked for whenever a job has been done; its jobs that nobody works on are begun, in its order. All
    events of a job are reported before its id is yielded. A ReproError that `work` raises is raised here; WorkerEnded
    where a worker ends otherwise. However this generator ends, its workers end with it.
    """
    crew: dict[Connection, BaseProcess] = {}
    busy: dict[Connection, Job] = {}
    left = plan()
    try:
        while True:
            for job in left:
                if job.id in {begun.id for begun in busy.values()}:
                    continue
                idle = [pipe for pipe in crew if pipe not in busy]
                if not idle and len(crew) == workers:
                    break
                pipe = idle[0] if idle else _hire(crew, work)
                busy[pipe] = job
                with suppress(OSError):  # a worker that has ended: noticed below
                    pipe.send(job)
            if not busy:
                return
            left = ()
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                try:
                    message = ready.recv()
                except (EOFError, ConnectionResetError):
                    raise _ended(crew[ready], busy[ready]) from None
                if isinstance(message, ReproError):
                    raise message
                if message is None:
                    yield busy.pop(ready).id
                    left = plan()
                else:
                    report(message)
    finally:
        for process in crew.values():
            process.terminate()  # at any moment: what a job has on disk is whole
        for process in crew.values():
            process.join()


def _hire(crew: dict[Connection, BaseProcess], work: Work) -> Connection:
    context = multiprocessing.get_context("spawn")  # a process that has used a GPU cannot be forked
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, theirs), daemon=True)
    with _one_thread(), _deaf_to_interrupts():
        process.start()
        crew[ours] = process
    theirs.close()
    return ours


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
def _deaf_to_interrupts() -> Iterator[None]:
    """Have the processes started in this block ignore Ctrl-C, which reaches every process of a terminal: this one hears
    it and ends its workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Work, pipe: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        job = pipe.recv()
        try:
            work(job, pipe.send)
        except ReproError as error:
            pipe.send(error)
        else:
            pipe.send(None)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the parent was killed: nobody wants this job any more, and its lock must be free


def _ended(process: BaseProcess, job: Job) -> WorkerEnded:
    process.join()
    code = process.exitcode or 0
    return WorkerEnded(job, f"by signal {-code} (out of memory?)" if code < 0 else f"with exit code {code}")
