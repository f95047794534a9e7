"""The table of judged runs: each arm's value by judging seed, the effect of the seed, and the runs' ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from repro.claim.resolve import epochs_of
from repro.draw.parts import Grid, Row
from repro.questions.base import Claim
from repro.questions.effect_rule import EffectRule
from repro.questions.exhibit import Exhibit
from repro.questions.frames import measured_runs
from repro.questions.judge import Judgement
from repro.questions.measure import MeasuredRun
from repro.questions.units import capital

RUN: dict[str, Callable[[MeasuredRun], str]] = {"run": lambda row: row.run}
EVALUATION: dict[str, Callable[[MeasuredRun], str]] = {"evaluation": lambda row: row.evaluation or "–"}


def judged_runs(exhibit: Exhibit) -> Grid:
    """Return a row for each judging seed, then the means where the rule's estimate is one."""
    judgement = exhibit.judgement
    measured = {(row.arm, row.seed): row for row in measured_runs(exhibit) if row.use == "judging"}
    labels, rule = [judgement.claim.label(name) for name in judgement.arms], judgement.claim.rule
    assert isinstance(rule, EffectRule)
    evaluated = any(row.evaluation for row in measured.values())
    codes = RUN | EVALUATION if evaluated else RUN
    rows = [_seed_row(judgement, rule, seed, measured, codes) for seed in judgement.claim.seeds]
    means = _mean_rows(judgement, rule, len(codes))
    what = _what(judgement.claim)
    compared = [_compared_head(judgement.claim, rule, len(labels))] * (len(rule.of) == 2)
    first = 1 + len(labels) + len(compared)
    return Grid(
        f"{capital(what)}, by judging seed",
        ("seed", *labels, *compared, *(code + f", {label}" * (len(labels) > 1) for code in codes for label in labels)),
        (*rows, *means),
        numbers=frozenset(range(1, first)),
        codes=frozenset(range(first, first + len(labels) * len(codes))),
        strong=frozenset(range(len(rows), len(rows) + len(means))),
    )


def _seed_row(
    judgement: Judgement,
    rule: EffectRule,
    seed: int,
    measured: Mapping[tuple[str, int], MeasuredRun],
    codes: dict[str, Callable[[MeasuredRun], str]],
) -> Row:
    """Return one seed's values, its effect where two arms are compared, and the ids of its runs."""
    claim, per_seed = judgement.claim, judgement.effect.per_seed if judgement.effect else {}
    runs = [measured.get((arm, seed)) for arm in judgement.arms]
    values = [claim.measure.cell(claim, run) if run else "–" for run in runs]
    compared = [rule.seed_words(per_seed[seed]) if seed in per_seed else "open"] * (len(rule.of) == 2)
    return str(seed), *values, *compared, *(code(run) if run else "–" for code in codes.values() for run in runs)


def _mean_rows(judgement: Judgement, rule: EffectRule, codes: int) -> list[Row]:
    """Return the row of means and the rule's own rows below it; none where the estimate is no mean."""
    claim, effect, measure = judgement.claim, judgement.effect, judgement.claim.measure
    if effect is None or effect.estimate is None or not rule.has_mean:
        return []
    means = [measure.mean(arm) for arm in judgement.arms.values()]
    values = [measure.written(claim, value) if value is not None else "–" for value in means]
    compared = [rule.seed_words(effect.estimate)] * (len(rule.of) == 2)
    blank = [""] * len(means) * codes
    totals = [(name, measure.written(claim, value), *blank) for name, value in rule.totals(means[0], effect)]
    return [("geometric mean" if measure.is_time else "mean", *values, *compared, *blank), *totals]


def _compared_head(claim: Claim, rule: EffectRule, arms: int) -> str:
    """Return the head of the column of effects, which names two arms only where the table has more."""
    timed = claim.measure.is_time
    of = (" / " if timed else " − ").join(claim.label(name) for name in rule.of)
    return ("ratio" if timed else "difference, points") + f": {of}" * (arms > 2)


def _what(claim: Claim) -> str:
    """Return what the table lists, and when it was read."""
    measure, goal = claim.measure, claim.measure.goal(claim)
    if measure.is_time:
        return f"{measure.per_epoch(claim)[0]} to {goal}{measure.ending}"
    same = {epochs_of(claim, name) for name in claim.arms} == {claim.train.epochs}
    after = f"after {claim.train.epochs} epochs" if same and not claim.train.plateau else "at the end"
    return f"{goal} {after}{measure.ending}"
