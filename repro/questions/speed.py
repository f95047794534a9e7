"""Throughput claims: replicates of a timing to images/s by arm, their effect, and what may be said of it.

Images/s are a fact of a device, so every replicate is of a named one, those of different devices are never mixed, and
every verdict names its own.
"""

from __future__ import annotations

from math import exp, log
from statistics import median

from repro.questions.observations import Observation
from repro.questions.statistics import Effect, paired_interval
from repro.spec.claim import Claim
from repro.spec.config import TimingConfig
from repro.spec.files import run_config
from repro.store import Table


def config(claim: Claim, seed: int, device: str) -> TimingConfig:
    """The timing of all arms on `device`, replicate `seed`."""
    assert claim.measure.kind == "throughput"
    measure = claim.measure
    return TimingConfig(
        timed={arm: run_config(claim, arm, seed=seed) for arm in claim.arms},
        updates=measure.updates,
        rounds=measure.rounds,
        warm=measure.warm,
        device=device,
    )


def devices(claim: Claim, table: Table) -> list[str]:
    """The devices that the claim was timed on, the one with most replicates first; of equals in order of name."""
    named = {run.config["device"] for run in table.values() if "timed" in run.config}
    counts = {name: sum(config(claim, seed, name).id in table for seed in claim.seeds) for name in named}
    return sorted((name for name, count in counts.items() if count), key=lambda name: (-counts[name], name))


def observe(claim: Claim, arm: str, table: Table, device: str) -> tuple[Observation, ...]:
    """The arm's images/s in each replicate on `device`, the median of its rounds; `missing` and `failed` as of runs."""
    return tuple(_observed(table, config(claim, seed, device).id, seed, arm) for seed in claim.seeds)


def _observed(table: Table, run_id: str, seed: int, arm: str) -> Observation:
    run = table.get(run_id)
    if run is None or run.timed is None:
        return Observation(seed, run_id, None, 0, "failed" if run and run.failed else "missing", 0)
    return Observation(seed, run_id, median(run.timed[arm]["pipeline"]), 0, "reached", 0)


def spread(table: Table, run_id: str, arm: str) -> float | None:
    """How far the rounds of an arm in a replicate lie apart: largest less smallest, as a share of their median."""
    run = table.get(run_id)
    if run is None or run.timed is None:
        return None
    rounds = run.timed[arm]["pipeline"]
    return (max(rounds) - min(rounds)) / median(rounds)


def step_alone(table: Table, run_id: str, arm: str) -> float | None:
    """Images/s of the arm's step alone in a replicate, without loading and augmentation."""
    run = table.get(run_id)
    return median(run.timed[arm]["step"]) if run and run.timed else None


def rate(observations: tuple[Observation, ...], confidence: float) -> Effect | None:
    """The geometric mean of an arm's images/s; None where a replicate is not there, or where there is only one."""
    per_seed = {o.seed: o.value for o in observations if o.value is not None}
    if len(per_seed) < len(observations) or len(per_seed) < 2:
        return None
    low, middle, high = paired_interval([log(value) for value in per_seed.values()], confidence)
    method = "Student t, the mean log of the replicates"
    return Effect("rate", exp(middle), exp(low), exp(high), confidence, len(per_seed), method, per_seed)
