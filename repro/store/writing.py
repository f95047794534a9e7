"""Writing a run: begun under a lock, a row for each epoch, finished by a rename; whole on disk at every moment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.errors import ReproError
from repro.files import PARTIAL, write_whole, writing
from repro.store.rows import Provenance, Result, Row
from repro.store.runs import read_rows, read_run


@dataclass(frozen=True)
class OpenRun:
    """A run whose lock this process holds."""

    path: Path

    def keep(self, epochs: int) -> None:
        """Drop rows beyond epoch `epochs`: those which a killed process wrote after its last checkpoint."""
        rows = [row for row in self.rows() if row["epoch"] <= epochs]
        write_whole(self.path / "metrics.jsonl", "".join(_line(row) for row in rows))

    def rows(self) -> list[Row]:
        """Return the rows of the epochs so far."""
        return read_rows(self.path / "metrics.jsonl")

    def write(self, name: str, content: bytes) -> None:
        """Write a file beside the metrics, whole or not at all."""
        write_whole(self.path / name, content)

    def append(self, row: Row) -> None:
        """Append the row of one more epoch; it is on disk when this returns."""
        path = self.path / "metrics.jsonl"
        with writing(path), path.open("a") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def finish(self, result: Result) -> None:
        """Record why the run has stopped for now."""
        write_whole(self.path / "result.json", json.dumps(result, indent=1))


@contextmanager
def opened(path: Path, config: RunConfig | Evaluation | TimingConfig, provenance: Provenance) -> Iterator[OpenRun]:
    """Open the run of a folder for writing, new or again; ReproError where another process holds it.

    A run trained under another numerics version is begun anew: two arithmetics make no trajectory.
    """
    with _locked(path):
        before = read_run(path)
        sessions = before.sessions if before else []
        stale = [path / "result.json", *path.glob(f".*{PARTIAL}")]  # partial: of a process that was killed
        if sessions and sessions[-1].get("numerics") != provenance.get("numerics"):
            sessions = []
            stale += [path / "metrics.jsonl", *path.glob("*.npy"), *path.glob("*.safetensors")]
        for file in stale:
            file.unlink(missing_ok=True)
        if not sessions or sessions[-1] != provenance:
            sessions = [*sessions, provenance]
        write_whole(path / "run.json", json.dumps({"config": config.model_dump(), "sessions": sessions}, indent=1))
        yield OpenRun(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a folder's lock, which goes with the process however it ends."""
    with writing(path / "lock"):
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReproError(
                f"{path}: another process trains this run; wait for it, or stop it, and run the same command again"
            ) from None
        yield


def _line(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"
