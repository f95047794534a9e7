"""Plan, train, plan again, until nothing is left to do: in this process, in several with one thread each, or on a
cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from repro.claim.config import RunData
from repro.claim.files import ClaimFile, run_config
from repro.engine import beforehand
from repro.engine.budget import Budget
from repro.engine.events import Event, Report
from repro.engine.jobs import Job, Planned, jobs
from repro.engine.probe import seconds_of
from repro.engine.provenance import device_name
from repro.engine.setting import Setting, arms_of, have_data, standing
from repro.engine.training import has_all, train_twice
from repro.files import gone, is_locked
from repro.store import CHECKPOINT
from repro.store.damage import ROWS, DamagedRun
from repro.store.runs import read_rows
from repro.store.writing import LOCK, being_written
from repro.workers import Crew, Processes, WorkerEnded, work_here, work_through

if TYPE_CHECKING:  # loaded where there is one
    from repro.engine.cluster import Cluster

AGAIN = 0.2  # seconds between two looks at the locks of other commands; assumed


def execute(
    claims: list[tuple[ClaimFile, str]],
    setting: Setting,
    *,
    workers: int,
    report: Report,
    more: Planned | None = None,
    budget: Budget | None = None,
    planned: Callable[[int], None] = lambda left: None,
    cluster: Cluster | None = None,
) -> int:
    """Train what the claims (each with its scale) want and the store lacks; return the number of runs that were
    trained or evaluated here and did not fail.

    `more`: what is wanted beside claims. `budget`: no run begins that cannot end in its time. `planned`: called with
    the number of runs that are left, whenever it may have changed. `cluster`: who trains in place of processes here;
    its nodes then have the data. A run that failed under an earlier command is tried again. A run that another command
    trains is left to it, and waited for once nothing else is to be done. A run whose worker is killed is tried once
    more when all others are done. Events of one run come in order, the last is `finish`. Errors: ReproError where arms
    do not start alike or a net cannot be built, DataError where a set is missing, both before any training;
    WorkerEnded where a run's worker was killed twice.
    """
    rounds = _Rounds(claims, setting, more, budget, planned)
    if not (first := rounds.wanted()):
        return 0
    _check(claims)
    if cluster is None:
        have_data(_sets(claims, first), setting, report)
    work, report = partial(train_twice, setting), rounds.watching(budget.watching(report) if budget else report)

    def crew(most: int, alone: bool = False) -> Crew:
        if cluster is None:
            return Processes(work, most)
        from repro.engine.crew import Nodes

        return Nodes(cluster, setting, alone)

    while True:
        plan = rounds.plan
        # a killed half of a net ends the process that leads it, so that one is not this
        here = workers == 1 and cluster is None and "towers" not in setting.provenance
        ended = work_here(plan, work, report) if here else work_through(plan, crew(workers), report)
        if not rounds.take_up_all(ended, report):
            continue  # with new workers
        while job := next(rounds.plan(alone=True), None):  # now that nothing is trained beside it: a process of its own
            rounds.take_up_all(work_through(iter([[job], []]).__next__, crew(1, alone=True), report), report)
        if rounds.tries_again() or rounds.waited():
            continue
        if rounds.lost:
            raise rounds.lost[0]
        return len(rounds.trained)


class _Rounds:
    """What is left to do, as the table of runs grows, by this command and by others."""

    def __init__(
        self,
        claims: list[tuple[ClaimFile, str]],
        setting: Setting,
        more: Planned | None,
        budget: Budget | None,
        planned: Callable[[int], None],
    ) -> None:
        self.setting, self.budget, self.planned = setting, budget, planned
        self.table = standing(setting)
        # of the table as it then is
        self.wanted = partial(jobs, claims, self.table, device_name(setting.provenance), more)
        self.first = next(iter(self.table), None)  # a run that is there as long as the shelf is
        self.evaluations: dict[str, set[str]] = {}  # of every run that was worked on
        self.trained: set[str] = set()
        self.failed: set[str] = set()
        self.busy: set[str] = set()  # runs that another command was met at
        self.killed: set[str] = set()  # runs whose worker was killed, which wait until all others are done
        self.again: set[str] = set()  # those of them that were tried once more
        self.lost: list[WorkerEnded] = []  # and whose worker was killed then, too

    def plan(self, alone: bool = False) -> Iterator[Job]:
        """Yield what is to be begun next, in its order; with `alone` the timings, else the trainings.

        The table is read again where a run turns out to have been finished elsewhere: it may change what is wanted.
        """
        begun: set[str] = set()
        done: set[str] = set()  # each once: what is wanted all the same is begun
        left = self.wanted()
        self.planned(sum(job.id not in self.failed for job in left))
        while left:
            job = left.pop(0)
            if job.alone != alone or job.id in begun | self.failed | self.killed or self._is_held(job):
                continue
            if job.id not in done and self._is_done(job):
                done.add(job.id)
                self.table.update(standing(self.setting))
                left = self.wanted()
            elif self.budget is None or self.budget.allows(job, _there(job, self.setting)):
                begun.add(job.id)
                self.evaluations.setdefault(job.id, set()).update(evaluation.id for evaluation in job.evaluations)
                yield job

    def watching(self, report: Report) -> Report:
        """Return a report that passes events on and takes from them how runs ended."""

        def both(event: Event) -> None:
            if event["event"] == "busy":
                self.busy.add(event["run"])
            elif event["event"] == "finish" and event["status"] == "failed":
                self.failed.add(event["run"])
            elif event["event"] in ("finish", "timed"):
                self.trained.add(event["run"])
            report(event)

        return both

    def take_up_all(self, ended: Generator[str], report: Report) -> bool:
        """Put each run that has ended, failed ones too, and its evaluations that have a result into the table; return
        False where a worker was killed, and others are left.

        Vanished where a run is there no more: another folder may have come into the place of a shelf whose disk is
        gone, and be filled for hours.
        """
        try:
            self._take_up(ended)
        except WorkerEnded as error:
            if error.job in self.again:
                self.failed.add(error.job)
                self.lost.append(error)
            else:
                self.killed.add(error.job)
            why = f"its worker process was ended {error.how}"
            attempt = 2 if error.job in self.again else 1
            report({"event": "failed", "run": error.job, "label": error.label, "attempt": attempt, "why": why})
            return False
        return True

    def tries_again(self) -> bool:
        """Let runs whose workers were killed be planned once more; return False where there are none."""
        waiting, self.killed = self.killed, set()
        self.again |= waiting
        return bool(waiting)

    def _take_up(self, ended: Generator[str]) -> None:
        with closing(ended):
            for run_id in (run_id for run_id in ended if run_id not in self.busy):
                self.first = self.first or run_id
                for folder in (self.setting.store.root / each for each in (self.first, run_id)):
                    if not folder.is_dir():
                        raise gone(folder)
                for each in {run_id, *self.evaluations[run_id]}:
                    run = self.setting.store.read(each)
                    if run is not None and run.result is not None:
                        self.table[each] = run

    def waited(self) -> bool:
        """Wait until a run that another command works on is free; return False where none is wanted."""
        wanted = [job for job in self.wanted() if job.id in self.busy - self.failed]
        while wanted and all(self._is_held(job) for job in wanted):
            time.sleep(AGAIN)
        return bool(wanted)

    def _is_held(self, job: Job) -> bool:
        """Return whether another command, which was met at this run, still works on it or on an evaluation of it."""
        if job.id not in self.busy:
            return False
        locks = [self.setting.store.root / each / LOCK for each in (job.id, *(e.id for e in job.evaluations))]
        if any(lock.exists() and is_locked(lock) for lock in locks):
            return True
        self.busy.discard(job.id)
        return False

    def _is_done(self, job: Job) -> bool:
        """Return whether all that is wanted of a run is on the shelf."""
        store, stands = self.setting.store, self.setting.stands
        run = store.read(job.id)
        if run is None or not stands(run) or not (job.alone or has_all(run, job)):
            return False
        return all(stands(store.read(evaluation.id)) for evaluation in job.evaluations)


def _check(claims: list[tuple[ClaimFile, str]]) -> None:
    """Check what can be checked before any data are read."""
    for file, scale in claims:
        beforehand.check_library_nets(file, scale)
        beforehand.check_initial_values(file, scale)


def _sets(claims: list[tuple[ClaimFile, str]], first: list[Job]) -> list[RunData]:
    """Return the sets that are wanted, now or later."""
    arms = [run_config(c, arm, seed=0) for f, scale in claims for c in [f.at(scale)] for arm in c.arms]
    started = [config.data for config in arms if config.start]  # wanted once what they start from is there
    return [*(arm.data for job in first for arm in arms_of(job.config)), *started]


def remaining(
    claims: list[tuple[ClaimFile, str]], setting: Setting, workers: int = 1, more: Planned | None = None
) -> tuple[int, float]:
    """Return (runs to train or to evaluate in this round, the seconds that all workers together take for them at most),
    by `probe`."""
    left = jobs(claims, standing(setting), device_name(setting.provenance), more)
    seconds = 0.0
    for job in left:
        idle = workers if job.alone else 1  # nothing else runs meanwhile
        seconds += idle * seconds_of(job.config, job.work(_there(job, setting)), setting.device)
    return len(left), seconds


def _there(job: Job, setting: Setting) -> int:
    """Return the epochs of a run that need not be trained again; none where those of an unfinished one are damaged."""
    folder = being_written(setting.store.root / job.id)
    with suppress(DamagedRun):
        return len(read_rows(folder / ROWS)) if (folder / CHECKPOINT).is_file() else 0
    return 0
