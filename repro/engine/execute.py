"""Plan, train, plan again, until nothing is left to do: in this process, or in several with one thread each."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial

from repro.claim.config import RunData
from repro.claim.files import ClaimFile, run_config
from repro.data import loading
from repro.engine import beforehand
from repro.engine.budget import Budget
from repro.engine.events import Report
from repro.engine.jobs import Job, Planned, jobs
from repro.engine.probe import seconds_of
from repro.engine.provenance import device_name
from repro.engine.setting import Setting, arms_of, standing
from repro.engine.training import train_twice
from repro.store import Table
from repro.workers import work_here, work_through


def execute(
    claims: list[tuple[ClaimFile, str]],
    setting: Setting,
    *,
    workers: int,
    report: Report,
    more: Planned | None = None,
    budget: Budget | None = None,
) -> int:
    """Train what the claims (each with its scale) want and the store lacks; return the number of runs trained.

    `more`: what is wanted beside claims. `budget`: no run begins that cannot end in its time. A run that failed under
    an earlier command is tried again. Events of one run come in order, the last is `finish`. Errors: ReproError where
    arms do not start alike or a net cannot be built, DataError where a set is missing, both before any training.
    """
    table = standing(setting)
    wanted = partial(jobs, claims, table, device_name(setting.provenance), more)  # of the table as it then is
    if not (first := wanted()):
        return 0
    _prepare(claims, first, setting, report)
    evaluations: dict[str, set[str]] = {}  # of every run that was worked on

    def plan(alone: bool = False) -> list[Job]:
        left = [job for job in wanted() if job.alone == alone]
        left = [job for job in left if budget is None or budget.allows(job, _there(job, setting))]
        for job in left:
            evaluations.setdefault(job.id, set()).update(evaluation.id for evaluation in job.evaluations)
        return left

    def done(ended: Generator[str]) -> int:
        """Take up each run as it ends; return how many there were."""
        count = 0
        with closing(ended):
            for run_id in ended:
                _take_up(run_id, evaluations[run_id], setting, table)
                count += 1
        return count

    work, report = partial(train_twice, setting), budget.watching(report) if budget else report
    trained = done(work_here(plan, work, report) if workers == 1 else work_through(plan, work, workers, report))
    while left := plan(alone=True):  # now that nothing is trained beside it: each timing in a process of its own
        trained += done(work_through(partial(_to_do, left[:1], table), work, 1, report))
    return trained


def _prepare(claims: list[tuple[ClaimFile, str]], first: list[Job], setting: Setting, report: Report) -> None:
    """Check what can be checked before any data are read, and pack what no worker shall have to pack."""
    for file, scale in claims:
        beforehand.check_library_nets(file, scale)
        beforehand.check_initial_values(file, scale)
    arms = [run_config(c, arm, seed=0) for f, scale in claims for c in [f.at(scale)] for arm in c.arms]
    started = [config.data for config in arms if config.start]  # wanted once what they start from is there
    _have_data([*(arm.data for job in first for arm in arms_of(job.config)), *started], setting, report)


def _have_data(sets: list[RunData], setting: Setting, report: Report) -> None:
    for kind, stored in sorted({(data.kind, data.stored) for data in sets}, key=str):

        def progress(stage: str, done: int, total: int, kind: str = kind) -> None:
            report({"event": "pack", "run": kind, "label": f"{kind}: {stage}", "done": done, "total": total})

        loading.have(kind, stored=stored, roots=setting.roots, cache=setting.cache, progress=progress)


def _here(plan: Callable[[], list[Job]], work: Callable[[Job, Report], None], report: Report) -> Generator[str]:
    """Do the first job of each plan in this process; yield its id."""
    while left := plan():
        work(left[0], report)
        yield left[0].id


def _take_up(run_id: str, evaluations: set[str], setting: Setting, table: Table) -> None:
    """Put a run that has ended, failed ones too, and its evaluations that have a result into the table."""
    run = setting.store.read(run_id)
    assert run is not None
    table[run_id] = run
    made = [setting.store.read(evaluation) for evaluation in evaluations]
    table.update({run.id: run for run in made if run is not None and run.result is not None})


def _to_do(planned: list[Job], table: Table) -> list[Job]:
    return [job for job in planned if job.id not in table]


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
    """Return the epochs of a run that need not be trained again."""
    run = setting.store.read(job.id)
    return len(run.epochs) if run and run.resumable else 0
