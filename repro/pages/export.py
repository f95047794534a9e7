"""The same as data: everything of a claim's page as JSON, and every run's measure as CSV."""

from __future__ import annotations

from math import isfinite
from typing import Any

from repro.claim.config import RunConfig
from repro.claim.files import ClaimFile
from repro.files import csv_text
from repro.pages import power
from repro.pages.assumptions import decides
from repro.pages.results import Results
from repro.questions.base import Claim
from repro.questions.curve import TraceRule
from repro.questions.exhibit import Exhibit
from repro.questions.judge import Judgement
from repro.questions.observations import Arm, Observation

COLUMNS = ("shelf", "scale", "alternative", "arm", "use", "rate", "seed", "value", "unit", "status", "horizon", "run")
POINTS = ("shelf", "scale", "arm", "seed", "point", "train_error", "run")


def whole(file: ClaimFile, exhibit: Exhibit, reference: Results | None) -> dict[str, Any]:
    """Return the claim as written and its judgement; open sides of intervals are null.

    `reference`: the results of the reference runs, next to runs of the user's own. The key `shelves` is a list of one.
    """
    theirs = reference.of(file) if reference else None
    judgement, table = exhibit.judgement, exhibit.table
    shelf = {
        "shelf": exhibit.shelf,
        "shown": exhibit.scale,
        "scales": {name: _verdict(at_scale) for name, at_scale in exhibit.scales.items()},
        "judgement": _judgement(judgement) | power.data(judgement),
        "alternatives": [_judgement(other) | {"decides": decides(judgement, other)} for other in exhibit.alternatives],
        **_evaluations(exhibit),
        "provenance": {run: table[run].sessions for run in _run_ids(exhibit)},
    }
    out = {"claim": file.claim.model_dump(mode="json", by_alias=True, exclude_none=True), "shelves": [shelf]}
    return out | ({"reference": theirs.model_dump(mode="json")} if theirs else {})


def _run_ids(exhibit: Exhibit) -> list[str]:
    """Return the ids of the runs behind the judgement and its alternatives, in order."""
    return sorted({run for judgement in (exhibit.judgement, *exhibit.alternatives) for run in judgement.run_ids})


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _verdict(judgement: Judgement) -> dict[str, Any]:
    verdict = judgement.verdict
    return {
        "word": verdict.word,
        "grade": verdict.grade,
        "sentence": verdict.sentence,
        "why": verdict.why,
        "runs_to_do": judgement.to_do,
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    effect, trace = judgement.effect, judgement.trace
    out: dict[str, Any] = {
        "scale": judgement.scale,
        "alternative": judgement.alternative,
        "verdict": _verdict(judgement),
        "arms": {
            name: {"label": judgement.claim.label(name), **_arm(arm, judgement.claim.measure.is_time)}
            for name, arm in judgement.arms.items()
        },
        "runs": list(judgement.run_ids),
    }
    if judgement.comparisons:
        out["weakest"] = judgement.name
        out["together"] = [{"comparison": part.name, **_judgement(part)} for part in judgement.comparisons]
    if judgement.device is not None:
        out["device"] = judgement.device
    if effect is not None:
        out["effect"] = {
            "kind": effect.unit.name,
            "estimate": effect.estimate,
            "low": None if effect.low == effect.unit.lowest else _finite(effect.low),  # an open side
            "high": _finite(effect.high),
            "confidence": effect.confidence,
            "n": effect.n,
            "method": effect.method,
            "per_seed": effect.per_seed,
        }
    if judgement.rate_range is not None:
        out["ratio_over_rates_near_the_best"] = list(judgement.rate_range)
    if trace is not None:
        out["trace"] = {
            "p": trace.p,
            "authors_largest_deviation": _finite(trace.authors_largest),
            "at_point": trace.at_point + 1,
            "largest_deviations": {seed: _finite(size) for seed, size in trace.largest.items()},
            "offset": trace.offset,
            "low": trace.low,
            "high": trace.high,
            "confidence": trace.confidence,
            "n": trace.n,
            "mean": trace.mean,
            "point_low": trace.point_low,
            "point_high": trace.point_high,
        }
    return out


def _arm(arm: Arm, timed: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"rate": arm.rate, "judged": [_observation(o, timed) for o in arm.observations]}
    if arm.curves:
        out = {"rate": arm.rate, "curves": arm.curves}
    if arm.tuning is not None:
        out["tuning"] = [
            {
                "rate": rate.rate,
                "state": rate.state,
                "geometric_mean": rate.mean,
                "seeds": [_observation(o, timed) for o in rate.observations],
            }
            for rate in arm.tuning.rates
        ]
    return out


def _observation(observation: Observation, timed: bool) -> dict[str, Any]:
    value = "epochs" if timed else "value"
    out = {
        "seed": observation.seed,
        value: observation.value,
        "status": observation.status,
        "horizon": observation.horizon,
        "run": observation.run,
    }
    return out | ({"evaluation": observation.evaluation} if observation.evaluation else {})


def _evaluations(exhibit: Exhibit) -> dict[str, Any]:
    """Return every evaluation behind the judgements: the run and the options, the epoch, and its values."""
    out = {}
    for run in (exhibit.table[id] for id in _run_ids(exhibit)):
        if "look" in run.config:
            about = {"of": RunConfig.model_validate(run.config["run"]).id, "look": run.config["look"]}
            epoch = run.result["epoch"] if run.result and run.result["status"] == "looked at" else None
            out[run.id] = about | {"epoch": epoch, "values": run.values, "curves": run.curves}
    return {"evaluations": out} if out else {}


def rows_csv(exhibit: Exhibit) -> str:
    """Return a row for each run of each judgement; for a printed curve, a row for each point of each run."""
    if isinstance(exhibit.judgement.claim.rule, TraceRule):
        return csv_text([POINTS, *_points(exhibit)])
    rows: list[tuple[Any, ...]] = [COLUMNS]
    for judgement in (part for whole in (exhibit.judgement, *exhibit.alternatives) for part in whole.parts):
        under = ", ".join(filter(None, (judgement.alternative, judgement.comparison)))
        about = (exhibit.shelf, judgement.scale, under)
        for name, arm in judgement.arms.items():
            for rate in arm.tuning.rates if arm.tuning else ():
                about_rate = (*about, name, "tuning", f"{rate.rate:g}")
                rows.extend((*about_rate, *_cells(judgement.claim, o)) for o in rate.observations)
            judging = (*about, name, "judging", "" if arm.rate is None else f"{arm.rate:g}")
            rows.extend((*judging, *_cells(judgement.claim, o)) for o in arm.observations)
    return csv_text(rows)


def _cells(claim: Claim, observation: Observation) -> tuple[Any, ...]:
    """Return seed, value, its unit, the run's status, and the run's horizon, in the same unit or in epochs."""
    name, each = claim.measure.column(claim)
    value = "" if observation.value is None else f"{each * observation.value:.6g}"
    return observation.seed, value, name, observation.status, f"{each * observation.horizon:g}", observation.run


def _points(exhibit: Exhibit) -> list[tuple[Any, ...]]:
    judgement, rule = exhibit.judgement, exhibit.judgement.claim.rule
    runs = {exhibit.table[run].seed: run for run in judgement.run_ids}
    about = (exhibit.shelf, judgement.scale)
    rows: list[tuple[Any, ...]] = [
        (*about, name, seed, i, f"{value:.6g}", runs[seed])
        for name, arm in judgement.arms.items()
        for seed, curve in arm.curves.items()
        for i, value in enumerate(curve, start=1)
    ]
    if isinstance(rule, TraceRule):
        rows += [(*about, "the author", "", i, f"{value:g}", "") for i, value in enumerate(rule.authors, start=1)]
    return rows
