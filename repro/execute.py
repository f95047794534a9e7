"""Plan, train, plan again, until nothing is left to do: in this process, or in several with one thread each."""

from __future__ import annotations

import ctypes
import io
import multiprocessing
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import safetensors.torch
import torch

import repro
from repro.analysis.measures import Level, Want, done
from repro.analysis.plan import wanted
from repro.data.batches import Batches
from repro.data.sets import load
from repro.errors import RunError
from repro.spec.config import RunConfig
from repro.spec.files import ClaimFile
from repro.store import CHECKPOINT, Store
from repro.train import loop

CHECKPOINT_SECONDS = 30  # assumed: with one epoch, the most that a kill loses; DESIGN allows 60

Event = dict[str, Any]  # {"event": "begin" | "epoch" | "finish", "run": id, "label": ..., ...}


@dataclass(frozen=True)
class Setting:
    """Where and on what runs are trained; the same for all runs of a command."""

    store: Store
    device: str
    roots: tuple[Path, ...]
    cache: Path
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run and all that is wanted of it: it trains until every want is satisfied."""

    config: RunConfig
    wants: tuple[tuple[int, Level | None], ...]
    label: str


def execute(
    claims: list[tuple[ClaimFile, str]], setting: Setting, *, workers: int, report: Callable[[Event], None]
) -> int:
    """Train what the claims (each with its scale) want and the store lacks. Returns the number of runs trained."""
    table = setting.store.table()

    def plan() -> Iterator[Job]:
        wants: dict[str, list[Want]] = {}
        for file, scale in claims:
            for want in wanted(file, scale, table):
                wants.setdefault(want.config.id, []).append(want)
        for same in wants.values():
            yield Job(same[0].config, tuple({(w.epochs, w.level): None for w in same}), same[0].label)

    trained = 0
    for run_id in _pool(plan, setting, workers, report) if workers > 1 else _here(plan, setting, report):
        run = setting.store.read(run_id)
        assert run is not None
        table[run_id] = run
        trained += 1
    return trained


def _here(plan: Callable[[], Iterator[Job]], setting: Setting, report: Callable[[Event], None]) -> Iterator[str]:
    settle_process(setting.device)
    while jobs := list(plan()):
        for job in jobs:
            _twice(job, setting, report)
            yield job.config.id


def _pool(
    plan: Callable[[], Iterator[Job]], setting: Setting, workers: int, report: Callable[[Event], None]
) -> Iterator[str]:
    """Runs in `workers` processes, each with one thread; a new plan whenever one has finished."""
    jobs = list(plan())
    if not jobs:
        return
    # spawned, since a process that has used a GPU cannot be forked; their libraries read the thread count at import
    context = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"
    events: Any = context.Queue()
    running: dict[Future[str], str] = {}
    pool = ProcessPoolExecutor(workers, context, _start_worker, (setting, events))
    try:
        while True:
            for job in jobs:
                if job.config.id not in running.values():
                    running[pool.submit(_work, job)] = job.config.id
            if not running:
                break
            finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            for event in _drain(events):
                report(event)
            for future in finished:
                del running[future]
                yield future.result()
            jobs = list(plan()) if finished else []
        for event in _drain(events):
            report(event)
    except BrokenProcessPool as error:
        raise RunError(
            "a worker process was ended from outside (out of memory?); what it trained is kept: run the same command "
            "again, with fewer --workers if memory is short"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _drain(events: Any) -> Iterator[Event]:
    while True:
        try:
            yield events.get_nowait()
        except Empty:
            return


_worker: tuple[Setting, Any]  # of a worker process, set once when it starts


def _start_worker(setting: Setting, events: Any) -> None:
    global _worker
    _worker = setting, events
    settle_process(setting.device)


def _work(job: Job) -> str:
    setting, events = _worker
    _twice(job, setting, events.put)
    return job.config.id


def _twice(job: Job, setting: Setting, report: Callable[[Event], None]) -> None:
    """Train; a run that fails is repeated once, then its failure is its result."""
    for attempt in (1, 2):
        try:
            return train(job, setting, report)
        except RuntimeError as error:  # torch's own: out of memory, a kernel that failed
            why = f"{type(error).__name__}: {error}"
            report({"event": "failed", "run": job.config.id, "label": job.label, "attempt": attempt, "why": why})
    with setting.store.begin(job.config, setting.provenance) as run:
        run.finish({"status": "failed", "why": why})


def train(job: Job, setting: Setting, report: Callable[[Event], None]) -> None:
    """One run, from its checkpoint where there is one, until all that is wanted of it is there."""
    config = job.config
    with setting.store.begin(config, setting.provenance) as run:
        trainer = loop.trainer(
            model=config.model.model_dump(),
            train=config.train.model_dump(),
            seed=config.seed,
            precision=config.precision,
            batches=batches(
                config.data.kind, config.data.images, config.data.scale, setting.device, setting.roots, setting.cache
            ),
        )
        checkpoint = run.path / CHECKPOINT
        if checkpoint.is_file():
            trainer.load(safetensors.torch.load_file(checkpoint))
        run.keep(trainer.epoch)
        rows: list[dict[str, Any]] = run.rows()
        horizon = max(epochs for epochs, _ in job.wants)
        report({"event": "begin", "run": config.id, "label": job.label, "epoch": trainer.epoch, "horizon": horizon})
        saved = time.monotonic()
        while not all(done(rows, epochs, level) for epochs, level in job.wants):
            row = asdict(next(trainer.epochs(trainer.epoch + 1)))
            run.append(row)
            rows.append(row)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
                saved = time.monotonic()
            seen = {k: row[k] for k in ("epoch", "train_error", "train_loss", "test_error", "seconds", "diverged")}
            report({"event": "epoch", "run": config.id, "label": job.label, "horizon": horizon, **seen})
        last = rows[-1]
        if last["diverged"] is None:
            run.write(CHECKPOINT, safetensors.torch.save(trainer.state()))
            if trainer.correct is not None:
                bits = io.BytesIO()
                np.save(bits, np.packbits(trainer.correct.numpy()))
                run.write("correct.npy", bits.getvalue())
        status = "reached" if last["diverged"] is None else "diverged"
        run.finish({"status": status, "epoch": last["epoch"], "update": last["update"]})
        report({"event": "finish", "run": config.id, "label": job.label, "epoch": last["epoch"], "status": status})


@lru_cache(maxsize=2)  # a claim uses a set with one or two input scales; a packed set is 180 MB
def batches(
    kind: str, images: int | None, scale: Any, device: str, roots: tuple[Path, ...], cache: Path
) -> Batches:
    """The set on the device, loaded once a process."""
    return Batches(load(kind, roots=roots, cache=cache, images=images), device=device, scale=scale)


def settle_process(device: str) -> None:
    """One thread on the CPU, so that the same machine gives the same bits; memory kept instead of returned.

    glibc hands every freed block above 128 kB back to the system, and the next minibatch pays for its pages again:
    17 % of a training step on the machine where this was measured.
    """
    if device == "cpu":
        torch.set_num_threads(1)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 256 << 20)):  # mmap and trim thresholds, padding
            libc.mallopt(option, value)


def provenance(device: str) -> dict[str, Any]:
    """What made a run: commit and whether clean, versions, machine, device, threads, flags. No name of the machine."""
    commit, clean = commit_of(Path(repro.__file__).parent)
    gpu = torch.cuda.get_device_properties(0) if device == "cuda" else None
    return {
        "commit": commit,
        "clean": clean,
        "numerics": loop.NUMERICS,
        "repro": repro.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "device": gpu.name if gpu else "cpu",
        "cuda": torch.version.cuda if gpu else None,
        "threads": 1 if device == "cpu" else torch.get_num_threads(),
        "tf32": False,
    }


def commit_of(folder: Path) -> tuple[str | None, bool]:
    """The commit of the sources and whether they and the claims are as committed; REPRO_COMMIT where git is not.

    REPRO_COMMIT is a commit's name, followed by `+changed` where the tree differed from it.
    """
    if given := os.environ.get("REPRO_COMMIT"):
        return given.removesuffix("+changed"), not given.endswith("+changed")

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        top = git("rev-parse", "--show-toplevel")
        return git("rev-parse", "HEAD"), not git("-C", top, "status", "--porcelain", "--", "repro", "claims")
    except (OSError, subprocess.CalledProcessError):
        return None, False


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in named.get("flags", "").split()]
    return f"{named.get('model name', platform.processor())} ({', '.join(wide)})"
