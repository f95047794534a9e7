"""The state of a store while others work on it: which runs are trained, by whom, how far they are and for how long.

Nothing is written, and torch is not needed. How far a run will go is what claims want of it next, by the same plan as
`run`'s; of a run that no claim wants it is not known.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from repro.claim.files import ClaimFile
from repro.documents import WatchedRun, Watching
from repro.engine.jobs import Job, jobs
from repro.files import is_locked
from repro.progress import duration
from repro.questions.mixture import device_of
from repro.store import CHECKPOINT, Run, Store, Table
from repro.store.damage import ROWS, RUN, DamagedRun
from repro.store.runs import read_rows
from repro.store.writing import LOCK, being_written


def state(store: Store, files: Sequence[ClaimFile], now: float | None = None) -> Watching:
    """Return the state of a store. A lock is only tried where no process of this machine is known to hold it."""
    now = time.time() if now is None else now
    table = store.table()
    open_runs = [folder for folder in store.folders() if _is_open(folder, table)]
    planned = _planned(files, table) if open_runs else {}
    holders = _holders()
    training: list[WatchedRun] = []
    stopped: list[WatchedRun] = []
    for folder in open_runs:
        lock = folder / LOCK
        process = holders.get(_number(lock))
        held = process is not None or (lock.is_file() and is_locked(lock))
        with suppress(DamagedRun, OSError, ValueError, KeyError):  # another process is just replacing it
            watched = _watched(folder, planned.get(folder.name), process, now)
            (training if held else stopped).append(watched)
    done = [run for run in table.headers() if run.result is not None]
    statuses = [run.result["status"] for run in done if run.result is not None]
    return Watching(
        runs=str(store.root),
        finished=len(statuses) - statuses.count("failed") - statuses.count("diverged"),
        diverged=statuses.count("diverged"),
        failed=statuses.count("failed"),
        damaged=len(table.damaged_so_far),
        training=training,
        stopped=stopped,
    )


def lines(state: Watching) -> list[str]:
    """Return a state in words."""
    numbers = (state.finished, "finished"), (state.diverged, "diverged"), (state.failed, "failed")
    counts = ", ".join(f"{count} {what}" for count, what in (*numbers, (state.damaged, "damaged")) if count)
    out = [f"{state.runs}: {counts or 'no run has ended'}; {len(state.training)} in training, "
           f"{len(state.stopped)} stopped"]  # fmt: skip
    for each in state.training:
        who = f"process {each.process}" if each.process else "another machine"
        last = "" if each.last is None else f", the last epoch ended {duration(each.last)} ago"
        out.append(f"  {each.run}  {_far(each)}; by {who} for {duration(each.begun)} on {each.device}{last}")
    for each in state.stopped:
        how = "goes on from its checkpoint" if each.resumable else "begins anew"
        out.append(f"  {each.run}  {_far(each)}; stopped, {how} when it is run again")
    return out


def _far(each: WatchedRun) -> str:
    most = "" if each.horizon is None else f" of at most {each.horizon}"
    error = "" if each.train_error is None else f", training error {each.train_error:.4f}"
    took = f" in {duration(each.seconds)}" if each.seconds else ""
    return f"{each.label}: {each.epoch}{most} epochs{took}{error}"


def _is_open(folder: Path, table: Table) -> bool:
    """Return whether a run has no result, or is trained on beside the one that it has."""
    run = table.get(folder.name)
    ended = isinstance(run, Run) and run.result is not None
    return (being_written(folder) / RUN).is_file() and (not ended or being_written(folder) != folder)


def _watched(folder: Path, job: Job | None, process: int | None, now: float) -> WatchedRun:
    path = being_written(folder)
    about, rows = json.loads((path / RUN).read_text()), read_rows(path / ROWS)
    config, last = about["config"], rows[-1] if rows else None
    session = about["sessions"][-1]
    return WatchedRun(
        run=folder.name,
        label=job.label if job else _described(config),
        epoch=len(rows),
        horizon=None if job is None or job.alone else job.horizon,
        train_error=last["train_error"] if last and last["diverged"] is None else None,
        seconds=sum(row["seconds"] for row in rows),
        begun=max(0.0, now - (path / RUN).stat().st_mtime),
        last=max(0.0, now - (path / ROWS).stat().st_mtime) if rows else None,
        process=process,
        device=device_of(session),
        resumable=(path / CHECKPOINT).is_file(),
    )


def _described(config: dict) -> str:
    """Return what a run is in words, where no claim says it."""
    if "timed" in config:
        return "a timing"
    if "look" in config:
        return f"an evaluation: {config['look'].get('kind', '')}"
    return f"{config['model']['kind']} on {config['data']['kind']}, rate {config['train']['lr']}, seed {config['seed']}"


def _planned(files: Sequence[ClaimFile], table: Table) -> dict[str, Job]:
    """Return what claims want next, at every scale, by run."""
    finished = table.where(lambda run: run is not None and run.result is not None and not run.failed)
    return {job.id: job for job in jobs([(file, scale) for file in files for scale in file.claim.scales], finished)}


def _holders() -> dict[tuple[int, int], int]:
    """Return the processes of this machine that hold locks, by the device and number of the file; empty where the
    system does not tell."""
    with suppress(OSError):
        return dict(_parsed(Path("/proc/locks").read_text()))
    return {}


def _parsed(text: str) -> Iterator[tuple[tuple[int, int], int]]:
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 8 and words[1] in ("FLOCK", "POSIX", "OFDLCK"):
            major, minor, number = words[5].split(":")
            yield (os.makedev(int(major, 16), int(minor, 16)), int(number)), int(words[4])


def _number(path: Path) -> tuple[int, int]:
    try:
        about = path.stat()
    except OSError:
        return -1, -1
    return about.st_dev, about.st_ino
