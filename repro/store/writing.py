"""Writing a run: begun under a lock, a row for each epoch, finished by a rename; whole on disk at every moment.

A run that has a result keeps it, and all its files, while it is trained again: for more epochs, under another numerics
version, or for weights that are gone. What is new is written into the folder `next` inside the run's, which takes up
where the run stands, and takes its place once it has a result of its own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.errors import Busy
from repro.files import PARTIAL, locked, rename, write_whole, writing
from repro.store.damage import NEXT, RESULT, ROWS, RUN
from repro.store.rows import Provenance, Result, Row
from repro.store.runs import Run, read_rows, read_run

LOCK = "lock"


@dataclass(frozen=True)
class OpenRun:
    """A run whose lock this process holds. `path`: where it is written, its `folder` or `next` inside it."""

    folder: Path
    path: Path

    @property
    def replaces(self) -> bool:
        """Whether a result stands that stays until this one is complete."""
        return self.path != self.folder

    def keep(self, epochs: int) -> None:
        """Drop rows beyond epoch `epochs`: those which a killed process wrote after its last checkpoint."""
        rows = [row for row in self.rows() if row["epoch"] <= epochs]
        write_whole(self.path / ROWS, "".join(_line(row) for row in rows))

    def rows(self) -> list[Row]:
        """Return the rows of the epochs so far."""
        return read_rows(self.path / ROWS)

    def write(self, name: str, content: bytes) -> None:
        """Write a file beside the metrics, whole or not at all."""
        write_whole(self.path / name, content)

    def append(self, row: Row) -> None:
        """Append the row of one more epoch; it is on disk when this returns."""
        path = self.path / ROWS
        with writing(path), path.open("a") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def finish(self, result: Result) -> None:
        """Record why the run has stopped for now; from then on this is the run."""
        write_whole(self.path / RESULT, json.dumps(result, indent=1))
        if self.replaces:
            complete(self.folder)

    def fail(self, why: str) -> None:
        """Record that the run could not be trained or made, unless a result stands: a failure does not replace it."""
        if not self.replaces:
            self.finish({"status": "failed", "why": why})


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder. Busy where another process holds it."""
    busy = "another process trains this run; wait for it, or stop it, and run the same command again"
    with locked(folder / LOCK, busy):
        yield


@contextmanager
def opened(folder: Path, config: RunConfig | Evaluation | TimingConfig, provenance: Provenance) -> Iterator[OpenRun]:
    """Open the run of a folder for writing, new or again. Busy where another process holds it."""
    with held(folder):
        yield start(folder, config, provenance)


def start(folder: Path, config: RunConfig | Evaluation | TimingConfig, provenance: Provenance) -> OpenRun:
    """Begin a run, or go on with it, in a folder whose lock this process holds.

    A run trained under another numerics version is begun anew: two arithmetics make no trajectory.
    """
    complete(folder)
    recorded = read_run(folder)
    stands = recorded is not None and recorded.result is not None and not recorded.failed
    path = folder / NEXT if stands else folder
    sessions = recorded.sessions if recorded else []
    with writing(path):
        if recorded is not None and stands:
            sessions = _sessions(path)
            if not _same_numerics(sessions, provenance):
                sessions = _take_up(recorded, path, provenance)
        elif (folder / NEXT).is_dir():  # of a result that is there no more
            shutil.rmtree(folder / NEXT)
        stale = [path / RESULT, *path.glob(f".*{PARTIAL}")]  # partial: of a process that was killed
        if not _same_numerics(sessions, provenance):
            sessions = []
            stale += [path / ROWS, *path.glob("*.npy"), *path.glob("*.safetensors")]
        for file in stale:
            file.unlink(missing_ok=True)
    if not sessions or sessions[-1] != provenance:
        sessions = [*sessions, provenance]
    write_whole(path / RUN, json.dumps({"config": config.model_dump(), "sessions": sessions}, indent=1))
    return OpenRun(folder, path)


def _same_numerics(sessions: list[Provenance], provenance: Provenance) -> bool:
    return bool(sessions) and sessions[-1].get("numerics") == provenance.get("numerics")


def _sessions(path: Path) -> list[Provenance]:
    """Return the sessions of a folder `next` that an earlier process began; none where it did not come so far."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return list(json.loads((path / RUN).read_text())["sessions"])
    return []


def _take_up(recorded: Run, path: Path, provenance: Provenance) -> list[Provenance]:
    """Begin the folder `next` where the recorded run stands; return the sessions that made what it takes over."""
    if path.is_dir():
        shutil.rmtree(path)
    path.mkdir()
    if not _same_numerics(recorded.sessions, provenance):
        return []
    for weights in recorded.path.glob("*.safetensors"):
        with suppress(FileNotFoundError):  # `gc` of another command was quicker
            link(weights, path / weights.name)
    if (recorded.path / ROWS).is_file():
        write_whole(path / ROWS, (recorded.path / ROWS).read_bytes())
    return recorded.sessions


def link(source: Path, target: Path) -> None:
    """Give a file that is only ever replaced a second name, or copy it where the file system knows but one."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def complete(folder: Path) -> None:
    """Let `next` take the run's place, where it has a result; this process holds the lock of `folder`.

    A process that is killed meanwhile leaves the rest to the next one. `run.json` is moved first, so that it tells
    whether what has no successor was removed already, and `result.json` last.
    """
    following = folder / NEXT
    if not (following / RESULT).is_file():
        return
    with writing(folder):
        names = sorted(path.name for path in following.iterdir() if not path.name.endswith(PARTIAL))
        if RUN in names:
            for path in folder.iterdir():
                if path.is_file() and path.name not in (*names, LOCK):
                    path.unlink()
        order = {RUN: 0, RESULT: 2}
        for name in sorted(names, key=lambda name: order.get(name, 1)):
            rename(following / name, folder / name)
        shutil.rmtree(following)


def complete_all(root: Path) -> None:
    """Finish for all runs of a shelf what a process was killed at: see `complete`."""
    for result in root.glob(f"*/{NEXT}/{RESULT}"):
        with suppress(Busy), held(result.parent.parent):  # whoever holds it finishes it
            complete(result.parent.parent)


def being_written(folder: Path) -> Path:
    """Return the folder that a run's next rows are written into: its own, or `next` where that was begun."""
    return folder / NEXT if (folder / NEXT / RUN).is_file() else folder


def _line(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"
