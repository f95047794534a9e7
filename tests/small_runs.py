"""A store filled from formulas: what a claim wants, plan after plan; each curve is a function of its configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repro.analysis.measures import Want, done
from repro.analysis.plan import wanted
from repro.spec.config import RunConfig
from repro.spec.files import ClaimFile
from repro.store import Store

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
            if not want.satisfied_by(table.get(want.config.id)):
                _train(store, want, curve, every_update)
                run = store.read(want.config.id)
                assert run is not None
                table[run.id] = run
    return store


def _train(store: Store, want: Want, curve: Curve, every_update: bool) -> None:
    rows: list[dict] = []
    with store.begin(want.config, PROVENANCE) as run:
        try:
            while not done(rows, want.epochs, want.level):
                rows.append(_row(want.config, curve, len(rows) + 1, every_update))
            last = rows[-1]
            status = "diverged" if last["diverged"] else "reached"
            result = {"status": status, "epoch": last["epoch"], "update": last["update"]}
        except Failed as failure:
            result = {"status": "failed", "why": failure.why}
        run.write("metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        run.finish(result)


def _row(config: RunConfig, curve: Curve, epoch: int, every_update: bool) -> dict:
    value = curve(config, epoch)
    updates = []
    if every_update:
        for i in range(UPDATES):
            size = 16 if i % 79 == 78 else 128
            error = curve(config, epoch - 1 + (i + 0.5) / UPDATES)
            assert error is not None
            updates.append([(epoch - 1) * UPDATES + i + 1, 2.3 * error, round(error * size)])
    error = 1.0 if value is None else value
    return {
        "epoch": epoch,
        "update": epoch * UPDATES,
        "train_error": error,
        "train_loss": 2.5 * error,
        "test_error": None if value is None else error,
        "test_loss": None if value is None else 2.5 * error,
        "seconds": 2.0,
        "updates": updates,
        "diverged": None if value is not None else (epoch - 1) * UPDATES + 7,
    }
