"""The evidence behind images/s: every replicate, the step alone beside the whole pipeline, days, and other devices."""

from __future__ import annotations

from statistics import median

from repro.draw.parts import Grid, Row, Section
from repro.questions.exhibit import Exhibit
from repro.questions.frames import measured_runs
from repro.questions.measure import MeasuredRun
from repro.questions.observations import Observation
from repro.questions.sections import at_smoke_scale
from repro.questions.speed import Rate, Throughput, geometric_rate
from repro.questions.units import images, times
from repro.store import Table


def sections(exhibit: Exhibit) -> list[Section]:
    """Return the sections of one shelf: the replicates on the judged device, the days they mean, and other devices."""
    out = at_smoke_scale(exhibit)
    if (days := _days(exhibit)) is not None:
        out.append(Section(f"{exhibit.shelf}-days", "The whole training", parts=(days,)))
    text = [f"Timing {o.run} failed twice: {why}." for o in _timings(exhibit) if (why := _failed(exhibit, o))]
    results = [exhibit.table[o.run].result for o in _timings(exhibit) if o.run in exhibit.table]
    loads = [result["load"] for result in results if result and result["status"] == "timed"]
    if loads:
        between = " to ".join(dict.fromkeys(f"{load:.1f}" for load in (min(loads), max(loads))))
        text.append(f"Before the replicates, the machine had a load of {between}.")
    apart = [
        share
        for o in _timings(exhibit)
        for arm in exhibit.judgement.arms
        if (share := _spread(exhibit.table, o.run, arm)) is not None
    ]
    if apart:
        lie = " to ".join(dict.fromkeys(f"{100 * share:.1f}" for share in (min(apart), max(apart))))
        text.append(f"Within a replicate, the rounds of an arm differ by {lie} % of their median.")
    out.append(Section(f"{exhibit.shelf}-runs", "Replicates", tuple(text), (_replicates(exhibit),)))
    if len(names := _timing(exhibit).devices(exhibit.judgement.claim, exhibit.table)) > 1:
        out.append(Section(f"{exhibit.shelf}-devices", "Devices", parts=(_devices(exhibit, names),)))
    return out


def _timing(exhibit: Exhibit) -> Throughput:
    measure = exhibit.judgement.claim.measure
    assert isinstance(measure, Throughput)
    return measure


def _timings(exhibit: Exhibit) -> tuple[Observation, ...]:
    """Return one observation for each replicate: all arms are timed in the same process."""
    return next(iter(exhibit.judgement.arms.values())).observations


def _failed(exhibit: Exhibit, timing: Observation) -> str | None:
    return exhibit.table[timing.run].failed if timing.run in exhibit.table else None


def _replicates(exhibit: Exhibit) -> Grid:
    """Return images/s of every arm in every replicate."""
    judgement, rule = exhibit.judgement, exhibit.judgement.claim.rule
    two, per_seed = len(rule.compared(judgement.claim)) == 2, judgement.effect.per_seed if judgement.effect else {}
    measured: dict[int, list[MeasuredRun]] = {}
    for run in measured_runs(exhibit):
        measured.setdefault(run.seed, []).append(run)
    rows: list[Row] = []
    for replicate, timed in measured.items():
        cells = []
        for one in timed:
            step = _step_alone(exhibit.table, one.run, one.arm)
            cells += [
                judgement.claim.measure.cell(judgement.claim, one),
                "–" if step is None else images(step),
            ]
        compared = [f"{per_seed[replicate]:.3f}" if replicate in per_seed else "–"] * two
        rows.append((str(replicate), *cells, *compared, timed[0].run))
    labels = [judgement.claim.label(name) for name in judgement.arms]
    heads = [head for label in labels for head in (label, f"{label}, step alone")]
    ratio = ["ratio"] * two
    numbers = frozenset(range(1, len(heads) + two + 1))
    caption = f"Images/s of each replicate (median of its rounds) on {judgement.device}"
    head = ("replicate", *heads, *ratio, "run")
    return Grid(caption, head, tuple(rows), numbers=numbers, codes=frozenset({len(head) - 1}))


def _days(exhibit: Exhibit) -> Grid | None:
    """Return the days of the paper's training at our rate; None for another rule and at smoke scale."""
    rule, effect = exhibit.judgement.claim.rule, exhibit.judgement.effect
    if not isinstance(rule, Rate) or not exhibit.speaks or effect is None or effect.estimate is None:
        return None
    slow, fast = rule.within
    rows: list[Row] = [
        ("the paper", rule.on, f"{images(slow)} to {images(fast)}", f"{rule.days(fast):.2g} to {rule.days(slow):.2g}"),
        (
            "ours",
            str(exhibit.judgement.device),
            f"{images(effect.estimate)} ({effect.interval_words})",
            f"{_days_of(rule.days(effect.estimate))} ({_days_of(rule.days(effect.high))} to "
            f"{_days_of(rule.days(effect.low))})",
        ),
    ]
    for bound in (slow, fast):
        ratio = f"{times(effect.estimate / bound)} ({times(effect.low / bound)} to {times(effect.high / bound)})"
        rows.append((f"ours / the paper’s, at {rule.days(bound):.2g} days", "", f"{ratio} times", ""))
    caption = f"{rule.cycles} cycles through {rule.images:,} images"
    return Grid(caption, ("whose", "device", "images/s", "days"), tuple(rows), numbers=frozenset({2, 3}))


def _days_of(days: float) -> str:
    return f"{days:.3g}" if days < 1000 else f"{days:,.0f}"


def _devices(exhibit: Exhibit, names: list[str]) -> Grid:
    """Return the images/s of each device by itself."""
    judgement = exhibit.judgement
    rows: list[Row] = []
    for name in names:
        cells, counts = [], []
        for arm in judgement.arms:
            timings = _timing(exhibit).replicates(judgement.claim, arm, exhibit.table, name)
            rate = geometric_rate(tuple(o for o in timings if o.value is not None), 0.95)
            counts.append(sum(o.value is not None for o in timings))
            cells.append(f"{images(rate.estimate)} ({rate.interval_words})" if rate and rate.estimate else "–")
        rows.append((name, str(min(counts)), *cells))
    head = ("device", "replicates", *(judgement.claim.label(arm) for arm in judgement.arms))
    return Grid("Images/s with a 95 % interval, by device", head, tuple(rows), numbers=frozenset(range(1, len(head))))


def _spread(table: Table, run_id: str, arm: str) -> float | None:
    """Return the range of an arm's rounds in a replicate, largest less smallest, as a share of their median."""
    run = table.get(run_id)
    if run is None or run.timed is None:
        return None
    rounds = run.timed[arm]["pipeline"]
    return (max(rounds) - min(rounds)) / median(rounds)


def _step_alone(table: Table, run_id: str, arm: str) -> float | None:
    """Return images/s of the arm's step alone in a replicate, without loading and augmentation."""
    run = table.get(run_id)
    return median(run.timed[arm]["step"]) if run and run.timed else None
