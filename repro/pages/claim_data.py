"""The file of one claim, `<id>.json`: everything on its page as data.

Its JSON Schema, `claim_results.schema.json`, is made from the models below and stands next to it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, TypeAdapter

from repro.claim.config import Closed
from repro.pages.results import ClaimResult, Interval, schema_text
from repro.questions.facts import FactWord

FORMAT = 1  # moves when a key is taken away or comes to mean something else
SCHEMA = "claim_results.schema.json"

_SCHEMA = Field(alias="$schema", description="the schema of this file, in its folder")
_FORMAT = Field(description="version of this format: moves when a key is removed or changes its meaning")
_CLAIM = Field(description="the claim as its file has it: keys as in claims/claim.schema.json")


class Verdict(Closed):
    """A verdict on the sentence."""

    word: str = Field(description="the verdict's word")
    grade: str | None = Field(
        description="how much the evidence weighs: A to D, or exact; null where nothing is judged"
    )
    sentence: str = Field(description="the finding with its numbers")
    why: str = Field(description="what decided the word, or what is missing")


class RunsVerdict(Verdict):
    """A verdict that rests on runs."""

    runs_to_do: int = Field(description="runs that the next round wants and that are not there")


class RunMeasure(Closed):
    """The measure of one run."""

    seed: int = Field(description="seed of the run; of a timing: number of the replicate")
    value: float | None = Field(
        description="the measure: a time in epochs, also where pages print updates; an error, a difference or a share "
        "as a fraction; a speed in images/s; a p; null where the run has none: see status"
    )
    status: str = Field(description="reached, not reached, not started, diverged, failed or missing")
    horizon: float = Field(description="epochs up to which the run was read")
    run: str = Field(description="the run's id")
    evaluation: str | None = Field(description="id of the evaluation that the measure is read off; null of others")


class RateResult(Closed):
    """One learning rate of an arm."""

    rate: float = Field(description="the learning rate")
    state: str = Field(
        description="chosen, near, slower, stopped, not reached, not learned, diverged, failed or running"
    )
    geometric_mean: float | None = Field(
        description="geometric mean of the tuning seeds' times in epochs, also where pages print updates; null unless "
        "all have one"
    )
    seeds: list[RunMeasure] = Field(description="the tuning runs")


class ArmResult(Closed):
    """One arm: how its rate was chosen, and its judging runs."""

    label: str = Field(description="its name on pages")
    rate: float | None = Field(description="its learning rate; null where it has none, or none is chosen yet")
    judged: list[RunMeasure] = Field(description="the judging runs; none of a printed curve")
    curves: dict[int, list[float]] = Field(description="of a printed curve: the points of ours, by seed; else empty")
    tuning: list[RateResult] | None = Field(description="the rates that were tried; null where none is tuned")


class Trace(Closed):
    """How a printed curve lies among ours."""

    authors_largest_deviation: float | None = Field(
        description="largest deviation of the author's curve from ours, in their standard deviations; null: infinite"
    )
    at_point: int = Field(description="number of the point at which it lies, from 1")
    largest_deviations: dict[int, float | None] = Field(description="the same of each of ours from the others, by seed")
    mean: list[float] = Field(description="mean of our curves, by point")
    point_low: list[float] = Field(description="lower end of the prediction interval for one more curve, by point")
    point_high: list[float] = Field(description="its upper end, by point")


class PowerRow(Closed):
    """What would be said if one effect were the true one."""

    true_effect: float = Field(description="the effect")
    words: dict[str, float] = Field(description="how often each word would be the verdict")


class Power(Closed):
    """What the judging runs could have shown."""

    n: int = Field(description="seeds")
    spreads: list[float] = Field(description="standard deviations on the scale of the interval")
    simulated_worlds: int = Field(description="worlds that were simulated; 0 where the rates are calculated")
    rows: list[PowerRow] = Field(description="the verdicts under some true effects")
    power: float = Field(description="the power at which an effect counts as resolved")
    resolved: list[float] = Field(description="the smallest effects that are resolved, above and below none")


class JudgementResult(Closed):
    """One comparison of arms, judged."""

    scale: str = Field(description="smoke, small, medium or paper")
    comparison: str = Field(
        description="ours, or the name of the alternative; of several judged together the weakest, which decides"
    )
    alternative: str | None = Field(
        description="the alternative under which it is judged; null: the claim's own choices"
    )
    verdict: RunsVerdict = Field(description="the verdict on it")
    arms: dict[str, ArmResult] = Field(description="every arm, by its id in the claim's file")
    runs: list[str] = Field(description="ids of the runs and evaluations behind it")
    together: list[JudgementResult] = Field(description="every comparison that is judged with it; else empty")
    device: str | None = Field(description="of a timing: the device that was timed; else null")
    effect: Interval | None = Field(description="null where no effect could be formed")
    ratio_over_rates_near_the_best: tuple[float, float] | None = Field(
        description="lowest and highest ratio on the tuning seeds over all rates near the best; null without any"
    )
    trace: Trace | None = Field(description="of a printed curve: how it lies among ours; else null")
    power: Power | None = Field(description="what these runs could have shown; null where it is not known")
    decides: bool | None = Field(description="of an alternative: whether it changes the verdict; else null")


class EvaluationResult(Closed):
    """One evaluation of a trained net."""

    of: str = Field(description="id of the run whose net it is of")
    options: dict[str, Any] = Field(description="its kind and options, as its run.json has them")
    epoch: int | None = Field(description="the epoch after which it was made; null where it failed")
    values: dict[str, float] = Field(description="what was measured, by name")
    curves: dict[str, list[float]] = Field(description="what was measured step by step, lists of one length by name")


class TrainedClaim(Closed):
    """A claim that runs decide, on one shelf."""

    schema_: str = _SCHEMA
    format: Literal[1] = _FORMAT
    claim: dict[str, Any] = _CLAIM
    shelf: str = Field(description="reference: the runs that come with the project; yours: the reader's own")
    shown: str = Field(description="the scale that its page shows")
    scales: dict[str, RunsVerdict] = Field(description="the verdict at each scale, from the highest")
    judgement: JudgementResult = Field(description="the verdict at the scale that is shown, with what it rests on")
    alternatives: list[JudgementResult] = Field(description="the same under each alternative")
    evaluations: dict[str, EvaluationResult] = Field(description="every evaluation behind these, by id")
    provenance: dict[str, list[dict[str, Any]]] = Field(
        description="what made each run behind these, by id, session by session, as its run.json has it"
    )
    reference: ClaimResult | None = Field(
        description="the reference runs' result, as results.json has it, next to runs of the reader's own; else null"
    )


class Fact(Closed):
    """One printed fact."""

    says: str = Field(description="the fact")
    printed: Any = Field(description="what is printed: a number, a list or a word")
    found: Any = Field(description="what was counted")
    range: tuple[float | None, float | None] | None = Field(
        description="what the data leave open, null at an open end; null where they leave nothing open"
    )
    unit: str = Field(description="unit of printed, found and range; empty for counts")
    arithmetic: str = Field(description="how it was counted")
    verdict: FactWord = Field(description="the verdict on the fact")


class CountedVerdict(Verdict):
    """A verdict on facts."""

    facts: str = Field(description="how many facts got each word")


class CountedClaim(Closed):
    """A claim whose facts are counted."""

    schema_: str = _SCHEMA
    format: Literal[1] = _FORMAT
    claim: dict[str, Any] = _CLAIM
    verdict: CountedVerdict = Field(description="the verdict on all facts")
    facts: list[Fact] = Field(description="every fact, in the order of the claim's file")
    nets: dict[str, dict[str, list[str]]] = Field(
        description="of every net, by layer: kernels, output, parameters, multiply-adds and neurons, as printed"
    )


def text(claim: TrainedClaim | CountedClaim) -> str:
    """Return the content of a claim's file."""
    return json.dumps(claim.model_dump(mode="json", by_alias=True), indent=1, allow_nan=False) + "\n"


def schema() -> str:
    """Return `claim_results.schema.json`."""
    return schema_text(TypeAdapter(TrainedClaim | CountedClaim).json_schema(by_alias=True))
