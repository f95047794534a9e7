"""The evidence behind images/s: every replicate, the step alone beside the whole pipeline, days, and other devices."""

from __future__ import annotations

from statistics import median

from repro.draw.parts import Grid, Row, Section
from repro.questions.exhibit import Exhibit
from repro.questions.observations import Observation
from repro.questions.sections import at_smoke_scale
from repro.questions.speed import Rate, Throughput, geometric_rate
from repro.questions.units import images, times
from repro.store import Table


def sections(shown: Exhibit) -> list[Section]:
    """The replicates of one shelf on the device that is shown, what follows from them, and the other devices."""
    out = at_smoke_scale(shown)
    if (days := _days(shown)) is not None:
        out.append(Section(f"{shown.shelf}-days", "The whole training", parts=(days,)))
    text = [f"Timing {o.run} failed twice: {why}." for o in _seen(shown) if (why := _failed(shown, o))]
    loads = [run.result["load"] for o in _seen(shown) if (run := shown.table.get(o.run)) and run.timed and run.result]
    if loads:
        text.append(f"Before the replicates, the machine had a load of {min(loads):.1f} to {max(loads):.1f}.")
    apart = [
        share
        for o in _seen(shown)
        for arm in shown.judgement.arms
        if (share := _spread(shown.table, o.run, arm)) is not None
    ]
    if apart:
        lie = " to ".join(dict.fromkeys(f"{100 * share:.1f}" for share in (min(apart), max(apart))))
        text.append(f"Within a replicate, the rounds of an arm differ by {lie} % of their median.")
    out.append(Section(f"{shown.shelf}-runs", "Replicates", tuple(text), (_replicates(shown),)))
    if len(names := _timing(shown).devices(shown.judgement.claim, shown.table)) > 1:
        out.append(Section(f"{shown.shelf}-devices", "Devices", parts=(_devices(shown, names),)))
    return out


def _timing(shown: Exhibit) -> Throughput:
    measure = shown.judgement.claim.measure
    assert isinstance(measure, Throughput)
    return measure


def _seen(shown: Exhibit) -> tuple[Observation, ...]:
    """One for each replicate: all arms are timed in the same process."""
    return next(iter(shown.judgement.arms.values())).observations


def _failed(shown: Exhibit, seen: Observation) -> str | None:
    return shown.table[seen.run].failed if seen.run in shown.table else None


def _replicates(shown: Exhibit) -> Grid:
    """Images/s of every arm in every replicate."""
    judgement, rule = shown.judgement, shown.judgement.claim.rule
    of = rule.compared(judgement.claim)
    two, per_seed = len(of) == 2, judgement.effect.per_seed if judgement.effect else {}
    rows: list[Row] = []
    for i, o in enumerate(_seen(shown)):
        cells = []
        for name, arm in judgement.arms.items():
            step = _step_alone(shown.table, o.run, name)
            cells += [
                judgement.claim.measure.observed(judgement.claim, arm.observations[i]),
                "–" if step is None else images(step),
            ]
        compared = [f"{per_seed[o.seed]:.3f}" if o.seed in per_seed else "–"] * two
        rows.append((str(o.seed), *cells, *compared, o.run))
    labels = [judgement.claim.label(name) for name in judgement.arms]
    heads = [head for label in labels for head in (label, f"{label}, step alone")]
    ratio = ["ratio"] * two
    numbers = frozenset(range(1, len(heads) + two + 1))
    caption = f"Images/s of each replicate (median of its rounds) on {judgement.device}"
    head = ("replicate", *heads, *ratio, "run")
    return Grid(caption, head, tuple(rows), numbers=numbers, codes=frozenset({len(head) - 1}))


def _days(shown: Exhibit) -> Grid | None:
    """Days of the paper's training at our rate, and ours over the paper's; None of another rule and at smoke scale."""
    rule, found = shown.judgement.claim.rule, shown.judgement.effect
    if not isinstance(rule, Rate) or not shown.speaks or found is None or found.estimate is None:
        return None
    slow, fast = rule.within
    rows: list[Row] = [
        ("the paper", rule.on, f"{images(slow)} to {images(fast)}", f"{rule.days(fast):.2g} to {rule.days(slow):.2g}"),
        (
            "ours",
            str(shown.judgement.device),
            f"{images(found.estimate)} ({found.interval_words})",
            f"{_days_of(rule.days(found.estimate))} ({_days_of(rule.days(found.high))} to "
            f"{_days_of(rule.days(found.low))})",
        ),
    ]
    for bound in (slow, fast):
        ratio = f"{times(found.estimate / bound)} ({times(found.low / bound)} to {times(found.high / bound)})"
        rows.append((f"ours / the paper’s, at {rule.days(bound):.2g} days", "", f"{ratio} times", ""))
    caption = f"{rule.cycles} cycles through {rule.images:,} images"
    return Grid(caption, ("whose", "device", "images/s", "days"), tuple(rows), numbers=frozenset({2, 3}))


def _days_of(days: float) -> str:
    return f"{days:.3g}" if days < 1000 else f"{days:,.0f}"


def _devices(shown: Exhibit, names: list[str]) -> Grid:
    """Every device's images/s, none mixed with another's."""
    judgement = shown.judgement
    rows: list[Row] = []
    for name in names:
        cells, counts = [], []
        for arm in judgement.arms:
            seen = _timing(shown).replicates(judgement.claim, arm, shown.table, name)
            rate = geometric_rate(tuple(o for o in seen if o.value is not None), 0.95)
            counts.append(sum(o.value is not None for o in seen))
            cells.append(f"{images(rate.estimate)} ({rate.interval_words})" if rate and rate.estimate else "–")
        rows.append((name, str(min(counts)), *cells))
    head = ("device", "replicates", *(judgement.claim.label(arm) for arm in judgement.arms))
    return Grid("Images/s with a 95 % interval, by device", head, tuple(rows), numbers=frozenset(range(1, len(head))))


def _spread(table: Table, run_id: str, arm: str) -> float | None:
    """How far the rounds of an arm in a replicate lie apart: largest less smallest, as a share of their median."""
    run = table.get(run_id)
    if run is None or run.timed is None:
        return None
    rounds = run.timed[arm]["pipeline"]
    return (max(rounds) - min(rounds)) / median(rounds)


def _step_alone(table: Table, run_id: str, arm: str) -> float | None:
    """Images/s of the arm's step alone in a replicate, without loading and augmentation."""
    run = table.get(run_id)
    return median(run.timed[arm]["step"]) if run and run.timed else None
