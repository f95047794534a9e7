"""Plan, train, plan again, until nothing is left to do: in this process, or in several with one thread each."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import safetensors.torch
import torch

from repro.claim.config import RunConfig, RunData, TimingConfig
from repro.claim.files import ClaimFile, run_config
from repro.data import loading
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.engine import beforehand, starts
from repro.engine.budget import Budget
from repro.engine.evaluations import SHOWN, Looker, saved
from repro.engine.jobs import Job as Job  # what others of the engine take from here
from repro.engine.jobs import Planned
from repro.engine.jobs import jobs as jobs
from repro.engine.probe import seconds_of
from repro.engine.provenance import device_name
from repro.nets import registry
from repro.questions.levels import goal_of
from repro.store import CHECKPOINT, OpenRun, Store, Table
from repro.train import loop, throughput
from repro.train.machine import settle_process
from repro.workers import Report, work_here, work_through

# {"event": "pack" | "begin" | "epoch" | "look" | "timed" | "finish" | "failed", "run": id, "label": ..., ...}
Event = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Where and on what runs are trained; the same for all runs of a command."""

    store: Store
    device: str
    roots: tuple[Path, ...]
    cache: Path
    provenance: dict[str, Any]
    keep_old: bool = False  # the reference shelf: runs of an earlier numerics version stay and are marked
    checkpoint_seconds: float = 30  # assumed: with one epoch, the most that a kill loses; DESIGN allows 60


def execute(
    claims: list[tuple[ClaimFile, str]],
    setting: Setting,
    *,
    workers: int,
    report: Report,
    more: Planned | None = None,
    budget: Budget | None = None,
) -> int:
    """Train what the claims (each with its scale) want and the store lacks. Returns the number of runs trained. `more`:
    what is wanted beside claims. `budget`: no run begins that cannot end in its time.

    A run that failed under an earlier command is tried again. Events of one run come in order, the last is `finish`.
    """
    table = standing(setting)
    first = jobs(claims, table, device_name(setting.provenance), more)
    if not first:
        return 0
    for file, scale in claims:
        beforehand.check_library_nets(file, scale)
        beforehand.check_initial_values(file, scale)
    arms = [run_config(c, arm, seed=0) for f, scale in claims for c in [f.at(scale)] for arm in c.arms]
    started = [config.data for config in arms if config.start]  # wanted once what they start from is there
    _have_data([*(data for job in first for data in _sets(job.config)), *started], setting, report)
    evaluations: dict[str, set[str]] = {}  # of every run that was worked on

    def plan(alone: bool = False) -> list[Job]:
        left = [job for job in jobs(claims, table, device_name(setting.provenance), more) if job.alone == alone]
        left = [job for job in left if budget is None or budget.allows(job, _there(job, setting))]
        for job in left:
            evaluations.setdefault(job.id, set()).update(evaluation.id for evaluation in job.evaluations)
        return left

    def done(ended: Generator[str]) -> int:
        count = 0
        with closing(ended):
            for run_id in ended:
                run = setting.store.read(run_id)
                assert run is not None
                table[run_id] = run
                looked = [setting.store.read(evaluation) for evaluation in evaluations[run_id]]
                table.update({run.id: run for run in looked if run is not None and run.result is not None})
                count += 1
        return count

    work, report = partial(train_twice, setting), budget.watching(report) if budget else report
    trained = done(work_here(plan, work, report) if workers == 1 else work_through(plan, work, workers, report))
    while left := plan(alone=True):  # now that nothing is trained beside it: each timing in a process of its own
        trained += done(work_through(lambda one=left[:1]: [j for j in one if j.id not in table], work, 1, report))
    return trained


def standing(setting: Setting) -> Table:
    """The runs of the store that need no more training for what they show: those which stopped, and did not fail."""
    return {
        run_id: run
        for run_id, run in setting.store.table().items()
        if run.result is not None and not run.failed
        if setting.keep_old or run.sessions[-1].get("numerics") == loop.NUMERICS
    }


def remaining(
    claims: list[tuple[ClaimFile, str]], setting: Setting, workers: int = 1, more: Planned | None = None
) -> tuple[int, float]:
    """(runs to train or to look at in this round, the seconds that all workers together take for them at most), by
    `probe`."""
    left = jobs(claims, standing(setting), device_name(setting.provenance), more)
    seconds = 0.0
    for job in left:
        beside = workers if job.alone else 1  # nothing else runs meanwhile
        seconds += beside * seconds_of(job.config, job.work(_there(job, setting)), setting.device)
    return len(left), seconds


def _there(job: Job, setting: Setting) -> int:
    """Epochs of a run that need not be trained again."""
    run = setting.store.read(job.id)
    return len(run.epochs) if run and run.resumable else 0


def _have_data(sets: list[RunData], setting: Setting, report: Report) -> None:
    """Pack once, here, what no worker shall have to pack; DataError before any training where a set is missing."""
    for kind, stored in sorted({(data.kind, data.stored) for data in sets}, key=str):

        def progress(stage: str, done: int, total: int, kind: str = kind) -> None:
            report({"event": "pack", "run": kind, "label": f"{kind}: {stage}", "done": done, "total": total})

        loading.have(kind, stored=stored, roots=setting.roots, cache=setting.cache, progress=progress)


def train_twice(setting: Setting, job: Job, report: Report) -> None:
    """Train; a run that fails is repeated once, then its failure is its result."""
    settle_process(setting.device)
    about = {"run": job.id, "label": job.label}
    for attempt in (1, 2):
        try:
            return (measure if job.alone else train)(job, setting, report)
        except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
            why = f"{type(error).__name__}: {error}"
        report({"event": "failed", **about, "attempt": attempt, "why": why})
    with setting.store.begin(job.config, _session(job.config, setting)) as run:
        run.finish({"status": "failed", "why": why})
        report({"event": "finish", **about, "epoch": len(run.rows()), "status": "failed"})


def train(
    job: Job,
    setting: Setting,
    report: Report,
    data: Batches | PhotoBatches | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """One run, from its checkpoint where there is one, until all that is wanted of it is there, evaluations too.

    `data`: its images, where they are of no known set; `weights`: those it starts from, where they are a file's.
    """
    config = job.config
    assert isinstance(config, RunConfig)
    about = {"run": config.id, "label": job.label}
    # before the run is begun: where data are missing, nothing is left behind
    data = batches(config.data, setting) if data is None else data
    session = _session(config, setting)

    def start() -> loop.Trainer:
        trainer = loop.trainer(
            model=config.model.model_dump(),
            train=config.train.model_dump(),
            seed=config.seed,
            precision=config.precision,
            batches=data,
            every_epoch=job.best,
        )
        if config.start:
            starts.begin(trainer, config, setting.store, weights)
        return trainer

    looker = Looker(
        setting.store, session, lambda event: report(about | event), setting.checkpoint_seconds, setting.keep_old
    )
    recorded = standing(setting).get(job.id) if job.evaluations else None
    here = recorded is not None and all(recorded.kept(epoch) for epoch in job.keep)
    if recorded is None or not here or job.left(recorded.epochs):
        with setting.store.begin(config, session) as run:
            _train(job, start(), run, setting, looker)
        recorded = setting.store.read(job.id)
        assert recorded is not None
    for evaluation in looker.left(job.evaluations):  # what the run was past, or on record before
        if not goal_of(config, evaluation.epoch).lost(recorded.epochs):
            looker.return_to(evaluation, recorded, start)


def _train(job: Job, trainer: loop.Trainer, run: OpenRun, setting: Setting, looker: Looker) -> None:
    assert isinstance(job.config, RunConfig)
    leaves = starts.Leaves(run, job.config, job.keep, job.best)
    leaves.forget()
    rows = starts.resume(trainer, run)
    leaves.write(trainer, rows)
    looker.say({"event": "begin", "epoch": trainer.epoch, "horizon": job.horizon})
    for evaluation in looker.left(job.evaluations, rows[-1]) if rows else ():  # where a kill came before the look
        looker.look(evaluation, trainer)
    saved_at = time.monotonic()
    while job.left(rows):
        row = next(trainer.epochs(trainer.epoch + 1)).row()
        run.append(row)
        rows.append(row)
        looker.say({"event": "epoch", "horizon": job.horizon} | {key: row.get(key) for key in SHOWN})
        if row["diverged"] is not None:
            continue
        now = looker.left(job.evaluations, row)
        if now or leaves.due(rows) or time.monotonic() - saved_at > setting.checkpoint_seconds:
            run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
            saved_at = time.monotonic()
        leaves.write(trainer, rows)
        for evaluation in now:
            looker.look(evaluation, trainer)
    last = rows[-1]
    status = "reached" if last["diverged"] is None else "diverged"
    if status == "reached":
        run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
        if trainer.correct is not None:
            run.write("correct.npy", saved(np.packbits(trainer.correct.numpy())))
    run.finish({"status": status, "epoch": last["epoch"], "update": last["update"]})
    looker.say({"event": "finish", "epoch": last["epoch"], "status": status})


def measure(job: Job, setting: Setting, report: Report) -> None:
    """One replicate of a timing, with how busy the machine was before it."""
    config, start, load = job.config, time.monotonic(), os.getloadavg()[0]
    assert isinstance(config, TimingConfig)
    trainers = {
        name: loop.trainer(
            model=arm.model.model_dump(),
            train=arm.train.model_dump(),
            seed=arm.seed,
            precision=arm.precision,
            batches=batches(arm.data, setting),
        )
        for name, arm in config.timed.items()
    }
    with setting.store.begin(config, _session(config, setting)) as run:
        found = throughput.in_turn(trainers, updates=config.updates, rounds=config.rounds, warm=config.warm)
        taken = time.monotonic() - start
        run.finish({"status": "timed", "timed": found, "seconds": taken, "load": load, "cores": os.cpu_count()})
    rates = {name: median(rounds["pipeline"]) for name, rounds in found.items()}
    report({"event": "timed", "run": job.id, "label": job.label, "rates": rates})


def batches(data: RunData, setting: Setting) -> Batches | PhotoBatches:
    """The set on the device, loaded once a process."""
    given = data.model_dump(exclude={"content"}) | ({"classes": tuple(data.classes)} if data.classes else {})
    return loading.batches(**given, device=setting.device, roots=setting.roots, cache=setting.cache)


def _sets(config: RunConfig | TimingConfig) -> list[RunData]:
    """The images that a run needs."""
    return [arm.data for arm in config.timed.values()] if isinstance(config, TimingConfig) else [config.data]


def _session(config: RunConfig | TimingConfig, setting: Setting) -> dict[str, Any]:
    """What makes a run here: the setting's provenance, the photos that its set lacks, and the version of the library
    that its net is of."""
    data, *_ = _sets(config)
    photos = loading.left_out(data.kind, stored=data.stored, cache=setting.cache)
    arms = list(config.timed.values()) if isinstance(config, TimingConfig) else [config]
    made = {name: version(name) for name in registry.LIBRARIES for arm in arms if arm.model.kind.startswith(f"{name}:")}
    return setting.provenance | made | ({"photos": photos} if photos else {})
