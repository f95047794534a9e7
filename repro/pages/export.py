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


def whole(file: ClaimFile, found: list[Exhibit], reference: Results | None) -> dict[str, Any]:
    """The claim as written and its judgement on its shelf, with the reference runs' result, where these are not that
    shelf; open sides of intervals are null."""
    theirs = reference.of(file) if reference else None
    out: dict[str, Any] = {
        "claim": file.claim.model_dump(mode="json", by_alias=True, exclude_none=True),
        "shelves": [
            {
                "shelf": shown.shelf,
                "shown": shown.scale,
                "scales": {name: _verdict(judgement) for name, judgement in shown.scales.items()},
                "judgement": _judgement(shown.judgement) | power.data(shown.judgement),
                "alternatives": [
                    _judgement(judgement) | {"decides": decides(shown.judgement, judgement)}
                    for judgement in shown.alternatives
                ],
                **_evaluations(shown),
                "provenance": {
                    run: shown.table[run].sessions
                    for run in sorted({r for j in (shown.judgement, *shown.alternatives) for r in j.run_ids})
                },
            }
            for shown in found
        ],
    }
    return out | ({"reference": theirs.model_dump(mode="json")} if theirs else {})


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


def _observation(seen: Observation, timed: bool) -> dict[str, Any]:
    value = "epochs" if timed else "value"
    out = {"seed": seen.seed, value: seen.value, "status": seen.status, "horizon": seen.horizon, "run": seen.run}
    return out | ({"evaluation": seen.evaluation} if seen.evaluation else {})


def _evaluations(shown: Exhibit) -> dict[str, Any]:
    """Of every evaluation behind what is shown: what it looked at, and what it found."""
    ids = sorted({run for judgement in (shown.judgement, *shown.alternatives) for run in judgement.run_ids})
    out = {}
    for run in (shown.table[i] for i in ids):
        if "look" in run.config:
            about = {"of": RunConfig.model_validate(run.config["run"]).id, "look": run.config["look"]}
            epoch = run.result["epoch"] if run.result and run.result["status"] == "looked at" else None
            out[run.id] = about | {"epoch": epoch, "values": run.values, "curves": run.curves}
    return {"evaluations": out} if out else {}


def rows_csv(found: list[Exhibit]) -> str:
    """A row for each run of each judgement that is shown; for a printed curve, a row for each point of each run."""
    if isinstance(found[0].judgement.claim.rule, TraceRule):
        return csv_text([POINTS, *(row for shown in found for row in _points(shown))])
    rows: list[tuple[Any, ...]] = [COLUMNS]
    for shown in found:
        for judgement in (part for whole in (shown.judgement, *shown.alternatives) for part in whole.parts):
            under = ", ".join(filter(None, (judgement.alternative, judgement.comparison)))
            about = (shown.shelf, judgement.scale, under)
            for name, arm in judgement.arms.items():
                for rate in arm.tuning.rates if arm.tuning else ():
                    about_rate = (*about, name, "tuning", f"{rate.rate:g}")
                    rows.extend((*about_rate, *_cells(judgement.claim, o)) for o in rate.observations)
                judging = (*about, name, "judging", "" if arm.rate is None else f"{arm.rate:g}")
                rows.extend((*judging, *_cells(judgement.claim, o)) for o in arm.observations)
    return csv_text(rows)


def _cells(claim: Claim, seen: Observation) -> tuple[Any, ...]:
    """Seed, value, its unit, what became of the run, and how far it was looked at, in the same unit or in epochs."""
    name, each = claim.measure.column(claim)
    value = "" if seen.value is None else f"{each * seen.value:.6g}"
    return seen.seed, value, name, seen.status, f"{each * seen.horizon:g}", seen.run


def _points(shown: Exhibit) -> list[tuple[Any, ...]]:
    judgement, rule = shown.judgement, shown.judgement.claim.rule
    runs = {shown.table[run].seed: run for run in judgement.run_ids}
    about = (shown.shelf, judgement.scale)
    rows: list[tuple[Any, ...]] = [
        (*about, name, seed, i, f"{value:.6g}", runs[seed])
        for name, arm in judgement.arms.items()
        for seed, curve in arm.curves.items()
        for i, value in enumerate(curve, start=1)
    ]
    if isinstance(rule, TraceRule):
        rows += [(*about, "the author", "", i, f"{value:g}", "") for i, value in enumerate(rule.authors, start=1)]
    return rows
