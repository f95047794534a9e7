"""Several processes for several runs: jobs in, events out, through a pipe for each worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol, TypeVar

from repro.engine.events import Report
from repro.errors import ReproError, RunError


class Job(Protocol):
    """What is done once: two jobs with the same id are never done at once."""

    @property
    def id(self) -> str:
        """Its address."""

    @property
    def label(self) -> str:
        """Its name for people."""


J = TypeVar("J", bound=Job)


def work_through(
    plan: Callable[[], Sequence[J]], work: Callable[[J, Report], None], workers: int, report: Report
) -> Generator[str]:
    """Do `work(job, report)` in worker processes until a plan is empty; yields the id of each job that is done.

    A new plan is asked for whenever a job has been done; what it lists and nobody works on is begun, in its order. All
    events of a job are reported before its id is yielded. However this generator ends, its workers end with it.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # what the libraries of a worker read when they are imported
    crew: dict[Connection, BaseProcess] = {}
    busy: dict[Connection, J] = {}
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
                with suppress(OSError):  # a worker that has ended: found below
                    pipe.send(job)
            if not busy:
                return
            left = ()
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                try:
                    said = ready.recv()
                except (EOFError, ConnectionResetError):
                    raise _ended(crew[ready], busy[ready]) from None
                if isinstance(said, ReproError):
                    raise said
                if said is None:
                    yield busy.pop(ready).id
                    left = plan()
                else:
                    report(said)
    finally:
        for process in crew.values():
            process.terminate()  # at any moment: what a run has on disk is whole
        for process in crew.values():
            process.join()


def _hire(crew: dict[Connection, BaseProcess], work: Callable[[J, Report], None]) -> Connection:
    context = multiprocessing.get_context("spawn")  # a process that has used a GPU cannot be forked
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, theirs), daemon=True)
    # Ctrl-C reaches every process of the terminal: this one hears it and ends its workers, which inherit deafness
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process.start()
    crew[ours] = process
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return ours


def _serve(work: Callable[[J, Report], None], pipe: Connection) -> None:
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
    os._exit(1)  # the parent was killed: nobody wants this run any more, and its lock must be free


def _ended(process: BaseProcess, job: Job) -> RunError:
    process.join()
    code = process.exitcode or 0
    how = f"by signal {-code} (out of memory?)" if code < 0 else f"with exit code {code}"
    return RunError(
        f"{job.label}: the worker that trained it was ended {how}; what is trained is kept: run the same command "
        "again, with fewer --workers if memory is short"
    )
