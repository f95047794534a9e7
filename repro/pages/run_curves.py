"""The curves of one training: errors and losses over epochs, the first updates, and some epochs as a table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from repro.draw.parts import Grid, Row
from repro.draw.plots import Line, Plot
from repro.store import Run
from repro.train.minibatches import RECORDED

FIRST = 100  # points of the first updates, each a mean
EPOCHS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200)  # that the table has, with the last
CUT = 1.3  # times the largest loss of the first epoch: what is above is cut off, so that a divergence hides no curve


def learning(run: Run) -> list[Plot]:
    """Return errors and losses over epochs, and the loss of the first updates; none of what was not recorded."""
    names = (("training", "train"), ("test", "test"), ("fixed photos", "fixed"))
    errors = [Line(name, series) for name, key in names if (series := _series(run, f"{key}_error"))]
    losses = [Line(name, series) for name, key in names if (series := _series(run, f"{key}_loss"))]
    out = []
    if errors:
        title = "Error, running over the training images and on the test images"
        out.append(Plot("error", title, _ends(errors, percent=True), "error by epoch", tuple(errors), percent=True))
    if losses:
        top = CUT * max(value for line in losses for _, value in line.points[:1])
        plot = Plot("loss", "Loss in nats per image", _ends(losses), "loss by epoch", tuple(losses), top=top)
        out.append(plot)
    updates = [(number, loss) for row in run.epochs for number, loss, _ in row["updates"] if number <= RECORDED]
    if len(updates) > 1:
        each = -(-len(updates) // FIRST)
        points = [
            (fmean(n for n, _ in part), fmean(loss for _, loss in part))
            for part in (updates[i : i + each] for i in range(0, len(updates), each))
        ]
        line = Line("training", points)
        mean = f", means of {each}" if each > 1 else ""
        alt = f"From {points[0][1]:.3g} to {points[-1][1]:.3g} nats over the first {len(updates):,} updates{mean}."
        title = f"first {len(updates):,} updates"
        top = CUT * points[0][1]
        out.append(Plot("first", f"Training loss of the {title}", alt, f"loss by update{mean}", (line,), top=top))
    return out


def _series(run: Run, metric: str) -> list[tuple[float, float]]:
    return [(float(epoch), value) for epoch, value in run.series(metric)]


def _ends(lines: Sequence[Line], percent: bool = False) -> str:
    """Return first and last value of each line in words."""

    def written(value: float) -> str:
        return f"{100 * value:.1f} %" if percent else f"{value:.3g}"

    return "; ".join(
        f"{line.name}: {written(line.points[0][1])} after epoch {line.points[0][0]:g}, "
        f"{written(line.points[-1][1])} after epoch {line.points[-1][0]:g}"
        for line in lines
    ).capitalize() + "."  # fmt: skip


def epochs(run: Run) -> Grid | None:
    """Return some epochs as a table: the same as the curves in numbers."""
    if not run.epochs:
        return None
    keys = (("training error", "train_error"), ("training loss", "train_loss"), ("test error", "test_error"),
            ("test loss", "test_loss"), ("seconds", "seconds"))  # fmt: skip
    there: list[tuple[str, str, dict[int, float]]] = [
        (name, key, values) for name, key in keys if (values := dict(run.series(key)))
    ]
    last = run.epochs[-1]["epoch"]

    def cell(key: str, value: float | None) -> str:
        if value is None:
            return "–"
        return f"{100 * value:.2f} %" if key.endswith("error") else f"{value:.4g}"

    rows: list[Row] = [
        (str(epoch), *(cell(key, values.get(epoch)) for _, key, values in there))
        for epoch in sorted({*(e for e in EPOCHS if e < last), last})
    ]
    note = "Training errors and losses are counted while the weights move; a dash: not measured after this epoch."
    head = ("epoch", *(name for name, _, _ in there))
    return Grid("Some epochs in numbers", head, tuple(rows), frozenset(range(1, len(head))), note=note)
