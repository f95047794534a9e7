"""One run on a node of a cluster: trained in a store of its own there, by the code that trains it here.

What is sent back, in order: events; parcels of the run and of its evaluations, at the latest with each checkpoint; and
as the last message how the job ended. Nothing here knows which cluster it is, or how messages travel.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from repro import places, workers
from repro.claim.config import RunConfig
from repro.data.known import KNOWN, find
from repro.engine.events import Event
from repro.engine.jobs import Job
from repro.engine.provenance import provenance
from repro.engine.setting import Setting, arms_of, have_data
from repro.engine.training import train_twice
from repro.errors import DataError, ReproError
from repro.files import is_locked, locked
from repro.store import KEPT, Store
from repro.store.damage import RESULT, RUN
from repro.store.parcels import Files, Sender, files_of, put
from repro.store.rows import Provenance
from repro.workers import Report, outcome

FRESH = 5.0  # seconds between two parcels of the rows of a run that has no new checkpoint; assumed
PREFIX = "repro-node-"  # of the folders in which nodes train
STALE = 60.0  # seconds after which such a folder whose lock nobody holds is a killed process's; assumed


class Unfit(DataError):
    """This node lacks the data of a run, or its repro is another one: it takes no run."""


@dataclass(frozen=True)
class Order:
    """A job, and all that a node is given with it. `files`: of the run, its evaluations, and the run that it starts
    from, by id; `made`: what makes runs as they are planned, `data`: the folder of data sets (None: the node's own)."""

    job: Job
    files: dict[str, Files]
    made: Provenance
    device: str
    data: Path | None
    keep_old: bool
    checkpoint_seconds: float


def order_of(job: Job, setting: Setting, data: Path | None) -> Order:
    """Return the order of a job whose lock this process holds."""
    files = {run: files_of(setting.store.root / run) for run in (job.id, *(each.id for each in job.evaluations))}
    start = job.config.start if isinstance(job.config, RunConfig) else None
    if start is not None and start.run is not None and start.epoch is not None:
        left = (RUN, RESULT, KEPT.format(start.epoch))
        files[start.run.id] = files_of(setting.store.root / start.run.id, left)
    return Order(job, files, setting.provenance, setting.device, data, setting.keep_old, setting.checkpoint_seconds)


def train(order: Order, send: Callable[[Any], bool]) -> None:
    """Do the job of an order and send everything that comes of it. `send` returns whether an end was asked for."""
    with _folder() as root:
        send(outcome(partial(_train, order, root), order.job, send))


def _train(order: Order, root: Path, job: Job, send: Callable[[Any], bool]) -> None:
    setting = Setting(
        Store(root / "runs"), order.device, places.roots(order.data), places.cache(), provenance(order.device),
        order.keep_old, order.checkpoint_seconds,
    )  # fmt: skip
    _check(order, setting, send)
    sender = Sender(setting.store.root)
    for run, files in order.files.items():
        put(setting.store.root / run, files)
        sender.note(run)
    last = 0.0

    def ship() -> None:
        nonlocal last
        last = time.monotonic()
        for run in (*(each.id for each in job.evaluations), job.id):  # evaluations come no later than a checkpoint
            if parcel := sender.parcel(run):
                send(parcel)

    def report(event: Event) -> None:
        if event["event"] in ("begin", "checkpoint", "finish", "timed") or time.monotonic() - last > FRESH:
            ship()
        if send(event):
            workers.ask()

    try:
        train_twice(setting, job, report)
    finally:
        ship()


def _check(order: Order, setting: Setting, send: Report) -> None:
    """Refuse the job where this node cannot train it, before anything of it is begun; pack what is not packed yet."""
    keys = ("numerics", "repro", *(("commit", "clean") if order.keep_old else ()))
    ours, planned = ({key: made.get(key) for key in keys} for made in (setting.provenance, order.made))
    if ours != planned:
        raise Unfit(f"its repro is {ours}, where the runs are planned with {planned}; install the same one there")
    try:
        have_data([arm.data for arm in arms_of(order.job.config)], setting, send)
    except DataError as error:
        raise Unfit(str(error)) from error


@dataclass(frozen=True)
class Examined:
    """What a node is: what makes runs there, and the data sets that are found there."""

    provenance: Provenance
    found: frozenset[str]


def examine(device: str, data: Path | None) -> Examined | ReproError:
    """Return what this node is; the error where the device is not there."""
    try:
        roots, cache = places.roots(data), places.cache()
        found = frozenset(kind for kind in KNOWN if find(kind, roots, cache) is not None)
        return Examined(provenance(device), found)
    except (ReproError, AssertionError, RuntimeError) as error:  # torch's own, where it sees no such device
        return ReproError(f"--device {device}: {error}")


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder that goes with this block; those that killed processes left go first."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ReproError):  # another user's, or just gone
            if time.time() - left.stat().st_mtime > STALE and not is_locked(left / "lock"):
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name, locked(Path(name) / "lock"):
        yield Path(name)
