"""Every judging seed over time: the curve that the measure is read off, and where it is read."""

from __future__ import annotations

from repro.claim.resolve import classes
from repro.draw import curves
from repro.draw.curves import Curve, Mark
from repro.draw.parts import Figure
from repro.questions.base import Claim
from repro.questions.exhibit import Exhibit
from repro.questions.levels import chance
from repro.questions.measure import SERIES
from repro.questions.observations import Arm, Observation
from repro.questions.units import listed
from repro.store import Run

STROKES = ("solid", "dashed", "dotted", "dash-dotted")


def learning(shown: Exhibit) -> Figure:
    """The curves of every arm and judging seed, as far as they were judged."""
    claim, arms = shown.judgement.claim, shown.judgement.arms
    measure, base = claim.measure, shown.file.claim.measure
    (unit, each), level, followed = measure.per_epoch(claim), measure.level_of(claim), measure.followed()
    goal = measure.goal(claim)
    drawn = [
        _curve(claim, arm, seen, shown.table[seen.run])
        for arm in arms.values()
        for seen in arm.observations
        if seen.run in shown.table and shown.table[seen.run].epochs
    ]
    means = {claim.label(name): value for name, arm in arms.items() if (value := measure.mean(arm)) is not None}
    # the paper's epochs belong to the paper's level and metric, whatever this scale is judged at
    theirs = base.printed_level()
    same = measure.printed_level() is not None and theirs is not None and measure.metric == base.metric
    stated = {claim.label(name): e for name, e in (shown.file.claim.paper.arms or {}).items() if same}
    theirs = theirs or 0.0
    levels = [(level.value, False)] if level else []
    levels += [(theirs, True)] * bool(stated and level and theirs != level.value)
    timed = measure.is_time
    averaged = [] if level or timed else curves.means(drawn)
    words = [f"{name}: {measure.written(claim, value)}" for name, value in means.items()]
    censored = [
        f"{n} of {len(arm.observations)} runs with {claim.label(name)} "
        f"{'never reached it' if timed else 'have no value at their end'}"
        for name, arm in arms.items()
        if (n := sum(o.censored for o in arm.observations))
    ]
    if stated:
        words.append(f"the paper's figure shows {listed([f'{e:g} ({n})' for n, e in stated.items()])}")
    what = f"{unit} to {goal}" if timed else goal
    drawing = curves.learning(
        f"{shown.shelf}-curves",
        "Learning curves of every judging seed",
        f"{what[0].upper()}{what[1:]}: {'; '.join([*words, *censored])}.",
        drawn,
        metric=followed,
        named=SERIES[followed] + (f", mean of {level.window} updates" if level and level.window else ""),
        unit=unit,
        levels=levels,
        averaged=averaged,
        ours=[Mark(f"{name}: {each * m:.3g}", each * m, level.value) for name, m in means.items()] if level else [],
        paper=[Mark(f"{name}, paper: {epochs:g}", epochs, theirs) for name, epochs in stated.items()],
    )
    strokes = [f"{style}: {claim.label(name)}" for name, style in zip(arms, STROKES, strict=False)]
    note = measure.note(claim)
    if not note and averaged:
        note = f"Thick: mean of {'each arm' if len(arms) > 1 else 'the seeds'}."
    if censored and timed:
        note += " Open circles: runs that ended without reaching it."
    if stated:
        note += f" Coloured diamonds: the paper's epochs to {100 * theirs:g} %, read off its figure."
    if followed != measure.metric:
        note += f" The {measure.name()}, which is judged, is measured once, at the end."
    which = f" Lines: {'; '.join(strokes)}." if len(arms) > 1 else ""
    caption = f"Every judging seed, up to the point where it was judged.{which}"
    return Figure(drawing, caption, note.strip(), (unit.capitalize(), (("", "log"), ("linear", "linear"))))


def _curve(claim: Claim, arm: Arm, seen: Observation, run: Run) -> Curve:
    """A run as far as the judgement looked at it: to the level, or to the horizon."""
    measure = claim.measure
    points, hit = measure.curve(claim, seen, run)
    if measure.level_of(claim) is None:
        metric = "loss" if measure.followed().endswith("loss") else "error"
        points = [(0.0, chance(metric, len(classes(claim.data)))), *points]
    else:
        points = [points[i] for i in _thinned(len(points))]
    return Curve(claim.label(arm.name), seen.seed, tuple(points), hit)


def _thinned(points: int) -> list[int]:
    """Indices of some 200 of so many points at most, both ends among them."""
    step = max(1, points // 200)
    return [*range(0, points - 1, step), points - 1]
