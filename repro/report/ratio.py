"""The evidence behind a ratio: its interval, learning curves, tuning and judged runs."""

from __future__ import annotations

from repro.analysis.judge import Judgement
from repro.analysis.measures import Observation
from repro.analysis.tuning import NEAR, Arm, Rate, geometric_mean
from repro.analysis.words import between, times
from repro.data.known import KNOWN
from repro.report import charts, curves, prose
from repro.report.curves import Curve, Mark, Tuned
from repro.report.parts import Figure, Grid, Row, Section
from repro.report.view import Shown, axis, interval_words, row
from repro.spec.claim import chance
from repro.store import Run


def effect(id: str, shown: list[Shown], whose: str = "") -> Figure | None:
    """The ratio on each of these shelves; None where there is none. `whose`: of which runs, where that is not clear."""
    rows = [row(s.judgement, s.shelf if len(shown) > 1 else "") for s in shown if s.judgement.effect is not None]
    drawn = [r for r in rows if r is not None]
    if not drawn:
        return None
    found = [s.judgement.effect for s in shown if s.judgement.effect is not None]
    kinds = {
        f"{100 * e.confidence:.3g} % {'bound, open where the arrow points' if e.estimate is None else 'interval'}": None
        for e in found
    }
    words = " ".join(interval_words(s) for s in shown)
    drawing = charts.interval(id, "The effect and its interval", words, axis(shown[0]), drawn)
    bar = f"Bar: {' or '.join(kinds)}; diamond: estimate"
    note = f"The ratio of epochs{whose} against the paper's number. {bar}; dots: one for each judging seed; shaded: "
    return Figure(drawing, "", note + "what counts as reproduced at paper scale.")


def sections(shown: Shown) -> list[Section]:
    """Curves, tuning and judged runs of one shelf."""
    figure, arms = shown.file.claim.paper.figure, shown.judgement.arms.values()
    title = f"Figure {figure} of the paper, redone" if figure and shown.speaks else "Learning curves"
    out = []
    if not shown.speaks and (drawn := effect(f"{shown.shelf}-effect", [shown])) is not None:
        text = "Whatever it is: smoke scale cannot speak of the sentence."
        out.append(Section(f"{shown.shelf}-effect", "The effect", (text,), (drawn,)))
    if any(o.run in shown.table and shown.table[o.run].epochs for arm in arms for o in arm.observations):
        out.append(Section(f"{shown.shelf}-curves", title, parts=(_learning(shown),)))
    if any(arm.tuning for arm in arms):
        out.append(_tuning(shown))
    if any(arm.observations for arm in arms):
        failed = [
            f"Run {o.run} failed twice: {why}."
            for arm in arms
            for o in arm.observations
            if o.run in shown.table and (why := shown.table[o.run].failed)
        ]
        out.append(Section(f"{shown.shelf}-runs", "Judged runs", tuple(failed), (_judged(shown.judgement),)))
    return out


def _curve(arm: Arm, seen: Observation, run: Run, metric: str, level: float) -> Curve:
    """A run as far as the judgement looked at it: to the level, or to the horizon."""
    points: list[tuple[float, float]] = []
    for epoch, value in enumerate(run.series(metric)[: seen.horizon], start=1):
        if seen.value is not None and epoch >= seen.value:
            points.append((seen.value, level))
            break
        points.append((float(epoch), value))
    return Curve(arm.name, seen.seed, tuple(points), seen.value)


def _mean(arm: Arm) -> float | None:
    values = [o.value for o in arm.observations if o.value is not None]
    return geometric_mean(values) if values and len(values) == len(arm.observations) else None


def _learning(shown: Shown) -> Figure:
    claim, arms = shown.judgement.claim, shown.judgement.arms
    measure, base = claim.measure, shown.file.claim.measure
    assert measure.kind == "epochs_to"
    assert base.kind == "epochs_to"
    drawn = [
        _curve(arm, seen, shown.table[seen.run], measure.metric, measure.level)
        for arm in arms.values()
        for seen in arm.observations
        if seen.run in shown.table
    ]
    means = {name: mean for name, arm in arms.items() if (mean := _mean(arm)) is not None}
    # the paper's epochs belong to the paper's level and metric, whatever this scale is judged at
    stated = shown.file.claim.paper.arms or {} if measure.metric == base.metric else {}
    levels = [(measure.level, False)] + [(base.level, True)] * bool(stated and base.level != measure.level)
    words = [f"{name} reached it after {mean:.3g} epochs" for name, mean in means.items()]
    censored = [
        f"{n} of {len(arm.observations)} runs of {name} never did"
        for name, arm in arms.items()
        if (n := sum(o.censored for o in arm.observations))
    ]
    if stated:
        words.append(f"the paper's figure shows {prose.listed([f'{n} {e:g}' for n, e in stated.items()])}")
    drawing = curves.learning(
        f"{shown.shelf}-curves",
        "Learning curves of every judging seed",
        f"The level is {prose.level(claim)}: {'; '.join([*words, *censored])}.",
        drawn,
        metric=measure.metric,
        named=prose.METRICS[measure.metric],
        levels=levels,
        start=chance(measure.metric, len(KNOWN[claim.data.kind].classes)),
        ours=[Mark(f"{name} {mean:.3g}", mean, measure.level) for name, mean in means.items()],
        paper=[Mark(f"paper: {name} {epochs:g}", epochs, base.level) for name, epochs in stated.items()],
    )
    strokes = [f"{name} {style}" for name, style in zip(arms, ("solid", "dashed", "dotted"), strict=False)]
    note = f"Dotted line and dots: {prose.level(claim)}, reached; below them each arm's geometric mean in epochs."
    if censored:
        note += " Open circles: ended without reaching it."
    if stated:
        note += f" Coloured diamonds: the paper's epochs to {100 * base.level:g} %, read off its figure."
    caption = f"Every judging seed, as far as it was judged: {', '.join(strokes)}."
    return Figure(drawing, caption, note, ("Epochs", (("", "log"), ("linear", "linear"))))


def _tuning(shown: Shown) -> Section:
    judgement, goal = shown.judgement, f"epochs to {prose.level(shown.judgement.claim)}"
    tunings = {name: arm.tuning for name, arm in judgement.arms.items() if arm.tuning is not None}
    found = [
        f"{name} {tuning.chosen:g}" if tuning.chosen is not None else f"{name} none that could be chosen"
        for name, tuning in tunings.items()
    ]
    fastest = f"Fastest rates: {prose.listed(found)}."
    drawing = curves.tuning(
        f"{shown.shelf}-tuning",
        "Epochs to the level against the rate",
        fastest,
        [
            Tuned(
                name,
                tuple((rate.rate, rate.mean) for rate in tuning.rates if rate.mean is not None),
                tuple(
                    (rate.rate, o.seed, o.value if o.value is not None else float(max(o.horizon, 1)), o.status)
                    for rate in tuning.rates
                    for o in rate.observations
                    if o.status not in ("missing", "failed")
                ),
                tuning.chosen,
            )
            for name, tuning in tunings.items()
        ],
        goal,
    )
    near = f"{100 * NEAR - 100:.0f} % of the best"
    text = [
        f"{fastest} “Near” is within {near}; “slower” and “stopped” rates were given up on the way; “> 24” means not "
        "reached after 24 epochs."
    ]
    if judgement.rate_range is not None and judgement.claim.rule.kind == "ratio":
        of, over = judgement.claim.rule.of
        low, high = judgement.rate_range
        spread = f"is {times(low)}" if low == high else f"runs from {between(low, high)}"
        text.append(f"Over all rates within {near}, the ratio {of} / {over} {spread} on the tuning seeds.")
    note = "Line: geometric mean; dot: a tuning seed; diamond: the chosen rate; triangle: not there; cross: diverged."
    figure = Figure(drawing, "Each arm's rate, tuned on its own.", note)
    grids = tuple(_rates(f"{name}: {goal}, by rate", tuning.rates) for name, tuning in tunings.items())
    return Section(f"{shown.shelf}-tuning", "Learning rates", tuple(text), (figure, *grids))


def _rates(caption: str, rates: tuple[Rate, ...]) -> Grid:
    seeds = sorted({o.seed for rate in rates for o in rate.observations})
    rows = []
    for rate in rates:
        seen = {o.seed: prose.observed(o) for o in rate.observations}
        mean = f"{rate.mean:.2f}" if rate.mean is not None else "–"
        rows.append((f"{rate.rate:g}", *(seen.get(seed, "–") for seed in seeds), mean, rate.state))
    head = ("rate", *(f"seed {seed}" for seed in seeds), "geometric mean", "state")
    chosen = frozenset(i for i, rate in enumerate(rates) if rate.state == "chosen")
    return Grid(caption, head, tuple(rows), numbers=frozenset(range(1, len(seeds) + 2)), strong=chosen)


def _judged(judgement: Judgement) -> Grid:
    names, rule, found = list(judgement.arms), judgement.claim.rule, judgement.effect
    assert rule.kind == "ratio"
    per_seed = found.per_seed if found else {}
    by_seed = [{o.seed: o for o in judgement.arms[name].observations} for name in names]
    rows: list[Row] = []
    for seed in judgement.claim.seeds:
        seen = [runs.get(seed) for runs in by_seed]
        ratio = times(per_seed[seed]) if seed in per_seed else "open"
        rows.append(
            (str(seed), *(prose.observed(o) if o else "–" for o in seen), ratio, *(o.run if o else "–" for o in seen))
        )
    strong: frozenset[int] = frozenset()
    if found is not None and found.estimate is not None:
        means = [_mean(judgement.arms[name]) for name in names]
        values = [f"{mean:.2f}" if mean is not None else "–" for mean in means]
        strong = frozenset({len(rows)})
        rows.append(("geometric mean", *values, times(found.estimate), *("" for _ in names)))
    first = len(names) + 2
    return Grid(
        f"Epochs to {prose.level(judgement.claim)}, by judging seed",
        ("seed", *names, " / ".join(rule.of), *(f"run of {name}" for name in names)),
        tuple(rows),
        numbers=frozenset(range(1, first)),
        codes=frozenset(range(first, first + len(names))),
        strong=strong,
    )
