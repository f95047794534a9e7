"""A trained claim as files of data: everything of its page as JSON; its runs' measures and curves as tables."""

from __future__ import annotations

from math import isfinite

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile
from repro.frames import exports
from repro.pages import power
from repro.pages.assumptions import decides
from repro.pages.claim_data import (
    FORMAT,
    SCHEMA,
    ArmResult,
    EvaluationResult,
    JudgementResult,
    RateResult,
    RunMeasure,
    RunsVerdict,
    Trace,
    TrainedClaim,
    text,
)
from repro.pages.results import Results
from repro.pages.shelf_results import interval
from repro.questions import frames
from repro.questions.curve import TraceRule
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement
from repro.questions.observations import Arm, Observation


def files(file: ClaimFile, exhibit: Exhibit, reference: Results | None) -> dict[str, str | bytes]:
    """Return a claim's JSON, and its tables as CSV and parquet, by name; curves where there are any."""
    is_curve = isinstance(exhibit.judgement.claim.rule, TraceRule)
    named = {file.id: frames.points(exhibit) if is_curve else frames.measures(exhibit)}
    if len(curves := frames.judged_epochs(exhibit)):
        named[f"{file.id}.epochs"] = curves
    return {
        f"{file.id}.json": text(whole(file, exhibit, reference)),
        **exports(named),
    }


def whole(file: ClaimFile, exhibit: Exhibit, reference: Results | None) -> TrainedClaim:
    """Return the claim as written and its judgement; open sides of intervals are None.

    `reference`: the results of the reference runs, next to runs of the user's own.
    """
    table = exhibit.table
    made = {
        "$schema": SCHEMA,
        "format": FORMAT,
        "claim": file.claim.model_dump(mode="json", by_alias=True, exclude_none=True),
        "shelf": exhibit.shelf,
        "shown": exhibit.scale,
        "scales": {name: _verdict(at_scale) for name, at_scale in exhibit.scales.items()},
        "judgement": _judgement(exhibit.judgement, shown=True),
        "alternatives": [
            _judgement(other, decides=decides(exhibit.judgement, other)) for other in exhibit.alternatives
        ],
        "evaluations": _evaluations(exhibit),
        "provenance": {run: table[run].sessions for run in _run_ids(exhibit)},
        "reference": reference.of(file) if reference else None,
    }
    return TrainedClaim.model_validate(made, by_alias=True)


def _run_ids(exhibit: Exhibit) -> list[str]:
    """Return the ids of the runs behind the judgement and its alternatives, in order."""
    return sorted({run for judgement in (exhibit.judgement, *exhibit.alternatives) for run in judgement.run_ids})


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _verdict(judgement: Judgement) -> RunsVerdict:
    verdict = judgement.verdict
    return RunsVerdict(
        word=verdict.word, grade=verdict.grade, sentence=verdict.sentence, why=verdict.why, runs_to_do=judgement.to_do
    )


def _judgement(judgement: Judgement, shown: bool = False, decides: bool | None = None) -> JudgementResult:
    return JudgementResult(
        scale=judgement.scale,
        comparison=judgement.name,
        alternative=judgement.alternative,
        verdict=_verdict(judgement),
        arms={name: _arm(arm, judgement.claim.label(name)) for name, arm in judgement.arms.items()},
        runs=list(judgement.run_ids),
        together=[_judgement(part) for part in judgement.comparisons],
        device=judgement.device,
        effect=interval(judgement),
        ratio_over_rates_near_the_best=judgement.rate_range,
        trace=_trace(judgement),
        power=power.data(judgement) if shown else None,
        decides=decides,
    )


def _trace(judgement: Judgement) -> Trace | None:
    if (trace := judgement.trace) is None:
        return None
    return Trace(
        authors_largest_deviation=_finite(trace.authors_largest),
        at_point=trace.at_point + 1,
        largest_deviations={seed: _finite(size) for seed, size in trace.largest.items()},
        mean=trace.mean,
        point_low=trace.point_low,
        point_high=trace.point_high,
    )


def _arm(arm: Arm, label: str) -> ArmResult:
    tuning = None
    if arm.tuning is not None:
        tuning = [
            RateResult(rate=r.rate, state=r.state, geometric_mean=r.mean, seeds=[_measure(o) for o in r.observations])
            for r in arm.tuning.rates
        ]
    judged = [_measure(observation) for observation in arm.observations]
    return ArmResult(label=label, rate=arm.rate, judged=judged, curves=arm.curves, tuning=tuning)


def _measure(observation: Observation) -> RunMeasure:
    return RunMeasure(
        seed=observation.seed,
        value=observation.value,
        status=observation.status,
        horizon=observation.horizon,
        run=observation.run,
        evaluation=observation.evaluation,
    )


def _evaluations(exhibit: Exhibit) -> dict[str, EvaluationResult]:
    """Return every evaluation behind the judgements, by id."""
    out = {}
    for run in (exhibit.table[id] for id in _run_ids(exhibit)):
        if "look" in run.config:
            out[run.id] = EvaluationResult(
                of=RunConfig.model_validate(run.config["run"]).id,
                options=run.config["look"],
                epoch=run.result["epoch"] if run.result and run.result["status"] == "looked at" else None,
                values=dict(run.values),
                curves=dict(run.curves),
            )
    return out
