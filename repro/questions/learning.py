"""Every judging seed over time: the curve that the measure is read off, and where it is read."""

from __future__ import annotations

from repro.claim.resolve import classes
from repro.draw import curves
from repro.draw.curves import Curve, Learning, Mark
from repro.draw.parts import Figure
from repro.questions.base import Claim
from repro.questions.exhibit import Exhibit
from repro.questions.levels import chance
from repro.questions.measure import SERIES
from repro.questions.observations import Arm, Observation
from repro.questions.run_measure import RunMeasure
from repro.questions.units import capital, listed
from repro.store import Run

STROKES = ("solid", "dashed", "dotted", "dash-dotted")


def learning(exhibit: Exhibit) -> Figure:
    """Return the curves of every arm and judging seed, as far as they were judged."""
    claim, measure = exhibit.judgement.claim, _measure(exhibit)
    (unit, each), level, followed = measure.per_epoch(claim), measure.level_of(claim), measure.followed()
    runs = [
        _curve(claim, measure, arm, o, exhibit.table[o.run])
        for arm in exhibit.judgement.arms.values()
        for o in arm.observations
        if o.run in exhibit.table and exhibit.table[o.run].epochs
    ]
    arms = exhibit.judgement.arms.items()
    means = {claim.label(name): value for name, arm in arms if (value := measure.mean(arm)) is not None}
    stated, printed = _printed(exhibit)
    levels = [(level.value, False)] if level else []
    levels += [(printed, True)] * bool(stated and level and printed != level.value)
    averaged = [] if level or measure.is_time else curves.means(runs)
    window = f", mean of {level.window} updates" if level and level.window else ""
    drawn = Learning(
        runs,
        followed,
        SERIES[followed] + window,
        unit,
        levels,
        averaged,
        ours=[Mark(f"{name}: {each * m:.3g}", each * m, level.value) for name, m in means.items()] if level else [],
        paper=[Mark(f"{name}, paper: {epochs:g}", epochs, printed) for name, epochs in stated.items()],
    )
    alt_text = _alt_text(exhibit, means, stated)
    drawing = curves.learning(f"{exhibit.shelf}-curves", "Learning curves of every judging seed", alt_text, drawn)
    choice = (unit.capitalize(), (("", "log"), ("linear", "linear")))
    return Figure(
        drawing,
        _caption(exhibit, runs),
        _note(exhibit, bool(averaged), bool(stated), printed),
        choice,
        f"{exhibit.file.id}.epochs.csv",
    )


def _measure(exhibit: Exhibit) -> RunMeasure:
    """Return the judged measure, which reads a value off each run, as only such runs have learning curves."""
    measure = exhibit.judgement.claim.measure
    assert isinstance(measure, RunMeasure)
    return measure


def _printed(exhibit: Exhibit) -> tuple[dict[str, float], float]:
    """Return the paper's epochs by label of the arm, and the level to which it prints them; no epochs where this scale
    judges another metric: they belong to the paper's."""
    base, measure = exhibit.file.claim.measure, exhibit.judgement.claim.measure
    level = base.printed_level()
    same = measure.printed_level() is not None and level is not None and measure.metric == base.metric
    stated = (exhibit.file.claim.paper.arms or {}).items() if same else ()
    return {exhibit.judgement.claim.label(name): epochs for name, epochs in stated}, level or 0.0


def _censored(exhibit: Exhibit) -> list[str]:
    """Return how many runs of each arm have no value, in words; empty where all have one."""
    claim = exhibit.judgement.claim
    ending = "never reached it" if claim.measure.is_time else "have no value at their end"
    return [
        f"{n} of {len(arm.observations)} runs with {claim.label(name)} {ending}"
        for name, arm in exhibit.judgement.arms.items()
        if (n := sum(o.censored for o in arm.observations))
    ]


def _alt_text(exhibit: Exhibit, means: dict[str, float], stated: dict[str, float]) -> str:
    """Return the finding of the drawing, for those who do not see it."""
    claim, measure = exhibit.judgement.claim, exhibit.judgement.claim.measure
    words = [f"{name}: {measure.written(claim, value)}" for name, value in means.items()]
    words = words or [exhibit.judgement.estimate_words] * bool(exhibit.judgement.estimate_words)
    if stated:
        words.append(f"the paper's figure shows {listed([f'{e:g} ({n})' for n, e in stated.items()])}")
    goal = measure.goal(claim)
    what = f"{measure.per_epoch(claim)[0]} to {goal}" if measure.is_time else goal
    return f"{capital(what)}: {'; '.join([*words, *_censored(exhibit)])}."


def _caption(exhibit: Exhibit, runs: list[Curve]) -> str:
    """Return what is drawn, and which stroke is which arm's. `runs`: the curves."""
    claim, arms = exhibit.judgement.claim, exhibit.judgement.arms
    strokes = [f"{style}: {claim.label(name)}" for name, style in zip(arms, STROKES, strict=False)]
    which = f" Lines: {'; '.join(strokes)}." if len(arms) > 1 else ""
    return f"Every judging seed, {_until(exhibit, runs)}.{which}"


def _until(exhibit: Exhibit, runs: list[Curve]) -> str:
    """Return where the curves end: where the runs were judged, or where what is drawn was last measured before."""
    measure = _measure(exhibit)
    drawn = max(curve.points[-1][0] for curve in runs)
    judged = max(
        min(o.limit, len(exhibit.table[o.run].epochs))
        for arm in exhibit.judgement.arms.values()
        for o in arm.observations
        if o.run in exhibit.table
    )
    if measure.is_time or drawn >= judged:
        return "up to the point where it was judged"
    return f"judged after epoch {judged:g}; the {SERIES[measure.followed()]} was last measured after epoch {drawn:g}"


def _note(exhibit: Exhibit, averaged: bool, stated: bool, printed: float) -> str:
    """Return what the marks of the drawing mean."""
    measure = _measure(exhibit)
    note = measure.note(exhibit.judgement.claim)
    if not note and averaged:
        note = f"Thick: mean of {'each arm' if len(exhibit.judgement.arms) > 1 else 'the seeds'}."
    if measure.is_time and _censored(exhibit):
        note += " Open circles: runs that ended without reaching it."
    if stated:
        note += f" Coloured diamonds: the paper's epochs to {100 * printed:g} %, read off its figure."
    if measure.followed() != measure.metric:
        note += f" The {measure.name()}, which is judged, is measured once, at the end."
    return note.strip()


def _curve(claim: Claim, measure: RunMeasure, arm: Arm, observation: Observation, run: Run) -> Curve:
    """Return a run's curve as far as the run was judged: to the level, or to the horizon."""
    points, hit = measure.curve(claim, observation, run)
    if measure.level_of(claim) is None:
        followed = measure.followed()
        start = 0.0 if followed == "gap" else chance(followed, len(classes(claim.data)))
        points = [(0.0, start), *points]
    else:
        points = [points[i] for i in _thinned(len(points))]
    return Curve(claim.label(arm.name), observation.seed, tuple(points), hit)


def _thinned(points: int) -> list[int]:
    """Return the indices of about 200 of so many points, or of all where there are fewer, both ends among them."""
    step = max(1, points // 200)
    return [*range(0, points - 1, step), points - 1]
