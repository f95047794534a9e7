"""The evidence behind an effect between arms: its interval, learning curves, tuning and judged runs."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from statistics import fmean

from repro.draw import charts, rates
from repro.draw.parts import Figure, Grid, Section
from repro.questions import others
from repro.questions.base import Claim
from repro.questions.effect_rule import EffectRule
from repro.questions.evaluation_sections import section as evaluations
from repro.questions.exhibit import Exhibit, axis, interval_words
from repro.questions.exhibit import row as drawn_row
from repro.questions.frames import measured_runs
from repro.questions.judged_runs import judged_runs
from repro.questions.learning import learning
from repro.questions.measure import MeasuredRun
from repro.questions.observations import Tuning
from repro.questions.tuning import NEAR, SLOWER
from repro.questions.units import RATIO, capital, listed, times


def effect(id: str, exhibit: Exhibit) -> Figure | None:
    """Return the effect with its interval as a figure; None where there is none."""
    judgement = exhibit.judgement
    drawn = drawn_row(judgement)
    if judgement.effect is None or drawn is None:
        return None
    claim = judgement.claim
    rule = claim.rule
    assert isinstance(rule, EffectRule)
    kind = "bound, open where the arrow points" if judgement.effect.estimate is None else "interval"
    marks = others.marks(exhibit.file.claim) if exhibit.speaks else []
    words = " ".join([interval_words(exhibit), others.words(marks)]).strip()
    on = axis(exhibit)
    drawing = charts.interval(id, "The effect and its interval", words, on, [drawn], marks)
    bar = f"Bar: {100 * judgement.effect.confidence:.3g} % {kind}; diamond: estimate"
    against = "what counts as reproduced" if rule.number is None else "the paper's number"
    dots = f"dots: one for each {claim.measure.of_each}{rule.dots}"
    note = (
        f"The {rule.effect_name(claim)} and {against}. {bar}; {dots}; shaded: what counts as reproduced at paper scale."
    )
    return Figure(drawing, "", note + others.marked(on, [drawn], marks))


def at_smoke_scale(exhibit: Exhibit) -> list[Section]:
    """Return the effect at smoke scale, where the page's head does not draw it; nothing at other scales."""
    drawn = None if exhibit.speaks else effect(f"{exhibit.shelf}-effect", exhibit)
    if drawn is None:
        return []
    text = "Smoke scale only tests the machinery: this effect says nothing about the sentence."
    return [Section(f"{exhibit.shelf}-effect", "The effect", (text,), (drawn,))]


def sections(exhibit: Exhibit) -> list[Section]:
    """Return the sections of one shelf: curves, tuning, judged runs, and what was recorded of layers."""
    out: list[Section | None] = [*at_smoke_scale(exhibit), _curves(exhibit)]
    if any(arm.tuning and arm.tuning.rates for arm in exhibit.judgement.arms.values()):
        tune = exhibit.judgement.claim.tune
        out.append(_learned(exhibit) if tune and tune.choose == "learns" else _tuning(exhibit))
    if any(arm.observations for arm in exhibit.judgement.arms.values()):
        out += [evaluations(exhibit), *_runs(exhibit)]
    out += [_positive(exhibit), _saturated(exhibit), _norms(exhibit)]
    return [section for section in out if section is not None]


def _curves(exhibit: Exhibit) -> Section | None:
    """Return the learning curves, which redo the paper's figure where it is one of them; None where no run has any."""
    observations = [o for arm in exhibit.judgement.arms.values() for o in arm.observations]
    if not any(o.run in exhibit.table and exhibit.table[o.run].epochs for o in observations):
        return None
    figure, comparisons = exhibit.file.claim.paper.figure, exhibit.judgement.comparisons
    # of a net looked at, the figure is not of its learning: see `repro.questions.evaluations`
    redone = figure and exhibit.speaks and not exhibit.judgement.claim.measure.is_evaluation
    title = f"Figure {figure} of the paper, measured again" if redone else "Learning curves"
    label = exhibit.judgement.label
    weakest = (
        f"These are the runs with {label}, the weakest of {len(comparisons)} comparisons; the CSV file has those of "
        "the others."
    )
    return Section(f"{exhibit.shelf}-curves", title, (weakest,) * bool(comparisons), (learning(exhibit),))


def _runs(exhibit: Exhibit) -> list[Section]:
    """Return the rule's own sections, and the judged runs where they do not list them, with the reason of each that
    failed."""
    rule = exhibit.judgement.claim.rule
    assert isinstance(rule, EffectRule), "a printed curve has no observations"
    failed = [
        f"{what} {run} failed twice: {why}."
        for arm in exhibit.judgement.arms.values()
        for o in arm.observations
        for what, run in (("Run", o.run), ("Evaluation", o.evaluation))
        if run in exhibit.table and (why := exhibit.table[str(run)].failed)
    ]
    grids = () if rule.lists_runs else (judged_runs(exhibit),)
    runs = Section(f"{exhibit.shelf}-runs", "Judging runs", tuple(failed), grids)
    return [*rule.sections(exhibit), *[runs] * bool(grids or failed)]


def _tuning(exhibit: Exhibit) -> Section:
    """Return each arm's rates with the time to the level at each."""
    judgement, claim = exhibit.judgement, exhibit.judgement.claim
    (unit, each) = claim.measure.per_epoch(claim)
    aim = f"{unit} to {claim.measure.goal(claim)}"
    tunings = {claim.label(name): arm.tuning for name, arm in judgement.arms.items() if arm.tuning is not None}
    fastest_rates = [
        f"{tuning.chosen:g} ({name})" if tuning.chosen is not None else f"none could be chosen ({name})"
        for name, tuning in tunings.items()
    ]
    fastest = f"Fastest rates: {listed(fastest_rates)}."
    tuned = [_tuned(name, tuning, each) for name, tuning in tunings.items()]
    drawing = rates.tuning(
        f"{exhibit.shelf}-tuning", "Time to the level against the rate", fastest, rates.Rates(tuned, aim, unit)
    )
    near = f"{100 * NEAR - 100:.0f} % of the best"
    text = [
        f"{fastest} “Near” rates are within {near}, “slower” ones are not. “Stopped” rates were ended before every "
        f"tuning seed was run, because they were more than {SLOWER:g} times slower. “>” stands before the number of "
        f"{unit} after which the level was still not reached."
    ]
    if judgement.rate_range is not None:
        first, second = (claim.label(name) for name in claim.rule.compared(claim))
        low, high = judgement.rate_range
        spread = f"is {times(low)}" if low == high else f"runs from {RATIO.interval(low, high)}"
        text.append(f"Over all rates within {near}, the ratio {first} / {second} on the tuning seeds {spread}.")
    note = (
        "Line: geometric mean; dot: a tuning seed; diamond: the chosen rate; triangle: level not reached; cross: "
        "diverged."
    )
    figure = Figure(drawing, "The learning rate of each arm, tuned independently.", note)
    measured = [row for row in measured_runs(exhibit) if row.use == "tuning"]
    grid = _rates(claim, f"{capital(aim)}, by arm, rate and tuning seed", tunings, measured)
    return Section(f"{exhibit.shelf}-tuning", "Learning rates", tuple(text), (figure, grid))


def _tuned(name: str, tuning: Tuning, each: float) -> rates.Tuned:
    """Return an arm's tuning as it is drawn, with `each` units of time in an epoch."""
    return rates.Tuned(
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


def _learned(exhibit: Exhibit) -> Section:
    """Return whether each arm learned at each rate that was tried."""
    label = exhibit.judgement.claim.label
    arms = {label(name): arm.tuning.rates for name, arm in exhibit.judgement.arms.items() if arm.tuning is not None}
    measured = [row for row in measured_runs(exhibit) if row.use == "tuning"]
    rows = []
    for rate in next(iter(arms.values())):
        cells = []
        for name in arms:
            same = [row for row in measured if (row.label, row.rate) == (name, rate.rate)]
            took = [f"{row.seed}: {f'{row.value:.3g}' if row.value is not None else row.status}" for row in same]
            cells.append("; ".join(took))
        rows.append((f"{rate.rate:g}", *cells, rate.state))
    caption = "Epochs until the mean training loss fell below 0.9 ln C, by learning rate, arm and tuning seed"
    return Section(
        f"{exhibit.shelf}-tuning", "Learning rate", (), (Grid(caption, ("rate", *arms, "state"), tuple(rows)),)
    )


def _rates(claim: Claim, caption: str, tunings: Mapping[str, Tuning], measured: list[MeasuredRun]) -> Grid:
    """Return a table of every arm's rates: each tuning seed's time, their mean, and what became of the rate.

    `measured`: the tuning runs.
    """
    tried = [(name, rate) for name, tuning in tunings.items() for rate in tuning.rates]
    seeds = sorted({row.seed for row in measured})
    cells = {(row.label, row.rate, row.seed): claim.measure.cell(claim, row) for row in measured}
    rows = []
    for name, rate in tried:
        times_by_seed = {seed: cells[name, rate.rate, seed] for seed in seeds if (name, rate.rate, seed) in cells}
        middle = claim.measure.written(claim, rate.mean) if rate.mean is not None else "–"
        rows.append((name, f"{rate.rate:g}", *(times_by_seed.get(seed, "–") for seed in seeds), middle, rate.state))
    head = ("arm", "rate", *(f"seed {seed}" for seed in seeds), "geometric mean", "state")
    chosen = frozenset(i for i, (_, rate) in enumerate(tried) if rate.state == "chosen")
    return Grid(caption, head, tuple(rows), numbers=frozenset(range(1, len(seeds) + 3)), strong=chosen)


def _positive(exhibit: Exhibit) -> Section | None:
    """Return the share of each layer's outputs that were positive before the first update, where the runs recorded it;
    None where the arms differ in it by a point or less."""
    by_arm: dict[str, dict[str, float]] = {}
    label = exhibit.judgement.claim.label
    for name, arm in exhibit.judgement.arms.items():
        first = [exhibit.table[o.run].epochs[:1] for o in arm.observations if o.run in exhibit.table]
        runs = [rows[0]["positive"] for rows in first if rows and "positive" in rows[0]]
        if runs:
            by_arm[label(name)] = {layer: fmean(run[layer] for run in runs) for layer in runs[0]}
    layers = [layer for layer in next(iter(by_arm.values()), {}) if all(layer in shares for shares in by_arm.values())]
    spread = [max(s[layer] for s in by_arm.values()) - min(s[layer] for s in by_arm.values()) for layer in layers]
    if len(by_arm) < 2 or max(spread, default=0.0) <= 0.01:
        return None
    rows = tuple((layer, *(f"{100 * shares[layer]:.1f} %" for shares in by_arm.values())) for layer in layers)
    caption = "Share of outputs above 0 before the non-linearity, before the first update (mean of the judging seeds)"
    grid = Grid(caption, ("layer", *by_arm), rows, numbers=frozenset(range(1, len(by_arm) + 1)))
    return Section(f"{exhibit.shelf}-positive", "Before the first update", parts=(grid,))


def _saturated(exhibit: Exhibit) -> Section | None:
    """Return the share of outputs and units of each hidden layer that pass no gradient, after the last epoch at which
    the judged runs of all arms that have any recorded it; None without such an epoch."""
    by_arm = {
        exhibit.judgement.claim.label(name): [
            {row["epoch"]: row["saturated"] for row in exhibit.table[o.run].epochs if "saturated" in row}
            for o in arm.observations
            if o.run in exhibit.table
        ]
        for name, arm in exhibit.judgement.arms.items()
    }
    by_arm = {name: runs for name, runs in by_arm.items() if runs}
    common = set.intersection(*(set(rows) for runs in by_arm.values() for rows in runs)) if by_arm else set()
    if not common:
        return None
    epoch = max(common)
    shares = {name: [rows[epoch] for rows in runs] for name, runs in by_arm.items()}
    every = [run for runs in shares.values() for run in runs]
    layers = [layer for layer in every[0] if all(layer in run for run in every)]  # those that all arms have
    rows = []
    for layer in layers:
        means = [[fmean(run[layer][what] for run in runs) for what in ("outputs", "units")] for runs in shares.values()]
        rows.append((layer, *(f"{100 * outputs:.1f} % · {100 * units:.1f} %" for outputs, units in means)))
    images = "1,000 test images" if exhibit.judgement.claim.data.crop is None else "100 training photos"
    caption = (
        f"Share of outputs that pass almost no gradient · of units that pass none for any of {images}, after epoch "
        f"{epoch} (mean of the judging seeds)"
    )
    grid = Grid(caption, ("layer", *shares), tuple(rows), numbers=frozenset(range(1, len(shares) + 1)))
    text = (
        "A ReLU passes no gradient where its output is 0, which is normal for about half of its outputs; a tanh unit "
        "passes almost none where its output is beyond ±0.99."
    )
    return Section(f"{exhibit.shelf}-saturated", "Saturation", (text,), (grid,))


def _norms(exhibit: Exhibit) -> Section | None:
    """Return the norm of each layer's weights at the end of the judged runs; None unless the arms differ in weight
    decay and the runs recorded it."""
    claim = exhibit.judgement.claim
    if not any(key.startswith("train.weight_decay") for key in claim.varies):
        return None
    by_arm: dict[str, dict[str, float]] = {}
    for name, arm in exhibit.judgement.arms.items():
        there = [exhibit.table[o.run].epochs[: ceil(o.limit)] for o in arm.observations if o.run in exhibit.table]
        runs = [rows[-1]["norms"] for rows in there if rows and "norms" in rows[-1]]
        if runs:
            by_arm[claim.label(name)] = {layer: fmean(run[layer] for run in runs) for layer in runs[0]}
    if not by_arm:
        return None
    layers = next(iter(by_arm.values()))
    rows = tuple((layer, *(f"{sizes[layer]:.4g}" for sizes in by_arm.values())) for layer in layers)
    caption = "Euclidean norm of each layer's weights at the end of training (mean of the judging seeds)"
    grid = Grid(caption, ("layer", *by_arm), rows, numbers=frozenset(range(1, len(by_arm) + 1)))
    return Section(f"{exhibit.shelf}-norms", "Norms of the weights", parts=(grid,))
