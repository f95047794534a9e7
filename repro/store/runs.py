"""One run read from its folder. Reading needs no torch, takes no lock, and names the file that is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from pydantic_core import from_json  # the same values as json.loads, in a third of the time

from repro.store.damage import RESULT, ROWS, RUN, DamagedRun, Violation, brief, in_header, in_rows
from repro.store.rows import Config, Json, Provenance, Result, Rounds, Row, TrainingConfig

if TYPE_CHECKING:
    import numpy as np

CHECKPOINT = "checkpoint.safetensors"
Value = TypeVar("Value")
KEPT = "weights-{}.safetensors"  # after so many epochs, for runs that start from them


@dataclass(frozen=True)
class Run:
    """What a store holds of one run. `result` is None while it trains or after it was killed."""

    id: str
    path: Path
    config: Config
    sessions: list[Provenance]  # of every process that trained a part of it
    result: Result | None

    @cached_property
    def epochs(self) -> list[Row]:
        """The rows of its epochs, in order; empty of an evaluation and of a timing. DamagedRun where they cannot be."""
        rows = read_rows(self.path / ROWS)
        for violation in in_rows(self.id, self.config, self.result, rows):
            raise DamagedRun(self.path, violation)
        return rows

    @cached_property
    def damage(self) -> DamagedRun | None:
        """What is wrong with its rows; None of a sound run. What stands in no row is checked when a run is read.

        The rows are not kept: those of 10,000 runs take gigabytes.
        """
        kept = "epochs" in self.__dict__
        try:
            _ = self.epochs
        except DamagedRun as damage:
            return damage
        if not kept:
            del self.__dict__["epochs"]
        return None

    def series(self, metric: str) -> list[tuple[int, float]]:
        """Return (epoch, metric) of the epochs that have it; one in which the run diverged has none."""
        rows = (row for row in self.epochs if row["diverged"] is None)
        values = ((row["epoch"], cast(Mapping[str, float | None], row).get(metric)) for row in rows)
        return [(epoch, value) for epoch, value in values if value is not None]

    @property
    def diverged(self) -> int | None:
        """The update at which the loss was no longer finite."""
        return self.epochs[-1]["diverged"] if self.epochs else None

    @property
    def seed(self) -> int:
        """A training's seed, the seed of the run that an evaluation is of, or a replicate's number."""
        if "look" in self.config:
            return self.config["run"]["seed"]
        if "timed" in self.config:
            return next(iter(self.config["timed"].values()))["seed"]
        return self.config["seed"]

    @property
    def is_evaluation(self) -> bool:
        """Whether it is an evaluation of another run."""
        return "look" in self.config

    @property
    def options(self) -> dict[str, Json]:
        """The kind and the options of an evaluation; empty of others."""
        if "look" in self.config:
            return self.config["look"]
        return {}

    @property
    def started_from(self) -> TrainingConfig | None:
        """The configuration of the run whose weights a training started from; None where it started from none."""
        return self.config["start"].get("run") if "start" in self.config else None

    @property
    def values(self) -> dict[str, float]:
        """What an evaluation measured, by name; empty before that, and of others. DamagedRun where a name is not there
        that is asked for."""
        return _Named(self, self.result["values"] if self.result and self.result["status"] == "looked at" else {})

    @property
    def curves(self) -> dict[str, list[float]]:
        """What an evaluation measured step by step, lists of one length by name; empty before that, and of others.
        DamagedRun where a name is not there that is asked for."""
        return _Named(self, self.result["curves"] if self.result and self.result["status"] == "looked at" else {})

    def array(self, name: str) -> np.ndarray:
        """Return an array that an evaluation keeps beside its values."""
        return array(self.path, name)

    @property
    def timed(self) -> dict[str, Rounds] | None:
        """What a timing measured, by arm; None before that, and of others."""
        return self.result["timed"] if self.result and self.result["status"] == "timed" else None

    @property
    def seconds_timed(self) -> float:
        """The seconds that a timing took; 0 of others: a training's stand in its epochs."""
        return self.result["seconds"] if self.result and self.result["status"] == "timed" else 0.0

    @property
    def seconds_looked(self) -> float:
        """The seconds that an evaluation took; 0 of others."""
        return self.result["seconds"] if self.result and self.result["status"] == "looked at" else 0.0

    @property
    def failed(self) -> str | None:
        """Why the run could not be trained, if it could not."""
        return self.result["why"] if self.result and self.result["status"] == "failed" else None

    @property
    def resumable(self) -> bool:
        """Whether a checkpoint is there."""
        return (self.path / CHECKPOINT).is_file()

    def kept(self, epoch: int) -> bool:
        """Return whether its weights after an epoch are there, for others to start from."""
        return (self.path / KEPT.format(epoch)).is_file()


class _Named(dict[str, Value]):
    """Values of an evaluation by name; one that is not there means a damaged run."""

    def __init__(self, run: Run, values: Mapping[str, Value]) -> None:
        super().__init__(values)
        self._run = run

    def __missing__(self, name: str) -> NoReturn:
        violation = Violation(self._run.id, RESULT, "values", brief(sorted(self)), f"{name} too")
        raise DamagedRun(self._run.path, violation)


def read_run(folder: Path) -> Run | None:
    """Return the run of a folder; None where it was never begun. DamagedRun where it cannot be believed."""
    about = _read_object(folder / RUN, "config", "sessions")
    if about is None:
        return None
    result = _read_object(folder / RESULT, "status")
    for violation in in_header(folder.name, about["config"], about["sessions"], result):
        raise DamagedRun(folder, violation)
    return Run(folder.name, folder, about["config"], about["sessions"], cast("Result | None", result))


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a metrics.jsonl; none where there is no such file. DamagedRun where a line is no row."""
    try:
        lines = path.read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise _unreadable(path, "the file", error) from None
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break  # the last line without its end is what a killed process left of it
        try:
            row = from_json(line, allow_inf_nan=False)
        except ValueError as error:
            raise _unreadable(path, f"line {number}", error) from None
        if not isinstance(row, dict) or row.get("epoch") != number:
            raise _damaged(path, f"line {number}", brief(row), f"the row of epoch {number}")
        rows.append(cast(Row, row))
    return rows


def array(folder: Path, name: str) -> np.ndarray:
    """Return the numpy array `name` of an evaluation's folder. DamagedRun where it cannot be read."""
    import numpy as np  # only pictures, and answers that are averaged, are read so

    path = folder / f"{name}.npy"
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _damaged(path, "the file", str(error), "a numpy array") from None


def answers(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what an evaluation in ten views keeps: the softmax outputs [photos, classes] and the labels, int [photos].
    DamagedRun where the two do not fit."""
    shares, labels = array(folder, "shares"), array(folder, "labels")
    fits = shares.ndim == 2 and labels.shape == shares.shape[:1] and labels.dtype.kind in "iu" and labels.size
    if not fits or shares.dtype.kind != "f" or not (labels.min() >= 0 and labels.max() < shares.shape[1]):
        raise _damaged(folder / "shares.npy", "shape", brief(shares.shape), f"answers for the {labels.shape} labels")
    return shares, labels


def ranks(shares: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the rank of every photo's class among its answers, int [photos], 0 for the likeliest.

    Of equal shares the lower class comes first; a share of the class that is NaN comes last, as in training
    (`repro.train.testing.rank`). `shares`: [photos, classes], of one net or a sum of several nets'.
    """
    import numpy as np

    own = shares[np.arange(len(labels)), labels][:, None]
    lower = np.arange(shares.shape[1]) < labels[:, None]
    ahead: np.ndarray = ((shares > own) | ((shares == own) & lower)).sum(1)
    return np.where(np.isnan(own[:, 0]), shares.shape[1], ahead)


def _read_object(path: Path, *keys: str) -> dict[str, Any] | None:  # JSON, before it has a type of `repro.store.rows`
    try:
        content = from_json(path.read_text(), allow_inf_nan=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, "the file", error) from None
    if not isinstance(content, dict) or not content.keys() >= set(keys):
        raise _damaged(path, "the file", brief(content), f"an object with {', '.join(keys)}")
    return content


def _unreadable(path: Path, key: str, error: Exception) -> DamagedRun:
    return _damaged(path, key, str(error), "JSON")


def _damaged(path: Path, key: str, value: str, expected: str) -> DamagedRun:
    return DamagedRun(path.parent, Violation(path.parent.name, path.name, key, value, expected))
