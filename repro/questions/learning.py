"""Every judging seed over time: the curve that the measure is read off, and where it is read."""

from __future__ import annotations

from math import ceil
from statistics import fmean, median

from repro.draw import curves
from repro.draw.curves import Curve, Mark
from repro.draw.parts import Figure
from repro.questions.levels import held_out_errors
from repro.questions.observations import Observation, level_of, per_epoch
from repro.questions.tuning import Arm, geometric_mean
from repro.questions.words import NAMES, goal
from repro.report import prose
from repro.report.view import Shown
from repro.spec.claim import Claim
from repro.spec.looks import OF_FINAL, Read
from repro.spec.resolve import classes
from repro.spec.rules import chance
from repro.store import Run

STROKES = ("solid", "dashed", "dotted", "dash-dotted")
Points = list[tuple[float, float]]


def mean(claim: Claim, arm: Arm) -> float | None:
    """The arm's measure over its judging seeds: of times the geometric mean; None unless all have one."""
    values = [o.value for o in arm.observations if o.value is not None]
    if not values or len(values) < len(arm.observations):
        return None
    once = claim.measure.kind == "final" or isinstance(claim.measure, Read)
    return fmean(values) if once else geometric_mean(values)


def learning(shown: Shown) -> Figure:
    """The curves of every arm and judging seed, as far as they were judged."""
    claim, arms = shown.judgement.claim, shown.judgement.arms
    measure, base = claim.measure, shown.file.claim.measure
    each, level = per_epoch(claim)[1], level_of(claim)
    followed = _followed(claim)
    drawn = [
        _curve(claim, arm, seen, shown.table[seen.run], followed)
        for arm in arms.values()
        for seen in arm.observations
        if seen.run in shown.table and shown.table[seen.run].epochs
    ]
    means = {name: value for name, arm in arms.items() if (value := mean(claim, arm)) is not None}
    # the paper's epochs belong to the paper's level and metric, whatever this scale is judged at
    same = measure.kind == base.kind == "epochs_to" and measure.metric == base.metric
    stated = shown.file.claim.paper.arms or {} if same else {}
    theirs = base.level if base.kind == "epochs_to" else 0.0
    levels = [(level.value, False)] if level else []
    levels += [(theirs, True)] * bool(stated and level and theirs != level.value)
    timed = claim.rule.kind == "ratio"
    averaged = [] if level or timed else curves.means(drawn)
    words = [f"{name}: {prose.valued(claim, value)}" for name, value in means.items()]
    censored = [
        f"{n} of {len(arm.observations)} runs of {name} {'never got there' if timed else 'have no value at their end'}"
        for name, arm in arms.items()
        if (n := sum(o.censored for o in arm.observations))
    ]
    if stated:
        words.append(f"the paper's figure shows {prose.listed([f'{n} {e:g}' for n, e in stated.items()])}")
    what = f"{prose.unit(claim)} to {goal(claim)}" if timed else goal(claim)
    drawing = curves.learning(
        f"{shown.shelf}-curves",
        "Learning curves of every judging seed",
        f"{what[0].upper()}{what[1:]}: {'; '.join([*words, *censored])}.",
        drawn,
        metric=followed,
        named=NAMES[followed] + (f", mean of {level.window} updates" if level and level.window else ""),
        unit=prose.unit(claim),
        levels=levels,
        averaged=averaged,
        ours=[Mark(f"{name} {each * m:.3g}", each * m, level.value) for name, m in means.items()] if level else [],
        paper=[Mark(f"paper: {name} {epochs:g}", epochs, theirs) for name, epochs in stated.items()],
    )
    strokes = [f"{name} {style}" for name, style in zip(arms, STROKES, strict=False)]
    note = ""
    if level:
        note = f"Dotted line and dots: {goal(claim)}, reached; below them each arm's geometric mean."
    elif timed:
        note = f"Dots: {goal(claim)}."
    elif averaged:
        note = f"Thick: {'each arm’s' if len(arms) > 1 else 'their'} mean."
    if censored and timed:
        note += " Open circles: ended without reaching it."
    if stated:
        note += f" Coloured diamonds: the paper's epochs to {100 * theirs:g} %, read off its figure."
    if followed != measure.metric:
        note += f" The {NAMES[measure.metric]}, which is judged, is looked at once, at the end."
    which = f": {', '.join(strokes)}" if len(arms) > 1 else ""
    caption = f"Every judging seed, as far as it was judged{which}."
    unit = prose.unit(claim).capitalize()
    return Figure(drawing, caption, note.strip(), (unit, (("", "log"), ("linear", "linear"))))


def _followed(claim: Claim) -> str:
    """The metric that a curve follows: the measure's own, where runs record it over time."""
    metric = claim.measure.metric
    if metric == "views_top5":
        return "test_top5"
    once = isinstance(claim.measure, Read) or metric in OF_FINAL or metric in ("gap", "fixed_error")
    return "test_error" if once else metric


def _curve(claim: Claim, arm: Arm, seen: Observation, run: Run, metric: str) -> Curve:
    """A run as far as the judgement looked at it: to the level, or to the horizon."""
    measure, each = claim.measure, per_epoch(claim)[1]
    start = chance("loss" if metric.endswith("loss") else "error", len(classes(claim.data)))
    if measure.kind == "converged":
        errors = held_out_errors(run.epochs[: ceil(seen.limit)])
        halves = [((i + 2) / 2, median(errors[i : i + 3])) for i in range(len(errors) - 2)]
        hit = next((point for point in halves if point[0] == seen.value), None)
        return Curve(arm.name, seen.seed, ((0.0, start), *halves), hit)
    if (level := level_of(claim)) is not None:
        points = [(each * time, value) for time, value in level.points(run.epochs[: ceil(seen.horizon)])]
        if seen.value is not None:
            points = [*(point for point in points if point[0] < each * seen.value), (each * seen.value, level.value)]
        kept = [points[i] for i in _thinned(len(points))]
        return Curve(arm.name, seen.seed, tuple(kept), points[-1] if seen.value is not None else None)
    series = [(float(epoch), value) for epoch, value in run.series(metric) if epoch <= seen.horizon]
    return Curve(arm.name, seen.seed, ((0.0, start), *series), None)


def _thinned(points: int) -> list[int]:
    """Indices of some 200 of so many points at most, both ends among them."""
    step = max(1, points // 200)
    return [*range(0, points - 1, step), points - 1]
