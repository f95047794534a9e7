"""Runs as plain files: `runs/<id>/run.json`, `metrics.jsonl`, `result.json`, `correct.npy`; a checkpoint until `gc`.

A run is begun (run.json), grows by a line of metrics.jsonl for every epoch, and has stopped for now when result.json is
there: written last, by renaming. An evaluation is a run that has no epochs: its result.json holds values, and arrays
lie beside it as *.npy. Whoever trains or looks holds the run's lock. Reading needs no torch.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_core import from_json  # the same values as json.loads, in a third of the time

from repro.claim.config import RunConfig, TimingConfig
from repro.claim.evaluation import Evaluation
from repro.errors import ReproError
from repro.files import PARTIAL, write_whole, writing

CHECKPOINT = "checkpoint.safetensors"
KEPT = "weights-{}.safetensors"  # after so many epochs, for runs that start from them


@dataclass(frozen=True)
class Run:
    """What a store holds of one run. `result` is None while it trains or after it was killed."""

    id: str
    path: Path
    config: dict[str, Any]
    sessions: list[dict[str, Any]]  # provenance of every process that trained a part of it
    result: dict[str, Any] | None

    @cached_property
    def epochs(self) -> list[dict[str, Any]]:
        """A row per epoch, in order, as `repro.train.loop.Epoch` gives them."""
        return _rows(self.path / "metrics.jsonl")

    def series(self, metric: str) -> list[tuple[int, float]]:
        """(epoch, metric) of the epochs that have it; one in which the run diverged has none."""
        rows = [row for row in self.epochs if row["diverged"] is None]
        return [(row["epoch"], row[metric]) for row in rows if row.get(metric) is not None]

    @property
    def diverged(self) -> int | None:
        """The update at which the loss was no longer finite."""
        return self.epochs[-1]["diverged"] if self.epochs else None

    @property
    def is_evaluation(self) -> bool:
        """Whether it is another run looked at."""
        return "look" in self.config

    @property
    def values(self) -> dict[str, float]:
        """What an evaluation found, by name; empty before that, and of a training."""
        return self.result.get("values", {}) if self.result else {}

    @property
    def curves(self) -> dict[str, list[float]]:
        """What an evaluation found step by step: lists of one length, by name."""
        return self.result.get("curves", {}) if self.result else {}

    def array(self, name: str) -> Any:
        """What an evaluation keeps beside its values, a numpy array."""
        return array(self.path, name)

    @property
    def timed(self) -> dict[str, dict[str, list[float]]] | None:
        """Of a timing, what `repro.train.throughput.in_turn` found, by arm."""
        return self.result.get("timed") if self.result else None

    @property
    def seconds_timed(self) -> float:
        """What a timing took; 0 of a training, whose epochs have theirs."""
        return float(self.result.get("seconds", 0)) if self.result else 0.0

    @property
    def failed(self) -> str | None:
        """Why the run could not be trained, if it could not."""
        return self.result["why"] if self.result and self.result["status"] == "failed" else None

    @property
    def resumable(self) -> bool:
        """Whether a checkpoint is there."""
        return (self.path / CHECKPOINT).is_file()

    def kept(self, epoch: int) -> bool:
        """Whether its weights after an epoch are there, for others to start from."""
        return (self.path / KEPT.format(epoch)).is_file()


Table = dict[str, Run]


@dataclass(frozen=True)
class Store:
    """One shelf of runs, a folder."""

    root: Path

    def table(self) -> Table:
        """All runs of the shelf, by id, in order of id."""
        if not self.root.is_dir():
            return {}
        folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        return {path.name: run for path in folders if (run := self.read(path.name)) is not None}

    def read(self, run_id: str) -> Run | None:
        """One run, or None where it was never begun."""
        path = self.root / run_id
        about = _json(path / "run.json", "config", "sessions")
        if about is None:
            return None
        return Run(run_id, path, about["config"], about["sessions"], _json(path / "result.json", "status"))

    def remove_checkpoints(self) -> int:
        """Of all runs that have stopped, kept weights too; the bytes freed. A run that is extended later starts again,
        and so does one that another starts from."""
        freed = 0
        for run in self.table().values():
            for path in [run.path / CHECKPOINT, *run.path.glob(KEPT.format("*"))] if run.result is not None else ():
                if path.is_file():
                    freed += path.stat().st_size
                    path.unlink()
        return freed

    @contextmanager
    def begin(self, config: RunConfig | Evaluation | TimingConfig, provenance: dict[str, Any]) -> Iterator[OpenRun]:
        """Open a run for training, looking or timing, new or again; ReproError where another process does that.

        A run trained under another numerics version is begun anew: two arithmetics make no trajectory.
        """
        path = self.root / config.id
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
            before = self.read(config.id)
            sessions = before.sessions if before else []
            stale = [path / "result.json", *path.glob(f".*{PARTIAL}")]
            if sessions and sessions[-1].get("numerics") != provenance.get("numerics"):
                sessions = []
                stale += [path / "metrics.jsonl", *path.glob("*.npy"), *path.glob("*.safetensors")]
            for file in stale:
                file.unlink(missing_ok=True)
            if not sessions or sessions[-1] != provenance:
                sessions = [*sessions, provenance]
            write_whole(path / "run.json", json.dumps({"config": config.model_dump(), "sessions": sessions}, indent=1))
            yield OpenRun(path)


@dataclass(frozen=True)
class OpenRun:
    """A run whose lock this process holds."""

    path: Path

    def keep(self, epochs: int) -> None:
        """Drop rows beyond epoch `epochs`: those which a killed process wrote after its last checkpoint."""
        rows = [row for row in self.rows() if row["epoch"] <= epochs]
        write_whole(self.path / "metrics.jsonl", "".join(_line(row) for row in rows))

    def rows(self) -> list[dict[str, Any]]:
        """The epochs so far."""
        return _rows(self.path / "metrics.jsonl")

    def write(self, name: str, content: bytes) -> None:
        """A file beside the metrics, whole or not at all."""
        write_whole(self.path / name, content)

    def append(self, row: dict[str, Any]) -> None:
        """One more epoch, on disk when this returns."""
        path = self.path / "metrics.jsonl"
        with writing(path), path.open("a") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def finish(self, result: dict[str, Any]) -> None:
        """The run has stopped for now."""
        write_whole(self.path / "result.json", json.dumps(result, indent=1))


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"


def _json(path: Path, *keys: str) -> Any:
    try:
        found = from_json(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _damaged(path, f"not JSON ({error})") from None
    if not isinstance(found, dict) or not found.keys() >= set(keys):
        raise _damaged(path, f"expected an object with {', '.join(keys)}")
    return found


def array(folder: Path, name: str) -> Any:
    """A numpy array of an evaluation's folder."""
    import numpy as np  # only pictures, and answers that are averaged, are read so

    path = folder / f"{name}.npy"
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _damaged(path, f"cannot be read ({error})") from None


def _damaged(path: Path, what: str) -> ReproError:
    return ReproError(f"{path}: {what}; remove the folder {path.parent} to train the run again")


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise _damaged(path, f"not text ({error})") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break  # the last line without its end is what a killed process left of it
        try:
            row = from_json(line)
        except ValueError as error:
            raise _damaged(path, f"line {number} is not JSON ({error})") from None
        if not isinstance(row, dict) or row.get("epoch") != number:
            raise _damaged(path, f"line {number} is not the row of epoch {number}")
        rows.append(row)
    return rows
