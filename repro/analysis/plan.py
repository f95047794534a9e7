"""What is still to be run for a claim: a pure function of the claim and the table of runs so far."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from repro.analysis import timing
from repro.analysis.levels import converged, goal_of, held_out_errors
from repro.analysis.measures import Observation, Want, evaluation_of, level_of, observe
from repro.analysis.tuning import Tuning, tune
from repro.spec.claim import Claim
from repro.spec.config import RunConfig
from repro.spec.files import ClaimFile, run_config
from repro.spec.resolve import epochs_of
from repro.store import Table


def wanted(
    file: ClaimFile,
    scale: str,
    table: Table,
    alternatives: list[str | None] | None = None,
    device: str | None = None,
    judged: bool = False,
) -> list[Want]:
    """All runs wanted next for a claim at a scale, under the base and its alternatives there (None: the base), or under
    those given; finished runs left out.

    `device`: the name of the one that is to be timed; None where nothing is run: the one that the table knows best.
    `judged`: of the arms that a rule compares alone; other arms are for alternatives.
    """
    if file.undecided(scale):
        return []  # which net and how many epochs, `repro.analysis.bases` is to say
    if alternatives is None:
        alternatives = [None, *file.alternatives_at(scale)]
    wants = []
    for alternative in alternatives:
        seen = set()  # what is judged together may look at the same runs
        for beside, claim in file.compared(scale, alternative).items():
            under = ", ".join(filter(None, (alternative, beside)))
            arms = claim.rule.of if judged and claim.rule.kind != "trace" else list(claim.arms)
            for want in _wanted(claim, arms, table, device):
                looked = want.evaluation.id if want.evaluation else None
                if (key := (want.config.id, want.epochs, want.level, looked)) not in seen:
                    seen.add(key)
                    wants.append(replace(want, label=f"{file.id}{f' ({under})' if under else ''}: {want.label}"))
    return [_first(want, table) for want in wants if not want.satisfied_in(table)]


def _first(want: Want, table: Table) -> Want:
    """What is to be run before a run that starts from another's weights can be: that other run, while they are not
    there; else the run itself."""
    start = want.config.start if isinstance(want.config, RunConfig) else None
    if start is None or start.run is None or start.epoch is None:
        return want
    label = f"{want.label}: what it starts from"
    before = Want(start.run, start.epoch, None, label, weights=True)
    return want if before.satisfied_in(table) else _first(before, table)


def _wanted(claim: Claim, arms: list[str], table: Table, device: str | None = None) -> list[Want]:
    """Of these arms; where rates are tuned, of all of them until they are, for arms share a grid."""
    if claim.measure.kind == "throughput":
        named = device or next(iter(timing.devices(claim, table)), "")
        configs = [timing.config(claim, seed, named) for seed in claim.seeds]
        return [Want(config, 0, None, f"timing, replicate {config.seed}") for config in configs]
    if claim.measure.kind == "trace":
        return [
            Want(run_config(claim, arm, seed=seed), claim.train.epochs, None, f"{arm}, seed {seed}")
            for arm in arms
            for seed in claim.seeds
        ]
    tunings: dict[str, Tuning] = {}
    if claim.tune:
        tunings, wants = tune(claim, table)
        if wants:
            return wants
    out = []
    for arm in arms:
        rate = tunings[arm].chosen if tunings else None
        if tunings and rate is None:
            continue  # no rate could be chosen: nothing to judge
        horizon = horizon_of(claim, arm, tunings, table)
        for seed in claim.seeds:
            config = run_config(claim, arm, seed=seed, lr=rate)
            evaluation = evaluation_of(claim, config, horizon)
            out.append(Want(config, horizon, level_of(claim), f"{arm}, seed {seed}", evaluation))
    return out


MOST = 4  # times the claim's horizon: how long a run is followed for its best (assumed)


def _followed(claim: Claim, arm: str, rate: float | None, table: Table) -> int:
    """Epochs to which the arm's runs are followed so that each has gone on for twice the time to its best.

    Found step by step, each from runs that have all come as far as the one before: epochs that others trained beyond
    it change nothing.
    """
    assert claim.measure.kind == "converged"
    configs = [run_config(claim, arm, seed=seed, lr=rate) for seed in claim.seeds]
    runs = [table.get(config.id) for config in configs]
    horizon, most = claim.train.epochs, MOST * claim.train.epochs
    while all(run and (run.failed or goal_of(configs[0], horizon).met(run.epochs)) for run in runs):
        times = [converged(held_out_errors(run.epochs[:horizon]), claim.measure.near) for run in runs if run]
        longer = min(most, max(horizon, *(ceil(2 * time) for time in times if time is not None)))
        if longer == horizon:
            break
        horizon = longer
    return horizon


def horizon_of(claim: Claim, arm: str, tunings: dict[str, Tuning], table: Table) -> int:
    """Epochs after which a judging run of `arm` counts as censored.

    The first horizon; for the slow arm at least twice (the far end of the band x the slowest judged run of the fast
    arm), so that a censored run says something about the band.
    """
    first = epochs_of(claim, arm)
    if claim.measure.kind == "converged":
        return _followed(claim, arm, tunings[arm].chosen if tunings else None, table)
    if claim.rule.kind != "ratio" or claim.rule.direction == "none" or claim.measure.kind != "epochs_to":
        return first
    slow, fast = claim.rule.of if claim.rule.direction == "above 1" else claim.rule.of[::-1]
    if arm != slow:
        return first
    values = [o.value for o in judged(claim, fast, tunings, table, first) if o.value is not None]
    return max(first, ceil(2 * claim.rule.far * max(values, default=0)))


def judged(claim: Claim, arm: str, tunings: dict[str, Tuning], table: Table, horizon: int) -> tuple[Observation, ...]:
    """The arm's judging seeds at its chosen rate, looked at up to `horizon`; none where no rate is chosen."""
    rate = tunings[arm].chosen if tunings else None
    if tunings and rate is None:
        return ()
    return tuple(observe(claim, run_config(claim, arm, seed=seed, lr=rate), table, horizon) for seed in claim.seeds)
