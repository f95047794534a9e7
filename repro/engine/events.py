"""What is reported while runs are trained: plain dicts, told apart by `event`, that workers send through pipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypedDict

from repro.store.rows import Row, Status


class OfRun(TypedDict):
    """What every event says: the run's id, or the data set's name, and a label for people."""

    run: str
    label: str


class Packed(OfRun):
    """So many of a data set's photos have been read or packed."""

    event: Literal["pack"]
    done: int
    total: int


class Begun(OfRun):
    """A run begins after `epoch` of at most `horizon` epochs."""

    event: Literal["begin"]
    epoch: int
    horizon: int


class Updated(OfRun):
    """A run has done so many updates of the `total` of epoch `epoch`, not oftener than once a second.

    `rate`: images/s since the last such event, or since the epoch began.
    """

    event: Literal["update"]
    epoch: int
    done: int
    total: int
    rate: float


class EpochEnded(OfRun):
    """A run has trained one more epoch: the parts of its row that a display needs, and the run's horizon."""

    event: Literal["epoch"]
    horizon: int
    epoch: int
    train_error: float
    train_loss: float
    test_error: float | None
    seconds: float
    diverged: int | None


class EvaluationBegun(OfRun):
    """An evaluation of this kind begins, after `epoch`."""

    event: Literal["evaluation"]
    kind: str
    epoch: int


class Rated(OfRun):
    """A replicate of a timing has ended: the median images/s of each arm's pipeline."""

    event: Literal["timed"]
    rates: dict[str, float]


class Finished(OfRun):
    """The last event of a run."""

    event: Literal["finish"]
    epoch: int
    status: Status


class AttemptFailed(OfRun):
    """The first or second attempt at a run or an evaluation failed."""

    event: Literal["failed"]
    attempt: int
    why: str


class Kept(OfRun):
    """A checkpoint of the run, or of an evaluation for which it is trained again, was written after `epoch`."""

    event: Literal["checkpoint"]
    epoch: int


class NodeRefused(OfRun):
    """A node of a cluster, which `label` names, takes no run."""

    event: Literal["node"]
    why: str


class WaitedFor(OfRun):
    """Another command trains the run; it is waited for once all others are done."""

    event: Literal["busy"]


Event = (
    Packed
    | Begun
    | Updated
    | EpochEnded
    | EvaluationBegun
    | Rated
    | Finished
    | AttemptFailed
    | Kept
    | NodeRefused
    | WaitedFor
)
Report = Callable[[Event], None]


def epoch_ended(of: OfRun, row: Row, horizon: int) -> EpochEnded:
    """Return the event of an epoch from its row."""
    return {
        "event": "epoch",
        **of,
        "horizon": horizon,
        "epoch": row["epoch"],
        "train_error": row["train_error"],
        "train_loss": row["train_loss"],
        "test_error": row.get("test_error"),
        "seconds": row["seconds"],
        "diverged": row["diverged"],
    }
