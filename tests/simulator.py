"""A simulated world: claims, and runs whose curves are formulas, so that what should be found in them is known.

A curve gives a run's error after so many epochs from its configuration. `play` trains all that a claim wants in a table
in memory, plan after plan; `fill` writes the same into a store on disk.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulated_claims import LEVEL, START

from repro.claim.config import RunConfig
from repro.claim.evaluation import Evaluation
from repro.claim.files import ClaimFile
from repro.claim.resolve import training_images
from repro.questions.observations import Observation, Want
from repro.questions.plan import wanted
from repro.store import Run, Store, Table
from repro.train.minibatches import RECORDED, batch_sizes

PROVENANCE = {
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "clean": True,
    "numerics": 1,
    "repro": "0.1.0",
    "python": "3.12.1",
    "torch": "2.11.0",
    "numpy": "2.0.0",
    "system": "Linux x86_64",
    "processor": "A processor (avx2)",
    "device": "cpu",
    "cuda": None,
    "threads": 1,
    "tf32": False,
}
UPDATES = 395  # an epoch of CIFAR-10: five files of 79 minibatches (source.md 3.1)

Curve = Callable[[RunConfig, float], float | None]  # (configuration, epochs) -> error; None: diverged


@dataclass
class Failed(Exception):
    """Raised by a curve: the run could not be trained."""

    why: str


@dataclass(frozen=True)
class Diverges:
    """The run's loss stops being finite in epoch `at`."""

    at: int


Times = Callable[[str, float, int], float | Diverges]  # (arm, rate, seed) -> epochs to LEVEL


def reaching(times: Times) -> Curve:
    """Errors that fall on a straight line from chance to LEVEL in the time given, and on: interpolation is exact."""

    def curve(config: RunConfig, epoch: float) -> float | None:
        time = times(config.model.activation, config.train.lr, config.seed)
        if isinstance(time, Diverges):
            return None if epoch >= time.at else START - 0.01 * epoch
        return max(0.0, START - (START - LEVEL) * epoch / time)

    return curve


def straight(slope: float, start: float = 0.9) -> Curve:
    """Error that falls from chance by `slope` an epoch: the level L is reached after exactly (start - L) / slope."""
    return lambda config, epoch: max(0.0, start - slope * epoch)


def run_of(config: RunConfig, rows: list[dict], failed: str | None = None) -> Run:
    """A run with these epochs, as a store would read it."""
    result: dict = {"status": "failed", "why": failed} if failed else {"status": "reached"}
    run = Run(config.id, Path(), config.model_dump(), [PROVENANCE], result)
    vars(run)["epochs"] = rows
    return run


def looked_at(evaluation: Evaluation, values: dict, failed: str | None = None) -> Run:
    """An evaluation that found these values, as a store would read it."""
    result: dict = {"status": "failed", "why": failed}
    if not failed:
        result = {"status": "looked at", "epoch": evaluation.epoch, "values": values, "curves": {}, "seconds": 0.0}
    return Run(evaluation.id, Path(), evaluation.model_dump(), [PROVENANCE], result)


def views(last: dict) -> dict[str, float]:
    """A run in ten views, from its last epoch: a hundredth better than in one, in five answers a quarter of that."""
    one, ten = last["test_error"], last["test_error"] - 0.01
    errors = {"error": one, "top5": one / 4, "views_error": ten, "views_top5": ten / 4}
    counts = {"won": 20, "lost": 10, "won_top5": 6, "lost_top5": 1, "photos": 1000}
    return errors | {"gain": 0.01, "gain_top5": 0.0025} | counts


def updates_an_epoch(config: RunConfig) -> int:
    """Updates of an epoch of a run on crops."""
    rule = config.train
    return len(batch_sizes(training_images(config.data), batch=rule.batch, file_images=rule.file_images))


def trained(want: Want, curve: Curve, rows: list[dict], every_update: bool = False) -> dict:
    """Return the result of a run that goes on from `rows`, to which its epochs are added, until it shows what is
    wanted."""
    try:
        while not want.goal.met(rows):
            rows.append(_row(want, curve, len(rows) + 1, every_update))
    except Failed as failure:
        return {"status": "failed", "why": failure.why}
    last = rows[-1]
    return {"status": "diverged" if last["diverged"] else "reached", "epoch": last["epoch"], "update": last["update"]}


def train(table: Table, want: Want, curve: Curve, every_update: bool = False) -> None:
    """Train one run on from where it stands, until it shows what is wanted, and evaluate it where that is wanted."""
    run = table.get(want.config.id)
    rows = list(run.epochs) if run else []
    result = trained(want, curve, rows, every_update)
    table[want.config.id] = run_of(want.config, rows, result.get("why"))
    if want.evaluation and result["status"] == "reached":
        table[want.evaluation.id] = looked_at(want.evaluation, views(rows[-1]))


def fill(root: Path, file: ClaimFile, scale: str, curve: Curve, every_update: bool = False) -> Store:
    """Return a store with everything that the claim wants at `scale`, its alternatives too."""
    store = Store(root)
    table = store.table()
    while wants := wanted(file, scale, table):
        for want in wants:
            if not want.satisfied_in(table):
                _write(store, want, curve, every_update)
                for run_id in (want.config.id, *([want.evaluation.id] if want.evaluation else [])):
                    if (run := store.read(run_id)) is not None:
                        table[run.id] = run
    return store


def _write(store: Store, want: Want, curve: Curve, every_update: bool) -> None:
    rows: list[dict] = []
    with store.begin(want.config, PROVENANCE) as run:
        result = trained(want, curve, rows, every_update)
        run.write("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        run.finish(result)
    if want.evaluation and result["status"] == "reached":
        with store.begin(want.evaluation, PROVENANCE) as evaluation:
            values = {"values": views(rows[-1]), "curves": {}, "seconds": own(want.evaluation)}
            evaluation.finish({"status": "looked at", "epoch": rows[-1]["epoch"]} | values)


def play(
    *claims: tuple[ClaimFile, str],
    curve: Curve,
    order: int | None = None,
    rounds: list[list[Want]] | None = None,
    every_update: bool = False,
) -> Table:
    """Plan and train until nothing is wanted. `order` None: all that is wanted at once; else one run after another,
    drawn by this seed. `rounds`: filled with what was wanted, plan after plan."""
    table: Table = {}
    draw = random.Random(order)
    while wants := [want for file, scale in claims for want in wanted(file, scale, table)]:
        if rounds is not None:
            rounds.append(wants)
        for want in wants if order is None else [draw.choice(wants)]:
            train(table, want, curve, every_update)
    return table


def lengths(table: Table) -> dict[str, int]:
    """Epochs of every run."""
    return {run.id: len(run.epochs) for run in table.values()}


def observed(*values: float | str | None, limit: int = 150) -> tuple[Observation, ...]:
    """Observations of seeds 0, 1, ...: epochs, or None where the level was not reached, or another status."""
    out = []
    for seed, value in enumerate(values):
        status = value if isinstance(value, str) else "not reached" if value is None else "reached"
        number = value if isinstance(value, float | int) else None
        out.append(Observation(seed, f"run{seed}", number, 2 if status == "diverged" else limit, status, limit))
    return tuple(out)


def own(config: RunConfig | Evaluation) -> float:
    """A factor next to 1 that is this run's alone: on a shelf two runs that measure the same to the last digit are
    copies."""
    return 1 + int(config.id[:6], 16) * 1e-12


def _row(want: Want, curve: Curve, epoch: int, every_update: bool) -> dict:
    """An epoch of a run on whole images. Its running error is the curve's where the claim reads it: in the middle of
    the epoch, as a mean of a straight line is, or at its end."""
    config = want.config
    assert isinstance(config, RunConfig)
    if config.data.crop is not None:
        return _photo_row(config, curve, epoch)
    value = curve(config, epoch)
    updates = []
    if every_update:
        for i in range(UPDATES):
            size = 16 if i % 79 == 78 else 128
            error = curve(config, epoch - 1 + (i + 0.5) / UPDATES)
            assert error is not None
            updates.append([(epoch - 1) * UPDATES + i + 1, 2.3 * error, round(error * size)])
    error = 1.0 if value is None else value
    middle = want.level is not None and want.level.at in ("files", "middle")
    running = curve(config, epoch - 0.5) if middle and value is not None else error
    return {
        "epoch": epoch,
        "update": epoch * UPDATES if value is not None else (epoch - 1) * UPDATES + 6,
        "train_error": running,
        "train_loss": 2.5 * running * own(config),
        "test_error": None if value is None else error,
        "test_loss": None if value is None else 2.5 * error,
        "seconds": 2.0,
        "updates": updates,
        "diverged": None if value is not None else (epoch - 1) * UPDATES + 7,
    }


def _photo_row(config: RunConfig, curve: Curve, epoch: int) -> dict:
    """The same of a run on crops: the updates that are recorded one by one, with losses 2.5 times the error, and both
    half epochs, with the curve's own error on held-out images and a fifth less on those trained on."""
    many, first = updates_an_epoch(config), updates_an_epoch(config) * (epoch - 1)
    updates, halves, diverged = [], [], None
    for i in range(1, many + 1):
        error = curve(config, epoch - 1 + i / many) if first + i <= RECORDED or i == many else 0.0
        if error is None:
            diverged = first + i
            break
        if first + i <= RECORDED:
            updates.append([first + i, 2.5 * error, round(error * config.train.batch)])
        if i in (many // 2, many):
            held_out = curve(config, epoch - 1 + (0.5 if i < many else 1))
            if held_out is not None:
                halves.append({
                    "update": first + i,
                    "held_out_error": held_out, "held_out_loss": 2.5 * held_out,
                    "fixed_error": 0.8 * held_out, "fixed_loss": 2 * held_out,
                })  # fmt: skip
    value = curve(config, epoch) if diverged is None else None
    row = {
        "epoch": epoch,
        "update": first + many if diverged is None else diverged - 1,
        "train_error": 1.0 if value is None else 0.9 * value,
        "train_loss": (2.5 if value is None else 2.25 * value) * own(config),
        "test_error": value,
        "test_loss": None if value is None else 2.5 * value,
        "seconds": 2.0,
        "updates": updates,
        "diverged": diverged,
    }
    return row | ({} if value is None else {"test_top5": value / 4}) | ({"halves": halves} if halves else {})
