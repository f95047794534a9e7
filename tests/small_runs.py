"""A store filled from formulas: what a claim wants, plan after plan; each curve is a function of its configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile
from repro.claim.resolve import training_images
from repro.questions.observations import Want
from repro.questions.plan import wanted
from repro.store import Store
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


def straight(slope: float, start: float = 0.9) -> Curve:
    """Error that falls from chance by `slope` an epoch: the level L is reached after exactly (start - L) / slope."""
    return lambda config, epoch: max(0.0, start - slope * epoch)


def fill(root: Path, file: ClaimFile, scale: str, curve: Curve, every_update: bool = False) -> Store:
    """Everything the claim wants at `scale`, its alternatives too, as runs of `curve`."""
    store = Store(root)
    table = store.table()
    while wants := wanted(file, scale, table):
        for want in wants:
            if not want.satisfied_in(table):
                _train(store, want, curve, every_update)
                for run_id in (want.config.id, *([want.evaluation.id] if want.evaluation else [])):
                    if (run := store.read(run_id)) is not None:
                        table[run.id] = run
    return store


def _train(store: Store, want: Want, curve: Curve, every_update: bool) -> None:
    rows: list[dict] = []
    with store.begin(want.config, PROVENANCE) as run:
        try:
            while not want.goal.met(rows):
                rows.append(_row(want, curve, len(rows) + 1, every_update))
            last = rows[-1]
            status = "diverged" if last["diverged"] else "reached"
            result: dict[str, Any] = {"status": status, "epoch": last["epoch"], "update": last["update"]}
        except Failed as failure:
            result = {"status": "failed", "why": failure.why}
        run.write("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        run.finish(result)
    if want.evaluation and result["status"] == "reached":
        with store.begin(want.evaluation, PROVENANCE) as looked:
            found = {"values": views(rows[-1]), "curves": {}, "seconds": 1.0}
            looked.finish({"status": "looked at", "epoch": rows[-1]["epoch"]} | found)


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
        "update": epoch * UPDATES,
        "train_error": running,
        "train_loss": 2.5 * running,
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
        "update": first + many,
        "train_error": 1.0 if value is None else 0.9 * value,
        "train_loss": 2.5 if value is None else 2.25 * value,
        "test_error": value,
        "test_loss": None if value is None else 2.5 * value,
        "seconds": 2.0,
        "updates": updates,
        "diverged": diverged,
    }
    return row | ({} if value is None else {"test_top5": value / 4}) | ({"halves": halves} if halves else {})
