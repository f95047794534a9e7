"""From a claim at a scale and the table of runs to a judgement: the effect judged by the rule written beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from repro.analysis.effects import Effect, TraceTest, count, difference, ensemble, ratio, trace_test, value
from repro.analysis.measures import Observation, trace
from repro.analysis.plan import horizon_of, judged, wanted
from repro.analysis.tuning import Arm, Tuning, tune
from repro.analysis.words import Verdict, of_effect, of_trace, of_value
from repro.spec.claim import Claim
from repro.spec.files import ClaimFile, run_config
from repro.spec.recipes import ScaleName
from repro.spec.resolve import training_images
from repro.spec.rules import Change, Count, Ensemble, effect_of
from repro.store import Table

SCALES: tuple[ScaleName, ...] = get_args(ScaleName)[::-1]  # from the highest


@dataclass(frozen=True)
class Judgement:
    """A claim at a scale under one choice of assumptions, judged."""

    claim: Claim  # with the scale and the alternative laid on
    scale: str
    alternative: str | None
    verdict: Verdict
    arms: dict[str, Arm]
    effect: Effect | None
    rate_range: tuple[float, float] | None  # the ratio over all rates within 10 % of the best, from tuning seeds
    trace: TraceTest | None
    to_do: int  # runs that are wanted and not there
    run_ids: tuple[str, ...]  # every run of the table that this judgement looked at


def judge(file: ClaimFile, scale: str, table: Table, alternative: str | None = None) -> Judgement:
    """Judge one claim at one scale from the runs that are there."""
    claim = file.at(scale, alternative)
    to_do = len(wanted(file, scale, table, [alternative]))
    if claim.measure.kind == "trace":
        return _judge_trace(claim, scale, alternative, table, to_do)
    return _judge_arms(claim, scale, alternative, table, to_do)


def judgements(file: ClaimFile, table: Table) -> Iterator[Judgement]:
    """The claim at every scale that it has, from the highest, each judged when it is asked for."""
    return (judge(file, scale, table) for scale in SCALES if scale in file.claim.scales)


def complete(judgement: Judgement) -> bool:
    """Whether it was measured, whatever was found."""
    return judgement.verdict.word not in ("not run", "error")


def highest(file: ClaimFile, table: Table) -> Judgement | None:
    """The judgement at the highest complete scale; None where no scale is complete."""
    return next(filter(complete, judgements(file, table)), None)


def reference(file: ClaimFile, table: Table) -> str:
    """What the runs that come with the project say, in a line."""
    found = highest(file, table)
    return f"{found.verdict.word} at {found.scale} scale. {found.verdict.sentence}" if found else "not run yet"


def _judge_arms(claim: Claim, scale: str, alternative: str | None, table: Table, to_do: int) -> Judgement:
    assert claim.rule.kind != "trace"
    rule = claim.rule
    tunings: dict[str, Tuning] = tune(claim, table)[0] if claim.tune else {}
    arms = {}
    for name in claim.arms:
        tuning = tunings.get(name)
        observations = judged(claim, name, tunings, table, horizon_of(claim, name, tunings, table))
        rate = tuning.chosen if tuning else run_config(claim, name, seed=claim.seeds[0]).train.lr
        arms[name] = Arm(name, tuning, rate, observations, {})
    judged_arms = [arms[name] for name in rule.of]
    rate_range = None
    if rule.kind == "value":
        effect = value(judged_arms[0].observations, rule.confidence)
        verdict = of_value(claim, scale, effect, judged_arms[0], to_do)
    elif rule.kind in ("change", "count", "ensemble"):
        effect = _of_one(rule, claim, judged_arms[0].observations, table)
        if effect_of(rule) == "value":
            verdict = of_value(claim, scale, effect, judged_arms[0], to_do)
        else:
            verdict = of_effect(claim, scale, effect, judged_arms[0], None, None, to_do)
    elif rule.kind == "ratio" or rule.kind == "difference":
        compare = ratio if rule.kind == "ratio" else difference
        numerator, denominator = judged_arms
        effect = compare(numerator.observations, denominator.observations, rule.confidence, rule.pairs)
        rate_range = _rate_range(tunings, rule.of) if tunings else None
        verdict = of_effect(claim, scale, effect, numerator, denominator, rate_range, to_do)
    ids = {o.run for arm in arms.values() for o in arm.observations}
    ids |= {o.evaluation for arm in arms.values() for o in arm.observations if o.evaluation}
    ids |= {o.run for tuning in tunings.values() for rate in tuning.rates for o in rate.observations}
    return Judgement(
        claim=claim,
        scale=scale,
        alternative=alternative,
        verdict=verdict,
        arms=arms,
        effect=effect,
        rate_range=rate_range,
        trace=None,
        to_do=to_do,
        run_ids=tuple(sorted(ids & table.keys())),
    )


def _of_one(
    rule: Change | Count | Ensemble, claim: Claim, observations: tuple[Observation, ...], table: Table
) -> Effect | None:
    """The effect of one arm's runs, each looked at for itself or averaged with others."""
    if rule.kind == "change":
        return value(observations, rule.confidence, "difference")
    if rule.kind == "count":
        return count(observations, rule.at_most, rule.confidence)
    if any(o.value is None for o in observations):
        return None
    from repro.analysis.ensembles import statistic  # numpy: only an ensemble pays for it

    runs = [table[str(o.evaluation)] for o in observations]
    answers = 5 if claim.measure.metric.endswith("top5") else 1
    of = statistic(runs, rule.size, answers=answers, gain=rule.judges == "gain")
    return ensemble(observations, rule.size, of, rule.confidence, effect_of(rule))


def _rate_range(tunings: dict[str, Tuning], of: list[str]) -> tuple[float, float] | None:
    """Smallest and largest ratio of tuning means over all rates within 10 % of each arm's best."""
    near = []
    for name in of:
        means = [rate.mean for rate in tunings[name].rates if rate.state in ("chosen", "near")]
        if not means:
            return None
        near.append([mean for mean in means if mean is not None])
    above, below = near
    return min(above) / max(below), max(above) / min(below)


def _judge_trace(claim: Claim, scale: str, alternative: str | None, table: Table, to_do: int) -> Judgement:
    assert claim.measure.kind == "trace"
    assert claim.rule.kind == "trace"
    rule, arms, ids = claim.rule, {}, []
    failed = diverged = 0
    for name in claim.arms:
        curves = {}
        for seed in claim.seeds:
            config = run_config(claim, name, seed=seed)
            run = table.get(config.id)
            if run is None:
                continue
            ids.append(run.id)
            curve = trace(
                run,
                every=claim.measure.every,
                points=len(rule.authors),
                batch=config.train.batch,
                file_images=config.train.file_images,
                images=training_images(config.data),
            )
            if curve is not None:
                curves[seed] = curve
            elif run.failed:
                failed += 1
            elif run.diverged:
                diverged += 1
        arms[name] = Arm(name, None, claim.train.lr, (), curves)
    found = trace_test(next(iter(arms.values())).curves, rule.authors, rule.confidence) if to_do == 0 else None
    return Judgement(
        claim=claim,
        scale=scale,
        alternative=alternative,
        verdict=of_trace(claim, scale, found, to_do, failed, diverged),
        arms=arms,
        effect=None,
        rate_range=None,
        trace=found,
        to_do=to_do,
        run_ids=tuple(sorted(ids)),
    )
