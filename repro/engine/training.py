"""One run: trained until all that is wanted of it is there, or timed; repeated once where it fails."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable, Mapping
from math import ceil
from statistics import median
from typing import Literal

import numpy as np
import safetensors.torch
import torch

from repro import contents
from repro.claim.config import RunConfig, TimingConfig
from repro.data.batches import Batches
from repro.data.photos.crops import PhotoBatches
from repro.engine import starts
from repro.engine.evaluations import Evaluator, saved
from repro.engine.events import OfRun, Report, epoch_ended
from repro.engine.jobs import Job
from repro.engine.pair import Pair
from repro.engine.setting import Setting, batches, has_towers
from repro.errors import Busy, DamagedCheckpoint
from repro.files import gone
from repro.nets.libraries import is_library_net
from repro.questions.levels import goal_of
from repro.store import CHECKPOINT, DamagedRun, OpenRun, Run
from repro.store.damage import NEXT
from repro.store.writing import being_written, held
from repro.store.writing import start as open_run
from repro.train import loop, throughput
from repro.train.machine import settle_process
from repro.workers import asked, finishing


def train_twice(setting: Setting, job: Job, report: Report) -> None:
    """Train or time a run; one that fails is repeated once, then its failure is its result.

    Where a GPU's memory is too small, its caches are emptied and the second attempt takes each minibatch in two parts.
    A run that another process trains is left to it, which an event says.
    """
    settle_process(setting.device)
    of: OfRun = {"run": job.id, "label": job.label}
    parts = 1
    try:
        for attempt in (1, 2):
            try:
                return measure(job, setting, report) if job.alone else train(job, setting, report, parts=parts)
            except torch.OutOfMemoryError as error:
                parts = 2 if _divisible(job) else 1
                why = f"{type(error).__name__}: {error}; {LACK}"
            except (RuntimeError, MemoryError) as error:  # torch's own: a kernel that failed
                why = f"{type(error).__name__}: {error}"
            except DamagedCheckpoint as error:  # the second attempt begins at the start
                why = str(error)
                (being_written(setting.store.root / job.id) / CHECKPOINT).unlink(missing_ok=True)
            except DamagedRun as error:
                if error.folder.name != NEXT:
                    raise
                why = str(error)
                with held(error.folder.parent):  # the second attempt begins where the recorded run stands
                    shutil.rmtree(error.folder)
            report({"event": "failed", **of, "attempt": attempt, "why": why})
            gc.collect()  # here, where the error and what its frames hold are gone
            torch.cuda.empty_cache()
        with setting.store.begin(job.config, setting.session(job.config)) as run:
            run.fail(why)
            report({"event": "finish", **of, "epoch": len(run.rows()), "status": "failed"})
    except Busy:
        report({"event": "busy", **of})


LACK = "end what else uses this GPU, or take --workers 1 or --device cpu, then run the same command again"


def _divisible(job: Job) -> bool:
    """Return whether a run's minibatches can be taken in parts: not by a net of a library (`Step`)."""
    return isinstance(job.config, RunConfig) and not is_library_net(job.config.model.kind)


def train(
    job: Job,
    setting: Setting,
    report: Report,
    data: Batches | PhotoBatches | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
    parts: int = 1,
) -> None:
    """Train one run, from its checkpoint where there is one, until all that is wanted of it is there, evaluations too.

    `data`: its images, where they are of no known set; `weights`: those it starts from, where they are a file's;
    `parts`: in how many each minibatch is taken, which is recorded. RuntimeError where torch fails; Busy where another
    process trains it; KeyboardInterrupt after an epoch where an end was asked for, its checkpoint written.
    """
    config = job.config
    assert isinstance(config, RunConfig)
    # before the run is begun: where data are missing, nothing is left behind
    images = batches(config.data, setting) if data is None else data
    session = setting.session(config)
    if parts > 1:
        session["micro_batch"] = ceil(config.train.batch / parts)
    of: OfRun = {"run": config.id, "label": job.label}
    evaluator = Evaluator(setting, session, of, report)

    def start() -> loop.Trainer:
        trainer = loop.trainer(
            model=contents.net(**config.model.model_dump(), classes=images.classes),
            train=config.train.model_dump(),
            seed=config.seed,
            precision=config.precision,
            batches=images,
            every_epoch=job.best,
            parts=parts,
        )
        trainer.progress = _once_a_second(report, of, config.train.batch)
        if config.start:
            starts.begin(trainer, config, setting.store, weights)
        if "towers" in session:
            pair.share(trainer, config)
        return trainer

    with finishing(), Pair(setting) as pair:
        with held(setting.store.root / job.id):
            recorded = setting.store.read(job.id)  # under the lock: another process may just have finished it
            if recorded is None or not (setting.stands(recorded) and has_all(recorded, job)):
                _train(job, start(), open_run(setting.store.root / job.id, config, session), evaluator)
                recorded = setting.store.read(job.id)
        if recorded is None:  # its disk may be gone
            raise gone(setting.store.root / job.id)
        for evaluation in evaluator.left(job.evaluations):  # what the run was past, or on record before
            if not goal_of(config, evaluation.epoch).lost(recorded.epochs):
                evaluator.return_to(evaluation, recorded, start)


def _once_a_second(report: Report, of: OfRun, batch: int) -> Callable[[int, int, int], None]:
    """Return what reports the updates of an epoch, with images/s. On a GPU the host is some updates ahead."""
    since, at = time.monotonic(), (0, 0)  # of the last event: its time, epoch and updates

    def tell(epoch: int, done: int, total: int) -> None:
        nonlocal since, at
        now = time.monotonic()
        if epoch != at[0]:
            since, at = now, (epoch, done)
        elif now - since >= 1.0:
            rate = (done - at[1]) * batch / (now - since)
            report({"event": "update", **of, "epoch": epoch, "done": done, "total": total, "rate": rate})
            since, at = now, (epoch, done)

    return tell


def has_all(recorded: Run, job: Job) -> bool:
    """Return whether a run on record has the epochs and the weights that are wanted of it."""
    return all(recorded.kept(epoch) for epoch in job.keep) and not job.left(recorded.epochs)


def _train(job: Job, trainer: loop.Trainer, run: OpenRun, evaluator: Evaluator) -> None:
    """Train an open run from its checkpoint until every goal is met, and record the end."""
    assert isinstance(job.config, RunConfig)
    leaves = starts.Leaves(run, job.config, job.keep, job.best)
    leaves.forget()
    rows = starts.resume(trainer, run)
    leaves.write(trainer, rows)
    evaluator.report({"event": "begin", **evaluator.of, "epoch": trainer.epoch, "horizon": job.horizon})
    for evaluation in evaluator.left(job.evaluations, rows[-1]) if rows else ():  # a kill came before them
        evaluator.evaluate(evaluation, trainer)
    saved_at = time.monotonic()
    while job.left(rows):
        row = next(trainer.epochs(trainer.epoch + 1))
        run.append(row)
        rows.append(row)
        evaluator.report(epoch_ended(evaluator.of, row, job.horizon))
        if row["diverged"] is not None:
            continue
        now = evaluator.left(job.evaluations, row)
        stop = asked() and (now or job.left(rows))
        if stop or now or leaves.due(rows) or time.monotonic() - saved_at > evaluator.setting.checkpoint_seconds:
            run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
            evaluator.report({"event": "checkpoint", **evaluator.of, "epoch": trainer.epoch})
            saved_at = time.monotonic()
        leaves.write(trainer, rows)
        if stop:
            raise KeyboardInterrupt
        for evaluation in now:
            evaluator.evaluate(evaluation, trainer)
    last = rows[-1]
    if last["diverged"] is None:
        run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
        if trainer.correct is not None:
            run.write("correct.npy", saved(np.packbits(trainer.correct.numpy())))
    status: Literal["reached", "diverged"] = "reached" if last["diverged"] is None else "diverged"
    run.finish({"status": status, "epoch": last["epoch"], "update": last["update"]})
    evaluator.report({"event": "finish", **evaluator.of, "epoch": last["epoch"], "status": status})


def measure(job: Job, setting: Setting, report: Report) -> None:
    """Time one replicate, and record how busy the machine was before it."""
    config, start, load = job.config, time.monotonic(), os.getloadavg()[0]
    assert isinstance(config, TimingConfig)
    session = setting.session(config)
    trainers = {
        name: loop.trainer(
            model=contents.net(**arm.model.model_dump(), classes=(images := batches(arm.data, setting)).classes),
            train=arm.train.model_dump(),
            seed=arm.seed,
            precision=arm.precision,
            batches=images,
            capture="towers" not in session,  # two processes capture no graphs, so that no arm does
        )
        for name, arm in config.timed.items()
    }
    with held(setting.store.root / job.id), Pair(setting) as pair:
        if setting.stands(setting.store.read(job.id)):  # another process has just timed it
            return
        for name, arm in config.timed.items():
            if "towers" in session and has_towers(arm):
                pair.share(trainers[name], arm)
        run = open_run(setting.store.root / job.id, config, session)
        timed = throughput.in_turn(trainers, updates=config.updates, rounds=config.rounds, warm=config.warm)
        seconds = time.monotonic() - start
        run.finish({"status": "timed", "timed": timed, "seconds": seconds, "load": load, "cores": os.cpu_count()})
    rates = {name: median(rounds["pipeline"]) for name, rounds in timed.items()}
    report({"event": "timed", "run": job.id, "label": job.label, "rates": rates})
