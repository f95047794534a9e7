"""The evidence behind an effect between arms: its interval, learning curves, tuning and judged runs."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from statistics import fmean

from repro.claim.resolve import epochs_of
from repro.draw import charts, curves
from repro.draw.curves import Tuned
from repro.draw.parts import Figure, Grid, Row, Section
from repro.questions import others
from repro.questions.base import Claim
from repro.questions.evaluation_sections import section as evaluations
from repro.questions.exhibit import Exhibit, axis, interval_words, row
from repro.questions.judge import Judgement
from repro.questions.learning import learning
from repro.questions.observations import Observation, Rate
from repro.questions.tuning import NEAR, SLOWER
from repro.questions.units import RATIO, listed, times


def effect(id: str, shown: list[Exhibit], whose: str = "") -> Figure | None:
    """The effect on these shelves; None where there is none. `whose`: of which runs, where that is not clear."""
    rows = [row(s.judgement, s.shelf if len(shown) > 1 else "") for s in shown if s.judgement.effect is not None]
    drawn = [r for r in rows if r is not None]
    if not drawn:
        return None
    found = [s.judgement.effect for s in shown if s.judgement.effect is not None]
    kinds = {
        f"{100 * e.confidence:.3g} % {'bound, open where the arrow points' if e.estimate is None else 'interval'}": None
        for e in found
    }
    marks = others.marks(shown[0].file.claim) if shown[0].speaks else []
    words = " ".join([*(interval_words(s) for s in shown), others.words(marks)]).strip()
    on = axis(shown[0])
    drawing = charts.interval(id, "The effect and its interval", words, on, drawn, marks)
    bar = f"Bar: {' or '.join(kinds)}; diamond: estimate"
    claim = shown[0].judgement.claim
    rule = claim.rule
    against = "what counts as reproduced" if rule.number is None else "the paper's number"
    dots = f"dots: one for each judging seed{rule.dots}"
    note = f"The {rule.effect_name(claim)}{whose} and {against}. {bar}; {dots}; "
    note += "shaded: what counts as reproduced at paper scale."
    return Figure(drawing, "", note + others.marked(on, drawn, marks))


def at_smoke_scale(shown: Exhibit) -> list[Section]:
    """The effect where it says nothing of the sentence, which no verdict's head then draws; none where it speaks."""
    drawn = None if shown.speaks else effect(f"{shown.shelf}-effect", [shown])
    if drawn is None:
        return []
    text = "Smoke scale only tests the machinery: this effect says nothing about the sentence."
    return [Section(f"{shown.shelf}-effect", "The effect", (text,), (drawn,))]


def sections(shown: Exhibit) -> list[Section]:
    """Curves, tuning and judged runs of one shelf."""
    figure, arms = shown.file.claim.paper.figure, shown.judgement.arms.values()
    # of a net looked at, the figure is not of its learning: see `repro.questions.evaluations`
    redone = figure and shown.speaks and not shown.judgement.claim.measure.is_look
    title = f"Figure {figure} of the paper, measured again" if redone else "Learning curves"
    out: list[Section | None] = [*at_smoke_scale(shown)]
    together = shown.judgement.together
    of_all = (
        (
            f"These are the runs of {shown.judgement.name}, the weakest of {len(together)} comparisons; the CSV file "
            "has those of the others.",
        )
        if together
        else ()
    )
    if any(o.run in shown.table and shown.table[o.run].epochs for arm in arms for o in arm.observations):
        out.append(Section(f"{shown.shelf}-curves", title, of_all, (learning(shown),)))
    if any(arm.tuning and arm.tuning.rates for arm in arms):
        tune = shown.judgement.claim.tune
        out.append(_learned(shown) if tune and tune.choose == "learns" else _tuning(shown))
    if any(arm.observations for arm in arms):
        failed = [
            f"{what} {run} failed twice: {why}."
            for arm in arms
            for o in arm.observations
            for what, run in (("Run", o.run), ("Evaluation", o.evaluation))
            if run in shown.table and (why := shown.table[str(run)].failed)
        ]
        out.append(evaluations(shown))
        rule = shown.judgement.claim.rule
        out += rule.sections(shown)
        if not rule.lists_runs or failed:
            grids = () if rule.lists_runs else (_judged(shown.judgement),)
            out.append(Section(f"{shown.shelf}-runs", "Judging runs", tuple(failed), grids))
    out += [_positive(shown), _saturated(shown), _norms(shown)]
    return [section for section in out if section is not None]


def _tuning(shown: Exhibit) -> Section:
    judgement, claim = shown.judgement, shown.judgement.claim
    (unit, each) = claim.measure.per_epoch(claim)
    aim = f"{unit} to {claim.measure.goal(claim)}"
    tunings = {claim.label(name): arm.tuning for name, arm in judgement.arms.items() if arm.tuning is not None}
    found = [
        f"{tuning.chosen:g} ({name})" if tuning.chosen is not None else f"none could be chosen ({name})"
        for name, tuning in tunings.items()
    ]
    fastest = f"Fastest rates: {listed(found)}."
    drawing = curves.tuning(
        f"{shown.shelf}-tuning",
        "Time to the level against the rate",
        fastest,
        [
            Tuned(
                name,
                tuple((rate.rate, each * rate.mean) for rate in tuning.rates if rate.mean is not None),
                tuple(
                    (rate.rate, o.seed, each * (o.value if o.value is not None else max(o.horizon, 1.0)), o.status)
                    for rate in tuning.rates
                    for o in rate.observations
                    if o.status not in ("missing", "failed")
                ),
                tuning.chosen,
            )
            for name, tuning in tunings.items()
        ],
        aim,
        unit,
    )
    near = f"{100 * NEAR - 100:.0f} % of the best"
    text = [
        f"{fastest} “Near” rates are within {near}, “slower” ones are not. “Stopped” rates were ended before every "
        f"tuning seed was run, because they were more than {SLOWER:g} times slower. “>” stands before the number of "
        f"{unit} after which the level was still not reached."
    ]
    if judgement.rate_range is not None:
        of, over = (claim.label(name) for name in claim.rule.compared(claim))
        low, high = judgement.rate_range
        spread = f"is {times(low)}" if low == high else f"runs from {RATIO.interval(low, high)}"
        text.append(f"Over all rates within {near}, the ratio {of} / {over} on the tuning seeds {spread}.")
    note = (
        "Line: geometric mean; dot: a tuning seed; diamond: the chosen rate; triangle: level not reached; cross: "
        "diverged."
    )
    figure = Figure(drawing, "The learning rate of each arm, tuned independently.", note)
    grids = tuple(_rates(claim, f"{name}: {aim}, by rate", tuning.rates) for name, tuning in tunings.items())
    return Section(f"{shown.shelf}-tuning", "Learning rates", tuple(text), (figure, *grids))


def _learned(shown: Exhibit) -> Section:
    """Whether each arm learned at each rate that was tried."""
    label = shown.judgement.claim.label
    arms = {label(name): arm.tuning.rates for name, arm in shown.judgement.arms.items() if arm.tuning is not None}
    rows = []
    for rate in next(iter(arms.values())):
        same = {name: next(r for r in rates if r.rate == rate.rate) for name, rates in arms.items()}
        cells = []
        for found in same.values():
            took = [f"{o.seed}: {f'{o.value:.3g}' if o.value is not None else o.status}" for o in found.observations]
            cells.append("; ".join(took))
        rows.append((f"{rate.rate:g}", *cells, rate.state))
    caption = "Epochs until the mean training loss fell below 0.9 ln C, by learning rate, arm and tuning seed"
    return Section(
        f"{shown.shelf}-tuning", "Learning rate", (), (Grid(caption, ("rate", *arms, "state"), tuple(rows)),)
    )


def _rates(claim: Claim, caption: str, rates: tuple[Rate, ...]) -> Grid:
    seeds = sorted({o.seed for rate in rates for o in rate.observations})
    rows = []
    for rate in rates:
        seen = {o.seed: claim.measure.observed(claim, o) for o in rate.observations}
        middle = claim.measure.written(claim, rate.mean) if rate.mean is not None else "–"
        rows.append((f"{rate.rate:g}", *(seen.get(seed, "–") for seed in seeds), middle, rate.state))
    head = ("rate", *(f"seed {seed}" for seed in seeds), "geometric mean", "state")
    chosen = frozenset(i for i, rate in enumerate(rates) if rate.state == "chosen")
    return Grid(caption, head, tuple(rows), numbers=frozenset(range(1, len(seeds) + 2)), strong=chosen)


def _positive(shown: Exhibit) -> Section | None:
    """How many of each layer's outputs were positive before the first update, where the runs recorded it; None where
    the arms do not differ in it by more than a point."""
    found: dict[str, dict[str, float]] = {}
    for name, arm in shown.judgement.arms.items():
        first = [shown.table[o.run].epochs[:1] for o in arm.observations if o.run in shown.table]
        runs = [rows[0]["positive"] for rows in first if rows and "positive" in rows[0]]
        if runs:
            found[shown.judgement.claim.label(name)] = {layer: fmean(run[layer] for run in runs) for layer in runs[0]}
    layers = [layer for layer in next(iter(found.values()), {}) if all(layer in shares for shares in found.values())]
    spread = [max(s[layer] for s in found.values()) - min(s[layer] for s in found.values()) for layer in layers]
    if len(found) < 2 or max(spread, default=0.0) <= 0.01:
        return None
    rows = tuple((layer, *(f"{100 * shares[layer]:.1f} %" for shares in found.values())) for layer in layers)
    caption = "Share of outputs above 0 before the non-linearity, before the first update (mean of the judging seeds)"
    grid = Grid(caption, ("layer", *found), rows, numbers=frozenset(range(1, len(found) + 1)))
    return Section(f"{shown.shelf}-positive", "Before the first update", parts=(grid,))


def _saturated(shown: Exhibit) -> Section | None:
    """How many outputs and units of each hidden layer pass no gradient, after the last epoch at which the judged runs
    of every arm that has any recorded it; None where there is no such epoch."""
    seen = {
        shown.judgement.claim.label(name): [
            {row["epoch"]: row["saturated"] for row in shown.table[o.run].epochs if "saturated" in row}
            for o in arm.observations
            if o.run in shown.table
        ]
        for name, arm in shown.judgement.arms.items()
    }
    seen = {name: runs for name, runs in seen.items() if runs}
    common = set.intersection(*(set(rows) for runs in seen.values() for rows in runs)) if seen else set()
    if not common:
        return None
    epoch = max(common)
    shares = {name: [rows[epoch] for rows in runs] for name, runs in seen.items()}
    every = [run for runs in shares.values() for run in runs]
    layers = [layer for layer in every[0] if all(layer in run for run in every)]  # those that all arms have
    rows = []
    for layer in layers:
        means = [[fmean(run[layer][what] for run in runs) for what in ("outputs", "units")] for runs in shares.values()]
        rows.append((layer, *(f"{100 * outputs:.1f} % · {100 * units:.1f} %" for outputs, units in means)))
    looked = "1,000 test images" if shown.judgement.claim.data.crop is None else "100 training photos"
    caption = (
        f"Share of outputs that pass almost no gradient · of units that pass none for any of {looked}, after epoch "
        f"{epoch} (mean of the judging seeds)"
    )
    grid = Grid(caption, ("layer", *shares), tuple(rows), numbers=frozenset(range(1, len(shares) + 1)))
    text = (
        "A ReLU passes no gradient where its output is 0, which is normal for about half of its outputs; a tanh unit "
        "passes almost none where its output is beyond ±0.99."
    )
    return Section(f"{shown.shelf}-saturated", "Saturation", (text,), (grid,))


def _norms(shown: Exhibit) -> Section | None:
    """The norm of each layer's weights at the end of the judged runs, where the arms differ in weight decay and the
    runs recorded it."""
    claim = shown.judgement.claim
    if not any(key.startswith("train.weight_decay") for key in claim.varies):
        return None
    found: dict[str, dict[str, float]] = {}
    for name, arm in shown.judgement.arms.items():
        there = [shown.table[o.run].epochs[: ceil(o.limit)] for o in arm.observations if o.run in shown.table]
        runs = [rows[-1]["norms"] for rows in there if rows and "norms" in rows[-1]]
        if runs:
            found[claim.label(name)] = {layer: fmean(run[layer] for run in runs) for layer in runs[0]}
    if not found:
        return None
    layers = next(iter(found.values()))
    rows = tuple((layer, *(f"{sizes[layer]:.4g}" for sizes in found.values())) for layer in layers)
    caption = "Euclidean norm of each layer's weights at the end of training (mean of the judging seeds)"
    grid = Grid(caption, ("layer", *found), rows, numbers=frozenset(range(1, len(found) + 1)))
    return Section(f"{shown.shelf}-norms", "Norms of the weights", parts=(grid,))


def _judged(judgement: Judgement) -> Grid:
    claim, found = judgement.claim, judgement.effect
    names, rule, measure = list(judgement.arms), claim.rule, claim.measure
    of = rule.compared(claim)
    timed, two = measure.is_time, len(of) == 2
    per_seed = found.per_seed if found else {}
    by_seed = [{o.seed: o for o in judgement.arms[name].observations} for name in names]
    codes: list[Callable[[Observation], str]] = [lambda o: o.run]
    if any(o.evaluation for runs in by_seed for o in runs.values()):
        codes.append(lambda o: o.evaluation or "–")
    rows: list[Row] = []
    for seed in claim.seeds:
        seen = [runs.get(seed) for runs in by_seed]
        between_ = [rule.seed_words(per_seed[seed]) if seed in per_seed else "open"] * two
        values = [claim.measure.observed(claim, o) if o else "–" for o in seen]
        rows.append((str(seed), *values, *between_, *(code(o) if o else "–" for code in codes for o in seen)))
    strong: frozenset[int] = frozenset()
    if found is not None and found.estimate is not None and rule.has_mean:
        means = [claim.measure.mean(judgement.arms[name]) for name in names]
        values = [claim.measure.written(claim, value) if value is not None else "–" for value in means]
        strong = frozenset({len(rows)})
        blank = [""] * len(names) * len(codes)
        rows.append(("geometric mean" if timed else "mean", *values, *[rule.seed_words(found.estimate)] * two, *blank))
        for label, value in rule.totals(means[0], found):
            rows.append((label, measure.written(claim, value), *blank))
            strong |= {len(rows) - 1}
    whats = ("run", "evaluation")[: len(codes)]
    first = len(names) + 1 + two
    aim = measure.goal(claim)
    labels = [claim.label(name) for name in names]
    compares = ("ratio" if timed else "difference, points") if two else ""
    if len(names) > 2 and two:
        compares += f": {(' / ' if timed else ' − ').join(claim.label(name) for name in of)}"
    epochs = {epochs_of(claim, name) for name in names}
    after = f"after {claim.train.epochs} epochs" if epochs == {claim.train.epochs} else "at the end"
    after = "at the end" if claim.train.plateau else after
    what = f"{measure.per_epoch(claim)[0]} to {aim}" if timed else f"{aim} {after}"
    what += measure.ending
    return Grid(
        f"{what[0].upper()}{what[1:]}, by judging seed",
        (
            "seed",
            *labels,
            *[compares] * two,
            *(what + f", {label}" * (len(labels) > 1) for what in whats for label in labels),
        ),
        tuple(rows),
        numbers=frozenset(range(1, first)),
        codes=frozenset(range(first, first + len(names) * len(codes))),
        strong=strong,
    )
