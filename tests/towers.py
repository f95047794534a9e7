"""A net of two towers trained in two processes against one: `python -m tests.towers`. A maintainers' command.

It trains one run of 200 updates on the embedded digits in one process, in two, begun in one and continued in two, the
other way round, and in two of which one is killed. It prints how far their losses are apart; `--write` writes that into
`tests/README.md`. Rounding grows: as soon as it moves one unit across 0, or another pixel becomes the largest of its
window, gradients differ by more than rounding. So a run in one process that rounds otherwise, since its minibatches are
taken in two parts, is measured too. `tests/test_pair.py` is the short form.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile, run_config
from repro.contents import load
from repro.engine.execute import execute
from repro.engine.pair import trainer_of
from repro.engine.provenance import provenance
from repro.engine.setting import Setting
from repro.places import clone
from repro.questions.observations import Want
from repro.store import Run, Store
from repro.store.rows import Row
from repro.train.machine import settle_process
from tests import written

UPDATES_AN_EPOCH = 8  # of 256 digits in minibatches of 32, as two_towers has them at smoke scale
BEYOND = 1e-5  # no difference of rounding alone
HEADS = (
    "trained",
    "largest difference of a loss in the first half",
    "in all",
    f"first update beyond {BEYOND:.0e}",
    "updates with another error count",
)
Report = Callable[[Any], object]


def net(arm: str = "two", seed: int = 0) -> RunConfig:
    """Return the training of an arm of `two_towers` at smoke scale: its nets at a sixteenth of their width."""
    home = clone()
    assert home is not None
    file = load(home / "claims" / "two_towers.yaml")
    assert isinstance(file, ClaimFile)
    return run_config(file.at("smoke"), arm, seed=seed)


def train(
    folder: Path, epochs: int, towers: int, report: Report = lambda event: None, config: RunConfig | None = None
) -> Run:
    """Train a run on the shelf in `folder` up to so many epochs, in one process or in two; return it."""
    setting = Setting(Store(folder), "cpu", (), folder.parent / "cache", provenance("cpu", towers))
    want = Want(config or net(), epochs, None, "the net")
    execute([], setting, workers=1, report=report, more=lambda table: [] if want.satisfied_in(table) else [want])
    run = setting.store.read(want.config.id)
    assert run is not None
    return run


def followers() -> list[int]:
    """Return the ids of the processes that hold the second tower, of this process's workers."""
    lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    every = [(int(words[0]), int(words[1]), line) for line in lines.splitlines() if (words := line.split())]
    workers = {pid for pid, parent, _ in every if parent == os.getpid()}
    return [pid for pid, parent, line in every if parent in workers and "engine.pair" in line]


def killing(epoch: int) -> tuple[Report, list[dict[str, Any]]]:
    """Return a report that kills the second tower once, after this epoch, and the list of what was reported."""
    events: list[dict[str, Any]] = []

    def report(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == epoch and not any(e["event"] == "failed" for e in events):
            for pid in followers():
                os.kill(pid, signal.SIGKILL)
        events.append(event)

    return report, events


@dataclass(frozen=True)
class Apart:
    """How far two runs of the same configuration are apart: the losses of each update, and the errors that differ."""

    losses: tuple[float, ...]
    errors: int

    @property
    def most(self) -> float:
        """The largest difference of a loss."""
        return max(self.losses)

    def cells(self, name: str) -> tuple[str, ...]:
        """Return a row of the table."""
        beyond = next((str(i) for i, loss in enumerate(self.losses, start=1) if loss > BEYOND), "none")
        half = self.losses[: len(self.losses) // 2]
        return name, f"{max(half):.1e}", f"{self.most:.1e}", beyond, f"{self.errors} of {len(self.losses)}"


def apart(one: list[Row], other: list[Row]) -> Apart:
    """Compare the losses and errors of all updates of two runs."""
    first, second = ([update for row in rows for update in row["updates"]] for rows in (one, other))
    assert [u for u, _, _ in first] == [u for u, _, _ in second]
    pairs = list(zip(first, second, strict=True))
    return Apart(tuple(abs(a - b) for (_, a, _), (_, b, _) in pairs), sum(a != b for (_, _, a), (_, _, b) in pairs))


def ways(folder: Path, updates: int) -> dict[str, list[Row]]:
    """Train one configuration in each way; return the rows of epochs by the name of the way, in one process first."""
    epochs = updates // UPDATES_AN_EPOCH
    out = {"in one process": train(folder / "one", epochs, 1).epochs}
    settle_process("cpu")
    setting = Setting(Store(folder / "parts"), "cpu", (), folder / "cache", provenance("cpu"))
    out["in one process, minibatches in two parts"] = list(trainer_of(setting, net(), parts=2).epochs(epochs))
    out["in two processes"] = train(folder / "two", epochs, 2).epochs
    orders = {"in one, then in two": (1, 2), "in two, then in one": (2, 1), "in two, stopped, then in two": (2, 2)}
    for name, order in orders.items():
        for last, towers in zip((epochs // 2, epochs), order, strict=True):
            out[name] = train(folder / name.replace(" ", "_"), last, towers).epochs
    report, events = killing(epochs // 2)
    out["in two, of which one is killed"] = train(folder / "killed", epochs, 2, report).epochs
    assert [event["event"] for event in events].count("failed") == 1, events
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.towers", description=__doc__)
    parser.add_argument("--updates", type=int, default=200, help="a multiple of 8 (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table into tests/README.md")
    args = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        first, *others = ways(Path(folder), args.updates).items()
        rows = [apart(first[1], each).cells(name) for name, each in others]
    lines = [f"Against the same run in one process, over {args.updates} updates:", "", *written.table(HEADS, rows)]
    print("\n".join(lines))
    print(f"{time.monotonic() - start:.0f} s")
    if args.write:
        written.renew("towers", f"python -m tests.towers --updates {args.updates}", lines)


if __name__ == "__main__":
    main()
