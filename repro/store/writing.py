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
from repro.store.rows import Provenance, Result, Row
from repro.store.runs import read_rows, read_run


@dataclass(frozen=True)
class OpenRun:
    """A run whose lock this process holds."""

    path: Path

    def keep(self, epochs: int) -> None:
        """Drop rows beyond epoch `epochs`: those which a killed process wrote after its last checkpoint."""
        rows = [row for row in self.rows() if row["epoch"] <= epochs]
        replace(self.path / "metrics.jsonl", "".join(_line(row) for row in rows))

    def rows(self) -> list[Row]:
        """Return the rows of the epochs so far."""
        return read_rows(self.path / "metrics.jsonl")

    def write(self, name: str, content: bytes) -> None:
        """Write a file beside the metrics, whole or not at all."""
        replace(self.path / name, content)

    def append(self, row: Row) -> None:
        """Append the row of one more epoch; it is on disk when this returns."""
        path = self.path / "metrics.jsonl"
        with _naming(path), path.open("a") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def finish(self, result: Result) -> None:
        """Record why the run has stopped for now."""
        replace(self.path / "result.json", json.dumps(result, indent=1))


@contextmanager
def opened(path: Path, config: RunConfig | Evaluation | TimingConfig, provenance: Provenance) -> Iterator[OpenRun]:
    """Open the run of a folder for writing, new or again; ReproError where another process holds it.

    A run trained under another numerics version is begun anew: two arithmetics make no trajectory.
    """
    with _locked(path):
        before = read_run(path)
        sessions = before.sessions if before else []
        stale = [path / "result.json", *path.glob(".*.partial")]  # partial: of a process that was killed
        if sessions and sessions[-1].get("numerics") != provenance.get("numerics"):
            sessions = []
            stale += [path / "metrics.jsonl", *path.glob("*.npy"), *path.glob("*.safetensors")]
        for file in stale:
            file.unlink(missing_ok=True)
        if not sessions or sessions[-1] != provenance:
            sessions = [*sessions, provenance]
        replace(path / "run.json", json.dumps({"config": config.model_dump(), "sessions": sessions}, indent=1))
        yield OpenRun(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a folder's lock, which goes with the process however it ends."""
    with _naming(path / "lock"):
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


def replace(path: Path, content: str | bytes) -> None:
    """Write a file so that at any moment either the old or the new one is there, whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with _naming(path):
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an OSError into a ReproError that names the file."""
    try:
        yield
    except OSError as error:
        raise ReproError(
            f"{path}: cannot be written ({error.strerror or error}); what is trained is kept: make room or mend the "
            "folder's rights, then run the same command again"
        ) from error


def _line(row: Row) -> str:
    return json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"
