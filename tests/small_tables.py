"""Tables of runs in memory: what claims want is trained by formula, a round at once or run by run in any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from small_runs import Curve, Failed, _row

from repro.analysis.measures import Observation, Want, done
from repro.analysis.plan import wanted
from repro.spec.config import RunConfig
from repro.spec.files import ClaimFile, load
from repro.store import Run, Table

LEVEL, START = 0.25, 0.9  # the level of CLAIM, and the error of chance

CLAIM = """
id: speed
version: 1
paper: {section: "3.1", says: The ReLU net learns six times faster than the tanh net.}
question: How many times fewer epochs does the ReLU net need?
data: {kind: cifar10}
model: {kind: cuda_convnet_19pct}
train: {epochs: 48, weight_decay: 0.0}
arms:
  relu: {model.activation: relu}
  tanh: {model.activation: tanh}
varies: [model.activation]
tune: {train.lr: [0.001, 0.002, 0.004, 0.008], per: arm, choose: fastest, on_seeds: [100, 101, 102], extend: 2}
seeds: [0, 1, 2, 3, 4]
measure: {kind: epochs_to, metric: train_error, level: 0.25}
rule: {kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}
scales:
  smoke: {measure.metric: train_loss, measure.level: 1.5}
  small: {measure.level: 0.40}
  paper: {}
"""
RULE = "{kind: ratio, of: [tanh, relu], paper: 6.0, within: [4.0, 9.0], direction: above 1}"
MIRROR = f"{{kind: ratio, of: [relu, tanh], paper: {1 / 6}, within: [{1 / 9}, 0.25], direction: below 1}}"


@dataclass(frozen=True)
class Diverges:
    """The run's loss stops being finite in epoch `at`."""

    at: int


Times = Callable[[str, float, int], float | Diverges]  # (arm, rate, seed) -> epochs to LEVEL


def claim_file(folder: Path, *changes: tuple[str, str], text: str = CLAIM) -> ClaimFile:
    """A checked claim: `text` with each of `changes` (old, new) made in it."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{text.split()[1]}.yaml"
    path.write_text(text)
    return load(path)


def reaching(times: Times) -> Curve:
    """Errors that fall on a straight line from chance to LEVEL in the time given, and on: interpolation is exact."""

    def curve(config: RunConfig, epoch: float) -> float | None:
        time = times(config.model.activation, config.train.lr, config.seed)
        if isinstance(time, Diverges):
            return None if epoch >= time.at else START - 0.01 * epoch
        return max(0.0, START - (START - LEVEL) * epoch / time)

    return curve


def run_of(config: RunConfig, rows: list[dict], failed: str | None = None) -> Run:
    """A run with these epochs, as a store would read it."""
    result = {"status": "failed", "why": failed} if failed else {"status": "reached"}
    run = Run(config.id, Path(), config.model_dump(), [], result)
    vars(run)["epochs"] = rows
    return run


def train(table: Table, want: Want, curve: Curve, every_update: bool = False) -> None:
    """Train one run on from where it stands, until it shows what is wanted."""
    run = table.get(want.config.id)
    rows, failed = list(run.epochs) if run else [], None
    try:
        while not done(rows, want.epochs, want.level):
            rows.append(_row(want.config, curve, len(rows) + 1, every_update))
    except Failed as failure:
        failed = failure.why
    table[want.config.id] = run_of(want.config, rows, failed)


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


def seen(*values: float | str | None, limit: int = 150) -> tuple[Observation, ...]:
    """Observations of seeds 0, 1, ...: epochs, or None where the level was not reached, or another status."""
    out = []
    for seed, value in enumerate(values):
        status = value if isinstance(value, str) else "not reached" if value is None else "reached"
        number = value if isinstance(value, float | int) else None
        out.append(Observation(seed, f"run{seed}", number, 2 if status == "diverged" else limit, status, limit))
    return tuple(out)
