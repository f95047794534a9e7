"""Each arm's rate chosen independently, as the fastest (§3.1): what has been tuned so far, and what is to run next.

Equal grids for all arms. Passes of doubling horizon on the first tuning seed; after a pass, rates already past 1.5
times the best finished geometric mean are stopped. The other seeds run only for rates within 1.5 of the best. Chosen is
the smallest geometric mean of the time to the level; a rate with an unfinished or diverged tuning seed cannot be. A
chosen end of the grid extends all grids by a step. Everything is derived from the table: neither the order of runs nor
the number of workers can matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, log

from repro.analysis.measures import Level, Observation, Want, observe
from repro.spec.claim import Claim
from repro.spec.files import run_config
from repro.store import Table

FIRST_PASS = 3  # epochs of the first pass (assumed: about what the fastest net needs to an easy level)
SLOWER = 1.5  # DESIGN, tuning: rates slower than this times the best are given up
NEAR = 1.1  # DESIGN, tuning: rates within 10 % of the best count as equally good


@dataclass(frozen=True)
class Rate:
    """One rate of one arm: its tuning seeds and what became of it."""

    rate: float
    observations: tuple[Observation, ...]
    state: str  # chosen, near (within 10 % of the best), slower, stopped, diverged, not reached, running

    @property
    def mean(self) -> float | None:
        """Geometric mean of the epochs to the level over the tuning seeds; None unless all of them reached it."""
        values = [o.value for o in self.observations]
        return geometric_mean([v for v in values if v is not None]) if values and None not in values else None


@dataclass(frozen=True)
class Tuning:
    """An arm's tuning. `chosen` is None while it runs and where no rate could be chosen."""

    arm: str
    rates: tuple[Rate, ...]
    chosen: float | None
    at_end: bool  # the chosen rate is an end of the grid, and the grid may not be extended further


def geometric_mean(values: list[float]) -> float:
    """exp of the mean logarithm."""
    return exp(fsum(map(log, values)) / len(values))


def tune(claim: Claim, level: Level, table: Table) -> tuple[dict[str, Tuning], list[Want]]:
    """Every arm's tuning so far, and the runs wanted next; no wants: it is finished."""
    assert claim.tune is not None
    grid = list(claim.tune.rates)
    for extension in range(claim.tune.extend + 1):
        arms, wants = {}, []
        for arm in claim.arms:
            arms[arm], more = _tune_arm(claim, arm, grid, level, table)
            wants += more
        ends = {tuning.chosen for tuning in arms.values()} & {grid[0], grid[-1]}
        if wants or not ends or extension == claim.tune.extend:
            return arms, wants
        grid = ([grid[0] / 2] if grid[0] in ends else []) + grid + ([grid[-1] * 2] if grid[-1] in ends else [])
    raise AssertionError("the loop returns")


def _tune_arm(claim: Claim, arm: str, grid: list[float], level: Level, table: Table) -> tuple[Tuning, list[Want]]:
    assert claim.tune is not None
    first, *others = claim.tune.on_seeds
    seeds = {rate: [first] for rate in grid}
    stopped: set[float] = set()
    horizon = min(FIRST_PASS, claim.train.epochs)
    while True:
        seen = {
            rate: tuple(
                observe(table, run_config(claim, arm, seed=seed, lr=rate), level, horizon) for seed in seeds[rate]
            )
            for rate in grid
            if rate not in stopped
        }
        wants = [
            Want(run_config(claim, arm, seed=o.seed, lr=rate), horizon, level, f"{arm}, rate {rate:g}, tuning seed {o.seed}")
            for rate, observations in seen.items()
            for o in observations
            if o.status == "missing"
        ]
        if wants:
            return _result(claim, arm, grid, seeds, stopped, level, horizon, table, final=False), wants
        means = {rate: mean for rate, observations in seen.items() if (mean := _mean(observations)) is not None}
        best = min(means.values(), default=None)
        if best is not None:
            stopped |= {r for r, observations in seen.items() if _at_least(observations) > SLOWER * best}
        running = [
            r
            for r, observations in seen.items()
            if r not in stopped and any(o.status in ("not reached", "not started") for o in observations)
        ]
        if running and horizon < claim.train.epochs:
            horizon = min(2 * horizon, claim.train.epochs)
            continue
        contenders = [r for r in means if best is not None and means[r] <= SLOWER * best and seeds[r] == [first]]
        if others and contenders:
            for rate in contenders:
                seeds[rate] = [first, *others]
            continue
        return _result(claim, arm, grid, seeds, stopped, level, horizon, table, final=True), []


def _mean(observations: tuple[Observation, ...]) -> float | None:
    values = [o.value for o in observations if o.value is not None]
    return geometric_mean(values) if len(values) == len(observations) else None


def _at_least(observations: tuple[Observation, ...]) -> float:
    """A lower bound of the geometric mean: what has not reached the level takes longer than its horizon."""
    if any(o.status in ("diverged", "failed") for o in observations):
        return float("inf")
    return geometric_mean([o.value if o.value is not None else o.horizon for o in observations])


def _result(
    claim: Claim,
    arm: str,
    grid: list[float],
    seeds: dict[float, list[int]],
    stopped: set[float],
    level: Level,
    horizon: int,
    table: Table,
    final: bool,
) -> Tuning:
    seen: dict[float, tuple[Observation, ...]] = {}
    for rate in grid:
        configs = [run_config(claim, arm, seed=seed, lr=rate) for seed in seeds[rate]]
        # a stopped rate is looked at as far as it was trained
        lengths = [len(table[c.id].epochs) if c.id in table and rate in stopped else horizon for c in configs]
        seen[rate] = tuple(observe(table, c, level, n) for c, n in zip(configs, lengths, strict=True))
    assert claim.tune is not None
    full = len(claim.tune.on_seeds)
    means = {
        rate: mean
        for rate, observations in seen.items()
        if len(observations) == full and (mean := _mean(observations)) is not None
    }
    best = min(means.values(), default=None)
    chosen = min((r for r in means if means[r] == best), default=None) if final else None

    def state(rate: float) -> str:
        statuses = {o.status for o in seen[rate]}
        if rate == chosen:
            return "chosen"
        if "diverged" in statuses or "failed" in statuses:
            return "diverged" if "diverged" in statuses else "failed"
        if not final:
            return "running"
        if rate in means and best is not None:
            return "near" if means[rate] <= NEAR * best else "slower"
        if _mean(seen[rate]) is not None:
            return "slower"  # its first seed was already past 1.5 times the best
        return "stopped" if rate in stopped else "not reached"

    rates = tuple(Rate(rate, seen[rate], state(rate)) for rate in grid)
    return Tuning(arm, rates, chosen, at_end=chosen in (grid[0], grid[-1]))
