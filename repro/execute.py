"""Plan, train, plan again, until nothing is left to do: in this process, or in several with one thread each."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from repro import starts
from repro.analysis.measures import Level, Want, done
from repro.analysis.plan import wanted
from repro.data import loading
from repro.data.batches import Batches
from repro.data.photobatches import FIXED, PhotoBatches
from repro.errors import ReproError
from repro.models import registry, tables
from repro.spec.config import RunConfig, RunData
from repro.spec.files import ClaimFile, run_config
from repro.spec.resolve import classes, image, training_images
from repro.spec.resolve import images as images_of
from repro.store import CHECKPOINT, OpenRun, Store, Table
from repro.train import loop
from repro.train.machine import Step, settle_process, step_seconds
from repro.train.minibatches import batch_sizes
from repro.workers import Report, work_through

PROBED = 200  # images of a probe's test pass (assumed)

Event = dict[str, Any]  # {"event": "pack" | "begin" | "epoch" | "finish" | "failed", "run": id, "label": ..., ...}


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


@dataclass(frozen=True)
class Job:
    """One run and all that is wanted of it: it trains until every want is satisfied."""

    config: RunConfig
    wants: tuple[tuple[int, Level | None], ...]
    label: str
    views: bool = False  # whether any of them looks at the run in ten views
    keep: frozenset[int] = frozenset()  # epochs after which others start from its weights
    best: bool = False  # whether the weights of the least held-out error are kept

    @property
    def id(self) -> str:
        """The run's."""
        return self.config.id

    @property
    def horizon(self) -> int:
        """Epochs at most."""
        return max(epochs for epochs, _ in self.wants)


def execute(claims: list[tuple[ClaimFile, str]], setting: Setting, *, workers: int, report: Report) -> int:
    """Train what the claims (each with its scale) want and the store lacks. Returns the number of runs trained.

    A run that failed under an earlier command is tried again. Events of one run come in order, the last is `finish`.
    """
    table = standing(setting)
    first = jobs(claims, table)
    if not first:
        return 0
    for file, scale in claims:
        check_initial_values(file, scale)
    arms = [run_config(c, arm, seed=0) for f, scale in claims for c in [f.at(scale)] for arm in c.arms]
    started = [config.data for config in arms if config.start]  # wanted once what they start from is there
    _have_data([*(job.config.data for job in first), *started], setting, report)
    trained = 0

    def plan() -> list[Job]:
        return jobs(claims, table)

    work = partial(train_twice, setting)
    with closing(_here(plan, work, report) if workers == 1 else work_through(plan, work, workers, report)) as ended:
        for run_id in ended:
            run = setting.store.read(run_id)
            assert run is not None
            table[run_id] = run
            trained += 1
    return trained


def standing(setting: Setting) -> Table:
    """The runs of the store that need no more training for what they show: those which stopped, and did not fail."""
    return {
        run_id: run
        for run_id, run in setting.store.table().items()
        if run.result is not None and not run.failed
        if setting.keep_old or run.sessions[-1].get("numerics") == loop.NUMERICS
    }


def jobs(claims: list[tuple[ClaimFile, str]], table: Table) -> list[Job]:
    """What is to be trained next, each run once, however many claims want it."""
    wants: dict[str, list[Want]] = {}
    for file, scale in claims:
        for want in wanted(file, scale, table):
            wants.setdefault(want.config.id, []).append(want)
    return [
        Job(
            same[0].config,
            tuple({(w.epochs, w.level): None for w in same}),
            same[0].label,
            any(want.views for want in same),
            frozenset(want.epochs for want in same if want.weights),
        )
        for same in wants.values()
    ]


def remaining(claims: list[tuple[ClaimFile, str]], setting: Setting) -> tuple[int, float]:
    """(runs to train in this round, the seconds that one worker takes for them at most), by `probe`."""
    left = jobs(claims, standing(setting))
    seconds = 0.0
    for job in left:
        run = setting.store.read(job.id)
        there = len(run.epochs) if run and run.resumable else 0
        seconds += max(0, job.horizon - there) * probe(job.config, setting)
    return len(left), seconds


def check_initial_values(file: ClaimFile, scale: str) -> None:
    """Arms start alike (DESIGN, randomness): at the same seed, every parameter of the same name and shape whose
    initialisation the arms do not vary has the same bits. ReproError names the first that has not."""
    for alternative in (None, *file.alternatives_at(scale)):
        claim = file.at(scale, alternative)
        seed = claim.seeds[0]
        seen: dict[Any, tuple[str, torch.Tensor]] = {}
        for arm in claim.arms if len(claim.arms) > 1 else ():
            config = run_config(claim, arm, seed=seed)
            model, many, shape = config.model, len(classes(config.data)), image(config.data)
            options = model.model_dump(exclude={"kind", "init"})
            rows = registry.table(model.kind, classes=many, **options)
            rules: dict[str, Any] = {f"{row.name}.bias": row.bias for row in tables.weighted(rows)}
            for row in tables.weighted(rows):
                rules[f"{row.name}.weight"] = model.init if isinstance(model.init, str) else model.init[row.name]
            net = loop.initial_net(model.model_dump(), seed=seed, classes=many, image=shape)
            for name, tensor in net.named_parameters():
                key = (name, tensor.shape, rules[name])
                other, same = seen.setdefault(key, (arm, tensor))
                if not torch.equal(tensor, same):
                    raise ReproError(
                        f"{file.path}: arms {other} and {arm}{f' ({alternative})' if alternative else ''}: {name} "
                        f"{tuple(tensor.shape)} starts with other values at seed {seed}, though neither arm changes "
                        f"its initialisation; expected equal values, or model.init among what varies"
                    )


def _have_data(data: list[RunData], setting: Setting, report: Report) -> None:
    """Pack once, here, what no worker shall have to pack; DataError before any training where a set is missing."""
    for kind, stored in sorted({(one.kind, one.stored) for one in data}, key=str):

        def progress(stage: str, done: int, total: int, kind: str = kind) -> None:
            report({"event": "pack", "run": kind, "label": f"{kind}: {stage}", "done": done, "total": total})

        loading.have(kind, stored=stored, roots=setting.roots, cache=setting.cache, progress=progress)


def _here(plan: Callable[[], list[Job]], work: Callable[[Job, Report], None], report: Report) -> Generator[str]:
    while left := plan():
        work(left[0], report)
        yield left[0].id


def train_twice(setting: Setting, job: Job, report: Report) -> None:
    """Train; a run that fails is repeated once, then its failure is its result."""
    settle_process(setting.device)
    about = {"run": job.id, "label": job.label}
    for attempt in (1, 2):
        try:
            return train(job, setting, report)
        except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
            why = f"{type(error).__name__}: {error}"
        report({"event": "failed", **about, "attempt": attempt, "why": why})
    with setting.store.begin(job.config, _session(job.config.data, setting)) as run:
        run.finish({"status": "failed", "why": why})
        report({"event": "finish", **about, "epoch": len(run.rows()), "status": "failed"})


def train(
    job: Job,
    setting: Setting,
    report: Report,
    data: Batches | PhotoBatches | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """One run, from its checkpoint where there is one, until all that is wanted of it is there.

    `data`: its images, where they are of no known set; `weights`: those it starts from, where they are a file's.
    """
    config = job.config
    about = {"run": config.id, "label": job.label}
    # before the run is begun: where data are missing, nothing is left behind
    data = batches(config.data, setting) if data is None else data
    with setting.store.begin(config, _session(config.data, setting)) as run:
        trainer = loop.trainer(
            model=config.model.model_dump(),
            train=config.train.model_dump(),
            seed=config.seed,
            precision=config.precision,
            batches=data,
        )
        leaves = starts.Leaves(run, config, job.keep, job.best)
        leaves.forget()
        rows = _resume(trainer, run)
        if config.start and trainer.epoch == 0:
            starts.begin(trainer, config, setting.store, weights)
        leaves.write(trainer, rows)
        report({"event": "begin", **about, "epoch": trainer.epoch, "horizon": job.horizon})
        saved = time.monotonic()
        while not all(done(rows, epochs, level) for epochs, level in job.wants):
            row = next(trainer.epochs(trainer.epoch + 1)).row()
            run.append(row)
            rows.append(row)
            late = row["diverged"] is None and time.monotonic() - saved > setting.checkpoint_seconds
            if late or leaves.due(rows):
                run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
                saved = time.monotonic()
                leaves.write(trainer, rows)
            seen = {k: row[k] for k in ("epoch", "train_error", "train_loss", "test_error", "seconds", "diverged")}
            report({"event": "epoch", **about, "horizon": job.horizon, **seen})
        last = rows[-1]
        status = "reached" if last["diverged"] is None else "diverged"
        result = {"status": status, "epoch": last["epoch"], "update": last["update"]}
        if status == "reached":
            run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
            if trainer.correct is not None:
                run.write("correct.npy", _bits(trainer.correct))
            if job.views:
                error, top5, correct = trainer.views()
                run.write("correct_views.npy", _bits(correct))
                result["views"] = {"views_error": error, "views_top5": top5}
        run.finish(result)
        report({"event": "finish", **about, "epoch": last["epoch"], "status": status})


def _bits(correct: torch.Tensor) -> bytes:
    """Which test images were right, as a .npy file of packed bits."""
    out = io.BytesIO()
    np.save(out, np.packbits(correct.numpy()))
    return out.getvalue()


def _resume(trainer: loop.Trainer, run: OpenRun) -> list[dict[str, Any]]:
    """Take up the run's checkpoint, if any; returns the epochs up to it, all that a resumed run keeps."""
    path = run.path / CHECKPOINT
    if path.is_file():
        try:
            trainer.load(safetensors.torch.load_file(path))
        except (SafetensorError, KeyError) as error:
            raise ReproError(
                f"{path}: not a checkpoint of this run ({error}); remove it to train the run again from its start"
            ) from error
    run.keep(trainer.epoch)
    rows = run.rows()
    if len(rows) < trainer.epoch:
        raise ReproError(
            f"{run.path / 'metrics.jsonl'}: {len(rows)} epochs; expected {trainer.epoch}, where the checkpoint beside "
            f"it stands; remove the folder {run.path} to train the run again"
        )
    return rows


def batches(data: RunData, setting: Setting) -> Batches | PhotoBatches:
    """The set on the device, loaded once a process."""
    given = data.model_dump(exclude={"content"}) | ({"classes": tuple(data.classes)} if data.classes else {})
    return loading.batches(**given, device=setting.device, roots=setting.roots, cache=setting.cache)


def _session(data: RunData, setting: Setting) -> dict[str, Any]:
    """What makes a run here: the setting's provenance, and the photos that its set lacks."""
    photos = loading.left_out(data.kind, stored=data.stored, cache=setting.cache)
    return setting.provenance | ({"photos": photos} if photos else {})


def probe(config: RunConfig, setting: Setting) -> float:
    """Seconds per epoch of a configuration on this machine, with nothing beside it, loading of data left out;
    where held-out images are folded in, of the epochs with them."""
    data, rule = config.data, config.train
    step = _step(
        data.model_copy(update={"images": None}).model_dump_json(),
        config.model.model_dump_json(),
        rule.model_copy(update={"lr": 0.0, "drops": [], "plateau": None, "fold_in": None}).model_dump_json(),
        config.precision,
        setting.device,
    )
    images = training_images(data)
    most = images + (data.held_out or 0 if rule.fold_in else 0)
    updates = batch_sizes(most, batch=rule.batch, file_images=rule.file_images)
    looked = images_of(data)[1]
    if data.crop is not None:  # each half epoch: the held-out images and the fixed ones
        looked += 2 * ((data.held_out or 0) + min(FIXED, images))
    return step.update * len(updates) + step.image * looked


@lru_cache
def _step(data_text: str, model_text: str, train_text: str, precision: str, device: str) -> Step:
    """The probe of one net and kind of batch, on random pixels."""
    data, train = RunData.model_validate_json(data_text), json.loads(train_text)
    given = data.model_dump(exclude={"content", "images", "held_out"})
    given |= {"classes": tuple(data.classes)} if data.classes else {}
    noise = loading.noise(**given, device=device, train=max(train["batch"], PROBED), test=PROBED)
    return step_seconds(noise, model=json.loads(model_text), train=train, precision=precision)
